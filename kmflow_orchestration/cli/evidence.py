"""`kmflow evidence`: what a group has stored, and the download or deletion of one item."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kmflow_orchestration.cli.evidence_download import download
from kmflow_orchestration.cli.output import JsonOption, complain, say, show_json, show_rows
from kmflow_orchestration.clock import iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kmflow_orchestration.access.caller import Caller
    from kmflow_orchestration.context import Context
    from kmflow_orchestration.intake.ledger import Item
    from kmflow_orchestration.operations.delete_evidence import DeletedEvidence
    from kmflow_orchestration.operations.probes import Probe

app = typer.Typer(help="Evidence items of a group.", no_args_is_help=True)
app.command()(download)

GroupOption = Annotated[str, typer.Option("--group", help="Id of the group.")]
EngagementOption = Annotated[
    str | None, typer.Option("--engagement", help="Only items of this engagement.")
]


@app.command("list")
def list_all(
    *,
    group: GroupOption,
    engagement: EngagementOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Items at most.")] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Evidence of a group, newest first; deleted items too, with who deleted them."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.delete_evidence import list_evidence

    caller = operator(group)
    with open_context() as context:
        known_group(group, context.group_configs)
        items = list_evidence(
            group, caller=caller, register=context.register, engagement=engagement, limit=limit
        )
        away = _away(group, items, caller, context)
    if as_json:
        told = [{**_known(item), **_reach(item, away)} for item in items]
        show_json({"group": group, "evidence": told})
        return
    rows = [
        (
            item.item_id,
            item.engagement_id,
            item.file_name,
            item.state,
            item.size_bytes,
            item.received_on,
            f"unreachable: backend {item.backend}" if item.backend in away else item.backend,
        )
        for item in items
    ]
    columns = ("id", "engagement", "name", "state", "bytes", "received", "stored on")
    show_rows(f"Evidence of {group}", columns, rows, whole="id")
    for backend, probe in sorted(away.items()):
        complain(f"unreachable: backend {backend}: {probe.problem}", hint=probe.hint)


def _away(group: str, items: list[Item], caller: Caller, context: Context) -> Mapping[str, Probe]:
    """Backends of earlier days that cannot be read from. The list itself needs none of them."""
    # Without such a backend, which is nearly always, nothing is opened.
    if {one.backend for one in items} <= {context.settings.storage_backend}:
        return {}
    from kmflow_orchestration.errors import GroupDisabled
    from kmflow_orchestration.names import GroupId
    from kmflow_orchestration.operations.rollback_plan import unreachable_backends

    try:
        stores = context.group(GroupId(group)).brief_stores
    except GroupDisabled:  # nothing may be asked for it; its evidence is listed all the same
        return {}
    return unreachable_backends(group, items, caller=caller, stores=stores, clock=context.clock)


@app.command()
def delete(
    record_id: Annotated[str, typer.Argument(metavar="RECORD_ID", help="The id `list` shows.")],
    *,
    group: GroupOption,
    engagement: EngagementOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go, remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove an item's file and its metadata row for good; a second call finishes what is left."""
    from kmflow_orchestration.cli.open_context import open_context
    from kmflow_orchestration.cli.shell_user import known_group, operator
    from kmflow_orchestration.operations.delete_evidence import delete_evidence

    caller = operator(group)
    with open_context() as context:
        own = known_group(group, context.group_configs).group_id

        def attempt(*, dry_run: bool) -> DeletedEvidence:
            return delete_evidence(
                own,
                record_id,
                caller=caller,
                engagement=engagement,
                dry_run=dry_run,
                **context.group(own).deleting(),
            )

        deleted = _deleted(attempt, dry_run=dry_run, yes=yes)
    if as_json:
        show_json(_told(deleted))
    else:
        say(_sentence(deleted))


def _deleted(
    attempt: Callable[..., DeletedEvidence], *, dry_run: bool, yes: bool
) -> DeletedEvidence:
    """Ask first, unless nothing would be removed or the answer was given."""
    if dry_run or yes:
        return attempt(dry_run=dry_run)
    planned = attempt(dry_run=True)
    if planned.deletion.is_new:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody is here to be asked", param_hint="--yes")
        say(_sentence(planned))
        if not typer.confirm("Delete it?", err=True):
            say("nothing was deleted")
            raise typer.Exit(1)
    return attempt(dry_run=False)


def _sentence(deleted: DeletedEvidence) -> str:
    item, deletion = deleted.item, deleted.deletion
    name = f"{item.file_name} of {item.engagement_id}"
    if not deletion.is_new and not deleted.removed_file and str(item.state) == "deleted":
        return f"{name} was deleted before; nothing was changed"
    promoted = deletion.promoted
    told = [
        f"{name} ({item.size_bytes} bytes) " + ("would go" if deleted.is_dry_run else "is deleted"),
        "its content stays, other items have it" if deletion.keeps_bytes else "",
        f"its duplicate {promoted.file_name} takes its place" if promoted else "",
        "" if deleted.is_dry_run else "its rows in tables go with the next run",
        f"its metadata row is still there and goes with the next run: {deleted.problem}"
        if deleted.problem
        else "",
    ]
    return "; ".join(part for part in told if part)


def _told(deleted: DeletedEvidence) -> dict[str, object]:
    promoted = deleted.deletion.promoted
    return {
        **_known(deleted.item),
        "dry_run": deleted.is_dry_run,
        "removed_file": deleted.removed_file,
        "keeps_bytes": deleted.deletion.keeps_bytes,
        "promoted": None if promoted is None else promoted.item_id,
        "metadata_row": _row(deleted),
        "problem": deleted.problem,
    }


def _row(deleted: DeletedEvidence) -> str:
    if deleted.is_dry_run and not deleted.item.is_gone:
        return "there"
    return "pending" if deleted.problem or deleted.is_dry_run else "removed"


def _reach(item: Item, away: Mapping[str, Probe]) -> dict[str, object]:
    problem = away[item.backend].problem if item.backend in away and not item.is_gone else ""
    return {"unreachable": f"backend {item.backend}" if problem else None, "problem": problem}


def _known(item: Item) -> dict[str, object]:
    return {
        "id": item.item_id,
        "engagement": item.engagement_id,
        "name": item.file_name,
        "state": str(item.state),
        "size_bytes": item.size_bytes,
        "received_on": item.received_on.isoformat(),
        "path": item.stored_path,
        "backend": item.backend,
        "deleted_at": None if item.deleted_at is None else iso(item.deleted_at),
        "deleted_by": item.deleted_by,
    }
