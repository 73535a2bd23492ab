"""`--report` and `--summary`: what became of files and tables, written down (rows D17, D43)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from kmflow_orchestration.errors import InvalidOptions, KmflowError
from kmflow_orchestration.names import is_elsewhere

ReportsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        help="Write what became of every file, table and column here: .json, .xlsx or .csv; "
        "repeated.",
    ),
]
SummaryOption = Annotated[
    bool,
    typer.Option(
        "--summary",
        help="Write _summary.xlsx to the results: overview, schema, first rows, errors.",
    ),
]


def check_asked(reports: Sequence[Path] | None, *, summary: bool, output: str | None) -> None:
    """Before any work. Raises InvalidOptions for a form or a place that cannot be."""
    if reports:
        from kmflow_orchestration.operations.convert.conversion_report import check_report

        for path in reports:
            check_report(path)
    if summary and output is not None and is_elsewhere(output):
        raise InvalidOptions(
            "--summary is written on this machine only",
            hint="--report writes one here of what lies in a Volume",
        )


def write_reports(reports: Sequence[Path] | None, told: Mapping[str, Any]) -> None:
    """Raises OSError."""
    from kmflow_orchestration.operations.convert.conversion_report import write_conversion_report

    for path in reports or ():
        write_conversion_report(path, told)


@contextmanager
def failure_reported(reports: Sequence[Path] | None, source: str) -> Iterator[None]:
    """A report of one file tells of its failure, too. Raises what the block does."""
    try:
        yield
    except (KmflowError, OSError) as error:
        if reports:
            from kmflow_orchestration.operations.convert.file_outcomes import (
                FolderOutcome,
                failed_with,
            )

            failed = FolderOutcome(source, "", (failed_with(source, error),), 1)
            write_reports(reports, failed.as_dict())
        raise


def one_file_told(done: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """What `convert_whole` told, as a batch of one file tells it."""
    from kmflow_orchestration.operations.convert.file_outcomes import (
        FileOutcome,
        FolderOutcome,
        Status,
    )

    usual = Status.PLANNED if done["dry_run"] else Status.CONVERTED
    one = FileOutcome.of_result(
        str(done["source"]),
        Status(done.get("status", usual)),
        done["manifest"],
        outputs=done["outputs"],
        rows=done["rows"],
        missed=done["missed"],
    )
    one = replace(one, seconds=round(seconds, 3))
    folder = str(Path(done["manifest_path"]).parent)
    return FolderOutcome(str(done["source"]), folder, (one,), 1).as_dict()
