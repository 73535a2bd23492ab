"""`kmflow dataset drift`: how columns of a group's dataset tables changed, and by which file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.output import JsonOption, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.metadata.dataset_drift import DatasetDrift

COLUMNS = ("at", "table", "column", "change", "was", "is", "by")


def drift(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    table: Annotated[
        str | None, typer.Option("--table", help="Only this table, such as e1__loans.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Changes at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Columns that were added, retyped or removed, newest first."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.read_drift import drift_of_group

    caller = operator(group)
    with open_context() as context:
        known_group(group, context.group_configs)
        found = drift_of_group(
            group, caller=caller, registry=context.datasets, table=table, limit=limit
        )
    if as_json:
        show_json({"group": group, "drift": [_told(one) for one in found]})
        return
    rows = [
        (
            iso(one.at),
            one.table_name,
            one.column_name,
            one.kind,
            one.old_type,
            one.new_type,
            one.file_name,
        )
        for one in found
    ]
    show_rows(f"Drift of {group}", COLUMNS, rows)


def _told(one: DatasetDrift) -> dict[str, Any]:
    return {**asdict(one), "at": iso(one.at)}
