"""`kmflow register-tables`: the tables of catalog entries in Unity Catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import (
    JsonOption,
    PrintSqlOption,
    say,
    show_json,
    show_rows,
    show_statements,
)

if TYPE_CHECKING:
    from kmflow_orchestration.context import GroupContext
    from kmflow_orchestration.tables.catalog_entries import CatalogEntry


def register_tables(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    entries: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="YAML or JSON (default: own tables)."),
    ] = None,
    print_sql: PrintSqlOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make, tag and hand over the table of each entry; a second call changes nothing."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group

    with open_context() as context:
        own = context.group(known_group(group, context.group_configs).group_id)
        wanted = _entries(own, entries)
        if print_sql:
            _print_sql(own, wanted)
            return
        done = own.register_tables(wanted)
    if as_json:
        show_json({"group": group, "tables": done, "warnings": done.warnings})
    else:
        told = {key: "; ".join(warnings) for key, warnings in done.warnings.items()}
        rows = [(key, result, told.get(key, "")) for key, result in done.items()]
        show_rows(f"Tables of {group}", ("table", "result", "warnings"), rows)
        say(f"{len(done) - len(done.errors)} of {len(done)} tables are registered")
    if done.errors:
        raise typer.Exit(1)


def _entries(own: GroupContext, file: Path | None) -> list[CatalogEntry]:
    from kmflow_orchestration.operations.entries_of_group import entries_of_group, read_entries

    if file is not None:
        return read_entries(file.read_text(encoding="utf-8"))
    return entries_of_group(own.lakehouse, own.config)


def _print_sql(own: GroupContext, entries: list[CatalogEntry]) -> None:
    from kmflow_orchestration.tables.catalog_entries import entry_ddl, owner_sql, tags_sql

    for entry in entries:
        ddl = entry_ddl(entry, own.config.catalog, own.config.schema)
        tags = [tags_sql(entry, ddl.table)] if entry.classification else []
        owner = [owner_sql(entry, ddl.table)] if entry.owner else []
        show_statements([ddl.statement, *tags, *owner])
