"""`kmflow provision`: what a group needs in its workspace, made once."""

from __future__ import annotations

from typing import Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, answer, say, show_json, show_rows


def provision(
    group: Annotated[str | None, typer.Option(help="Only this group (default: all).")] = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Say what would be made, make nothing.")] = False,
    print_sql: Annotated[
        bool, typer.Option("--print-sql", help="Print the statements, ask nobody.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make catalog, schemas, Volume and tables of each group; a second call makes nothing."""
    from dataclasses import asdict

    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.names import group_id
    from kmflow_orchestration.operations.provision import provision as provision_group
    from kmflow_orchestration.operations.provision import provision_sql

    failed = False
    with open_context() as context:
        wanted = [group_id(group)] if group else context.group_configs.groups()
        if not wanted:
            say("there is no group yet: kmflow group import FILE")
        found: dict[str, list[dict[str, object]]] = {}
        for one in (context.group(each) for each in wanted):
            if print_sql:
                answer.print(";\n".join([*provision_sql(one.config), ""]), markup=False)
                continue
            on_workspace = context.settings.storage_backend == "databricks"
            calls = context.clients.get(one.config) if on_workspace else None
            steps = provision_group(one.config, one.lakehouse, calls, dry_run=dry_run)
            found[one.id] = [asdict(step) for step in steps]
            failed = failed or any(step.action == "failed" for step in steps)
    if as_json:
        show_json(found)
    else:
        for name, rows in found.items():
            columns = ("object", "kind", "action", "message")
            show_rows(name, columns, [[row[column] for column in columns] for row in rows])
    if failed:
        raise typer.Exit(1)
