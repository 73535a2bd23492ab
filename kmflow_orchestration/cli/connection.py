"""`kmflow db test` and `kmflow group check`: can a group's workspace be used?"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kmflow_orchestration.cli.output import JsonOption, complain, say, show_json, show_rows

if TYPE_CHECKING:
    from kmflow_orchestration.operations.check_connection import ConnectionCheck

TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds for each attempt to reach the host.")
]
RetriesOption = Annotated[int, typer.Option("--retries", min=1, help="Attempts per request.")]


def try_connection(
    *,
    group: Annotated[str | None, typer.Option(help="One group; else give --all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every group.")] = False,
    timeout_s: TimeoutOption = 30.0,
    retries: RetriesOption = 3,
    as_json: JsonOption = False,
) -> None:
    """Try a group's workspace step by step; says what fails and what to do."""
    if (group is None) is not every:
        raise typer.BadParameter("give either --group GROUP or --all")
    _check(group, timeout_s=timeout_s, retries=retries, as_json=as_json)


def check_group(
    group: Annotated[str, typer.Argument(help="Id of the group.")],
    *,
    timeout_s: TimeoutOption = 30.0,
    retries: RetriesOption = 3,
    as_json: JsonOption = False,
) -> None:
    """Try the group's workspace step by step; says what fails and what to do."""
    _check(group, timeout_s=timeout_s, retries=retries, as_json=as_json)


def _check(group: str | None, *, timeout_s: float, retries: int, as_json: bool) -> None:
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import operator
    from kmflow_orchestration.operations.ask_workspace import check_workspace

    with open_context() as context:
        check = partial(context.check_connection, timeout_s=timeout_s, attempts=retries)
        configs = context.group_configs
        groups = [group] if group else [one.group_id for one in configs.all_active()]
        checks = [
            check_workspace(one, caller=operator(one), configs=configs, check=check)
            for one in groups
        ]
    if as_json:
        show_json({"groups": {check.group: told(check) for check in checks}})
    else:
        tell(checks)
    # The gravest of several: a wrong setting (3) is to be mended before a refusal (4) or fault (5).
    failed = sorted(check.exit_code for check in checks if check.exit_code)
    if failed:
        raise typer.Exit(failed[0])


def told(check: ConnectionCheck) -> dict[str, Any]:
    """A check for programs."""
    return {
        "status": check.status,
        "connected": check.connected,
        "message": check.message,
        "steps": [asdict(step) for step in check.steps],
    }


def tell(checks: list[ConnectionCheck]) -> None:
    """Checks for people."""
    if not checks:
        say("there is no group yet: kmflow group import FILE")
    for check in checks:
        rows = [
            (step.name, step.status, f"{step.milliseconds:.0f} ms", step.detail)
            for step in check.steps
        ]
        show_rows(f"{check.group}: {check.status}", ("step", "", "took", "found"), rows)
        for step in check.steps:
            if step.status == "fail":
                complain(f"{check.group}: {step.name}: {step.detail}", hint=step.remedy)


def discover(
    group: Annotated[str, typer.Argument(help="Id of the group.")],
    *,
    catalog: Annotated[str, typer.Option(help="List this catalog's schemas.")] = "",
    as_json: JsonOption = False,
) -> None:
    """What the group can see in its workspace: itself, warehouses, catalogs, schemas."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import operator
    from kmflow_orchestration.operations.ask_workspace import discover_workspace

    caller = operator(group)
    with open_context() as context:
        found = discover_workspace(
            group,
            caller=caller,
            configs=context.group_configs,
            clients=context.clients,
            catalog=catalog,
        )
    if as_json:
        show_json(asdict(found))
        return
    say(f"{found.host}: {found.identity} ({found.auth_kind})")
    rows = [(one.name, one.id, one.state) for one in found.warehouses]
    show_rows("SQL warehouses", ("name", "warehouse_id", "state"), rows)
    show_rows("Catalogs", ("catalog",), [(name,) for name in found.catalogs])
    show_rows(f"Schemas of {found.catalog}", ("schema",), [(name,) for name in found.schemas])
