"""Options that the commands about migrations share, and what they all print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import complain, say, show_json, show_rows
from kmflow_orchestration.cli.report_files import write_report

if TYPE_CHECKING:
    from kmflow_orchestration.config.group_config import GroupConfig
    from kmflow_orchestration.operations.migration_report import Migration

GroupOption = Annotated[str, typer.Option("--group", help="Id of the group.")]
CatalogOption = Annotated[
    str | None, typer.Option("--catalog", help="Catalog of the group's evidence, to be sure.")
]
SchemaOption = Annotated[
    str | None, typer.Option("--schema", help="Schema of the group's evidence, to be sure.")
]
VolumeOption = Annotated[
    str | None, typer.Option("--volume", help="Volume of the group's evidence, to be sure.")
]
EngagementOption = Annotated[
    str | None, typer.Option("--engagement", help="Only files of this engagement.")
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, max=128, help="Files that are under way at once.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on where the last run was stopped.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Tell what would be done, write nothing.")
]


def check_place(
    config: GroupConfig, catalog: str | None, schema: str | None, volume: str | None
) -> None:
    """Raises BadParameter when the place named is not where the group keeps its evidence."""
    own = config.volume
    asked = {"--catalog": catalog, "--schema": schema, "--volume": volume}
    theirs = {"--catalog": own.catalog, "--schema": own.schema, "--volume": own.volume}
    for option, value in asked.items():
        if value is not None and value != theirs[option]:
            raise typer.BadParameter(
                f"group {config.group_id} keeps its evidence in {own.volume_name}"
                " (kmflow group set moves it)",
                param_hint=option,
            )


def tell_migration(done: Migration, report: Path | None, *, as_json: bool) -> None:
    """Print what was done, or would be; exit 1 when a file failed."""
    if report is not None:
        write_report(report, done.report())
    if as_json:
        show_json(done.as_dict())
    else:
        _show(done)
    for file in done.failed:
        complain(f"{file.path}: {file.code}: {file.message}")
    if done.failed:
        raise typer.Exit(1)


def _show(done: Migration) -> None:
    rows = [
        (
            name,
            counts["files"],
            counts["bytes"],
            counts[done.way],
            counts["row_added"],
            counts["present"] + counts["same"],
            counts["failed"],
        )
        for name, counts in done.by_engagement().items()
    ]
    columns = ("engagement", "files", "bytes", done.doing, "rows only", "there already", "failed")
    show_rows(f"{done.source} → {done.target}", columns, rows)
    for clash in done.clashes:
        words = {
            "same_file": "the same file more than once, stored once",
            "same_name": "different files of one name, all stored",
            "case_only": "names that differ in case only",
        }
        say(f"{clash.engagement_id}: {words[clash.kind]}: {', '.join(clash.paths)}")
    if done.is_dry_run:
        say(f"nothing was written; it would take about {_duration(done.estimated_s)}")
    elif done.moved_items:
        say(f"{done.moved_items} evidence items lie in {done.target} now")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
