"""`kmflow inventory`: every file of a tree of evidence with its size and hash."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import (
    JsonOption,
    complain,
    say,
    show_json,
    show_rows,
    show_text,
)
from kmflow_orchestration.cli.report_files import SourceOption, checked_source, write_text

if TYPE_CHECKING:
    from kmflow_orchestration.operations.take_inventory import Inventory


class Form(StrEnum):
    """How an inventory is written."""

    JSON = "json"
    CSV = "csv"


def inventory(
    *,
    source_dir: SourceOption,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the inventory to this file.")
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="How: json (default) or csv; without --report on stdout."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Path, size, SHA-256 and engagement of every file below a folder, and the totals."""
    from kmflow_orchestration.cli.progress import file_progress
    from kmflow_orchestration.operations.take_inventory import take_inventory

    if as_json and form is Form.CSV and report is None:
        raise typer.BadParameter("--json and --format csv exclude each other")
    with file_progress("Reading") as told:
        found = take_inventory(checked_source(source_dir), on_progress=told)
    if report is not None:
        wanted = form or (Form.CSV if report.suffix.lower() == ".csv" else Form.JSON)
        write_text(report, found.as_csv() if wanted is Form.CSV else found.as_json())
        say(f"{len(found.files)} files are in {report}")
    if as_json:
        show_json(found.as_dict())
    elif report is None and form is not None:
        show_text(found.as_csv() if form is Form.CSV else found.as_json())
    else:
        _tell(found)
    for problem in found.problems:
        complain(f"{problem.path}: {problem.code}: {problem.message}")
    if found.problems:
        raise typer.Exit(1)


def _tell(found: Inventory) -> None:
    rows = [(name, one.files, one.size_bytes) for name, one in found.by_engagement().items()]
    totals = found.totals
    show_rows(
        found.source_dir,
        ("engagement", "files", "bytes"),
        [*rows, ("total", totals.files, totals.size_bytes)],
    )
