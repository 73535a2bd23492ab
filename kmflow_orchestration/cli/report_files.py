"""Reports in files, whole or not at all, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from kmflow_orchestration.redaction import redact, redacted

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
    temporary = file.parent / f".{uuid4().hex}.part"
    try:
        temporary.write_text(redact(text), encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def write_report(file: Path, value: Mapping[str, Any]) -> None:
    """Write a report as JSON. Raises OSError."""
    write_text(file, json.dumps(redacted(value), indent=2, ensure_ascii=False, default=str) + "\n")
