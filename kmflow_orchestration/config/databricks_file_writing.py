"""Defaults written into `databricks.yaml`, beside what stands there, comments too (CD-S4)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from kmflow_orchestration.config.databricks_file import OWN_FILE, FileValues, find_file, read_values
from kmflow_orchestration.config.private_files import changing, write_private
from kmflow_orchestration.errors import ConfigurationError


def save_values(values: Mapping[str, str | int], file: FileValues) -> Path:
    """Put values into a file; the path it was written to.

    What stood in another of the usual files goes along, because from then on only this one is read.

    Raises:
        ConfigurationError: a value breaks the file's own rules, or it is written in a way no
            program can change. Nothing is written then.
        StateConflict, OSError: it cannot be written.
    """
    path = _written_to(file.path)
    with changing(path) as target:
        base = target if target.exists() else file.path
        text = base.read_text(encoding="utf-8-sig") if base is not None and base.exists() else ""
        before = read_values(text, path).values
        edited = _edited(text, values)
        if read_values(edited, path).values != {**before, **values}:
            raise ConfigurationError(
                f"{path} is written in a way that no program can change",
                hint=f"write {', '.join(values)} by hand",
            )
        write_private(target, edited)
    return path


def _written_to(path: Path | None) -> Path:
    own = Path(OWN_FILE).expanduser()
    usual = find_file(None, {})
    return own if path is None or path == usual else path


def _edited(text: str, values: Mapping[str, str | int]) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for name, value in values.items():
        # JSON's texts are YAML's, too.
        line = f"{name}: {json.dumps(value, ensure_ascii=False)}\n"
        at = next((at for at, old in enumerate(lines) if re.match(rf"{name}\s*:", old)), None)
        if at is None:
            lines.append(line)
        else:
            lines[at] = line
    return "".join(lines)
