"""`kmflow rollback`: what leaving Databricks would leave behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.output import JsonOption, say, show_json, show_rows, show_text
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from kmflow_orchestration.metadata.evidence_places import StoredPlace
    from kmflow_orchestration.operations.rollback_plan import BackendState, Files, RollbackPlan

app = typer.Typer(help="The way back from Databricks.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """The way back from Databricks."""


@app.command()
def plan(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    limit: Annotated[int, typer.Option(min=0, help="Files named at most, of each list.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """What cannot be read from here, and what lies on Databricks alone; 1 if anything cannot."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.rollback_plan import plan_rollback

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        given = context.group(own).planning_rollback()
        found = plan_rollback(own, caller=caller, limit=limit, **given)
    if as_json:
        show_json(_told(found))
    else:
        _show(found)
    raise typer.Exit(0 if found.is_readable else 1)


@app.command()
def deliver(
    *,
    group: Annotated[str, typer.Option("--group", help="Id of the group.")],
    as_json: JsonOption = False,
) -> None:
    """Bring STORAGE_MIRROR the copies it is owed; 1 if some still are."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group

    with open_context() as context:
        own = known_group(group, context.group_configs).group_id
        found = context.group(own).deliver_mirror()
    if as_json:
        show_json(found)
    elif not found:
        say("STORAGE_MIRROR is not set")
    else:
        say(f"mirror {found['mirror']}: {found['mirror_delivered']} delivered")
        say(f"{found['mirror_owed']} owed {found['mirror_problem']}".rstrip())
    raise typer.Exit(1 if found.get("mirror_owed") else 0)


def _show(plan: RollbackPlan) -> None:
    columns = ("backend", "items", "bytes", "last stored", "readable from here")
    rows = [
        (
            f"{one.use.backend} (active)" if one.use.backend == plan.active else one.use.backend,
            one.use.items,
            one.use.size_bytes,
            iso(one.use.last_stored_at)[:19],
            "yes" if one.probe.is_up else f"no: {one.probe.problem}",
        )
        for one in plan.backends
    ]
    show_rows(f"Evidence of {plan.group}, STORAGE_BACKEND={plan.active}", columns, rows)
    if plan.unreadable.count:
        _show_files("Cannot be read from here", plan.unreadable)
    if plan.since_switch.count:
        _show_files("On Databricks alone", plan.since_switch)
        say("bring them to this machine with:")
        show_text(f"{plan.command}\n")
    else:
        say("no evidence item lies on Databricks alone")
    for mirror in plan.mirrors:
        why = f": {mirror.problem}" if mirror.problem else ""
        say(f"mirror {mirror.backend}: {mirror.delivered} copies, {mirror.owed} owed{why}")


def _show_files(title: str, files: Files) -> None:
    rows = [
        (place.engagement_id, place.file_name, place.size_bytes, iso(place.stored_at)[:19])
        for place in files.shown
    ]
    columns = ("engagement", "name", "bytes", "stored")
    show_rows(f"{title}: {files.count} files, {files.size_bytes} bytes", columns, rows)


def _told(plan: RollbackPlan) -> dict[str, object]:
    return {
        "group": plan.group,
        "storage_backend": plan.active,
        "readable": plan.is_readable,
        "backends": [_backend(one) for one in plan.backends],
        "unreadable": _files(plan.unreadable),
        "since_switch": _files(plan.since_switch),
        "command": plan.command,
        "mirrors": [asdict(one) for one in plan.mirrors],
    }


def _backend(one: BackendState) -> dict[str, object]:
    return {
        "backend": one.use.backend,
        "items": one.use.items,
        "size_bytes": one.use.size_bytes,
        "last_stored_at": iso(one.use.last_stored_at),
        "reachable": one.probe.is_up,
        "problem": one.probe.problem,
        "hint": one.probe.hint,
    }


def _files(files: Files) -> dict[str, object]:
    first = files.first_stored_at
    return {
        "count": files.count,
        "size_bytes": files.size_bytes,
        "since": None if first is None else iso(first),
        "files": [_file(place) for place in files.shown],
    }


def _file(place: StoredPlace) -> dict[str, object]:
    return {
        "id": place.item_id,
        "engagement": place.engagement_id,
        "name": place.file_name,
        "backend": place.backend,
        "path": place.stored_path,
        "size_bytes": place.size_bytes,
        "stored_at": iso(place.stored_at),
    }
