"""`kmflow provision`: what a group needs in its workspace, made once."""

from __future__ import annotations

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
    from kmflow_orchestration.context import Context, GroupContext
    from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
    from kmflow_orchestration.operations.provision import ProvisionStep

COLUMNS = ("object", "kind", "action", "message")


def provision(
    group: Annotated[str | None, typer.Option(help="Only this group (default: all).")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, make nothing.")
    ] = False,
    print_sql: PrintSqlOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make catalog, schemas, Volume and tables of each group; a second call makes nothing."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.names import group_id

    wanted = None if group is None else group_id(group)
    with open_context() as context:
        known = context.group_configs.groups() if wanted is None else [wanted]
        groups = [context.group(one) for one in known]
        if not groups:
            say("there is no group yet: kmflow group import FILE")
        if print_sql:
            _print_sql(groups, as_json=as_json)
            return
        steps = {str(one.id): _provisioned(context, one, dry_run=dry_run) for one in groups}
    _tell(steps, as_json=as_json)
    if any(step.action == "failed" for of_group in steps.values() for step in of_group):
        raise typer.Exit(1)


def _provisioned(context: Context, group: GroupContext, *, dry_run: bool) -> list[ProvisionStep]:
    from kmflow_orchestration.operations.provision import provision as provision_group

    calls = None
    if not context.settings.tables_are_local:
        calls = context.clients.get(group.config)
        _knock(calls)
    return provision_group(group.config, group.lakehouse, calls, dry_run=dry_run)


def _knock(calls: WorkspaceCalls) -> None:
    """A wrong address or token is told at once, and by itself; a busy workspace is waited for.

    Raises:
        AccessRefused: the token is not accepted.
        RemoteFault: nobody answers at the address.
    """
    from kmflow_orchestration.databricks_client.workspace_info import current_principal
    from kmflow_orchestration.errors import RemoteFault

    try:
        current_principal(calls, is_patient=False)
    except RemoteFault as fault:
        if fault.error_code == "CONNECTION":
            raise


def _print_sql(groups: list[GroupContext], *, as_json: bool) -> None:
    from kmflow_orchestration.operations.provision import provision_sql

    statements = {str(one.id): provision_sql(one.config) for one in groups}
    if as_json:
        show_json(statements)
        return
    for of_group in statements.values():
        show_statements(of_group)


def _tell(steps: dict[str, list[ProvisionStep]], *, as_json: bool) -> None:
    rows = {
        group: [{name: getattr(step, name) for name in COLUMNS} for step in of_group]
        for group, of_group in steps.items()
    }
    if as_json:
        show_json(rows)
        return
    for group, of_group in rows.items():
        show_rows(group, COLUMNS, [list(row.values()) for row in of_group])
