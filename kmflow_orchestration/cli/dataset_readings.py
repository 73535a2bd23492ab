"""`kmflow dataset readings`: columns that stay text because they can be read in several ways."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows

COLUMNS = ("table", "column", "file", "part", "readings")


def readings(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    table: Annotated[
        str | None, typer.Option("--table", help="Only this table, such as e1__loans.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Columns that stay text because all values fit several readings: which, and an example."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.undecided_columns import undecided_of_group

    caller = operator(group)
    with open_context() as context:
        known_group(group, context.group_configs)
        found = undecided_of_group(group, caller=caller, registry=context.datasets, table=table)
    if as_json:
        show_json({"group": group, "undecided": [asdict(one) for one in found]})
        return
    rows = [(one.table, one.column, one.file_name, one.part, one.told) for one in found]
    show_rows(f"Undecided columns of {group}", COLUMNS, rows)
    if found:
        say(
            "to decide: kmflow dataset set TABLE --date-order dmy, or --decimal ,"
            "; to leave one as it is: kmflow dataset set TABLE.COLUMN --type text"
        )
