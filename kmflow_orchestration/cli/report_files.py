"""Reports in files, whole or not at all, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kmflow_orchestration.redaction import redact, redacted
from kmflow_orchestration.storage.whole_files import replacing

SourceOption = Annotated[
    Path, typer.Option("--source-dir", help="Folder that holds a folder per engagement.")
]
ReportOption = Annotated[
    Path | None, typer.Option("--report", help="Write every file with its outcome here, as JSON.")
]


def checked_source(source_dir: Path) -> Path:
    """The folder. Raises BadParameter when there is none."""
    if not source_dir.is_dir():
        raise typer.BadParameter(f"{source_dir} is no folder", param_hint="--source-dir")
    return source_dir


def write_text(file: Path, text: str) -> None:
    """Write a report. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        temporary.write_text(redact(text), encoding="utf-8")


def write_report(file: Path, value: Mapping[str, Any]) -> None:
    """Write a report as JSON. Raises OSError."""
    write_text(file, json.dumps(redacted(value), indent=2, ensure_ascii=False, default=str) + "\n")
