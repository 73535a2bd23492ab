"""Which workbooks are summaries of ours, by their names and by who made them."""

from __future__ import annotations

import zipfile
from pathlib import Path

SUMMARY = "_summary.xlsx"
MAKER = "kmflow_orchestration"
# Where a workbook says who made it.
CORE = "docProps/core.xml"


def is_ours(path: Path) -> bool:
    """Whether a file is a workbook that `write_workbook` made."""
    try:
        with zipfile.ZipFile(path) as source, source.open(CORE) as told:
            return f"<dc:creator>{MAKER}<".encode() in told.read(4096)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return False


def summary_name(output: str) -> str:
    """The summary of this one result alone."""
    return f"_{output}.{SUMMARY[1:]}"


def is_summary(path: Path) -> bool:
    """Whether a file is a summary of ours, and not somebody's of that name."""
    return path.name.startswith("_") and path.name.endswith(SUMMARY[1:]) and is_ours(path)
