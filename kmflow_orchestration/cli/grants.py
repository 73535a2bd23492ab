"""`kmflow grants`: what a group's analysts may read, and whether they may more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import (
    JsonOption,
    PrintSqlOption,
    complain,
    show_json,
    show_rows,
    show_statements,
)

if TYPE_CHECKING:
    from kmflow_orchestration.context import Context
    from kmflow_orchestration.operations.analyst_grants import AccessStep

COLUMNS = ("principal", "privilege", "kind", "object", "action", "message")


def grants(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    to: Annotated[
        list[str],
        typer.Option("--to", metavar="PRINCIPAL", help="A Databricks group, or a user; repeat it."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be granted, grant nothing.")
    ] = False,
    print_sql: PrintSqlOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let analysts read silver and gold, nothing else; exit 1 if they could do more.

    What they hold beyond is told with the statement that takes it back, and left as it is.
    """
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group
    from kmflow_orchestration.operations.analyst_grants import grants_sql

    with open_context() as context:
        config = known_group(group, context.group_configs)
        if print_sql:
            statements = grants_sql(config, to)
        else:
            steps = _granted(context, group, to, dry_run=dry_run)
    if print_sql:
        if as_json:
            show_json({"statements": statements})
        else:
            show_statements(statements)
        return
    _tell(group, steps, as_json=as_json)
    if not all(step.is_fine for step in steps):
        raise typer.Exit(1)


def _granted(context: Context, group: str, to: list[str], *, dry_run: bool) -> list[AccessStep]:
    from kmflow_orchestration.cli.shell_user import operator
    from kmflow_orchestration.errors import ConfigurationError
    from kmflow_orchestration.names import group_id
    from kmflow_orchestration.operations.analyst_grants import grant_analysts

    if context.settings.tables_are_local:
        raise ConfigurationError(
            f"STORAGE_BACKEND is {context.settings.storage_backend}: "
            "tables on this machine know no grants",
            fields=("STORAGE_BACKEND",),
            hint="set STORAGE_BACKEND=databricks, or protect the folders of KMFLOW_HOME",
        )
    config = context.group(group_id(group)).config
    return grant_analysts(
        config,
        to,
        caller=operator(group),
        calls=context.clients.get(config),
        audit=context.config_audit,
        dry_run=dry_run,
    )


def _tell(group: str, steps: list[AccessStep], *, as_json: bool) -> None:
    rows = [{name: getattr(step, name) for name in COLUMNS} for step in steps]
    if as_json:
        show_json({"group": group, "steps": rows})
        return
    # Statements are to be copied, so they stand on lines of their own, below.
    show_rows(group, COLUMNS[:-1], [list(row.values())[:-1] for row in rows])
    for step in steps:
        if step.message:
            complain(_complaint(step), hint=step.message)


def _complaint(step: AccessStep) -> str:
    place = f"{step.kind} {step.object}"
    if step.action == "unknown":
        return f"{place}: who may do what in it could not be seen"
    verb = {"too_much": "has too much", "ask_owner": "may lack"}.get(step.action, "did not get")
    return f"{step.principal} {verb}: {step.privilege} on {place}"
