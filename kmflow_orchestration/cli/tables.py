"""`kmflow tables`: versions of a group's tables, compaction, old files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.names import TableName
    from kmflow_orchestration.storage.table_care import TableCare

app = typer.Typer(help="Care of a group's Delta tables.", no_args_is_help=True)

GroupOption = Annotated[str, typer.Option("--group", help="Id of the group.")]
TableArgument = Annotated[
    str, typer.Argument(metavar="LAYER.TABLE", help="Such as bronze.bronze_evidence_raw.")
]


@contextmanager
def _caring(group: str, table: str) -> Iterator[tuple[TableCare, TableName]]:
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group
    from kmflow_orchestration.operations.table_names import table_of

    with open_context() as context:
        own = context.group(known_group(group, context.group_configs).group_id)
        named = table_of(own.config.namespace, table)
        yield own.table_care, named


@app.command()
def history(
    table: TableArgument,
    *,
    group: GroupOption,
    limit: Annotated[int, typer.Option(min=1, help="Versions at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Versions of a table, newest first."""
    with _caring(group, table) as (care, named):
        commits = care.history(named, limit)
    rows = [
        {"version": one.version, "at": iso(one.at), "operation": one.operation} for one in commits
    ]
    if as_json:
        show_json({"table": named.text, "versions": rows})
    else:
        show_rows(
            f"Versions of {named}",
            ("version", "at", "operation"),
            [list(row.values()) for row in rows],
        )


@app.command()
def optimize(table: TableArgument, *, group: GroupOption, as_json: JsonOption = False) -> None:
    """Make few large files out of many small ones; the rows stay as they are."""
    with _caring(group, table) as (care, named):
        care.optimize(named)
    _done(named, "optimized", {}, as_json=as_json)


@app.command()
def vacuum(
    table: TableArgument,
    *,
    group: GroupOption,
    retain_hours: Annotated[
        int, typer.Option(help="Keep what versions of this many hours need.")
    ] = 168,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go, remove nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove files that no recent version needs; older versions cannot be restored any more."""
    with _caring(group, table) as (care, named):
        files = care.vacuum(named, retain_hours=retain_hours, dry_run=dry_run)
    if dry_run:
        _done(named, f"{len(files)} files would go", {"files": files}, as_json=as_json)
    else:
        _done(named, "vacuumed", {}, as_json=as_json)


@app.command()
def restore(
    table: TableArgument,
    version: Annotated[int, typer.Argument(min=0, help="The version `history` shows.")],
    *,
    group: GroupOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a version the newest once more; what came after it stays in the history."""
    if not yes:
        raise typer.BadParameter("rows that came later are not seen any more", param_hint="--yes")
    with _caring(group, table) as (care, named):
        care.restore(named, version)
    _done(named, f"restored to version {version}", {"version": version}, as_json=as_json)


def _done(table: TableName, what: str, more: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        show_json({"table": table.text, "done": what, **more})
    else:
        say(f"{table}: {what}")
