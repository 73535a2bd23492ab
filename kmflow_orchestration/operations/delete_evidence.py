"""Deletion of one evidence item: its file, its row, and what other items become (row B8)."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import AccessRefused, RemoteFault
from kmflow_orchestration.intake.evidence_register import Deletion, EvidenceRegister
from kmflow_orchestration.intake.ledger import Item, State
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.remove_deleted import remove_files, remove_rows
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import Lakehouse


@dataclass(frozen=True, slots=True)
class DeletedEvidence:
    """What this call did.

    `removed_file` says that a stored file went; a second call, or an item whose content others
    have, finds none to remove. `problem` is why the metadata row is still there, '' when it is
    gone: the next run of the day, or the next call, removes it.
    """

    deletion: Deletion
    removed_file: bool = False
    problem: str = ""
    is_dry_run: bool = False

    @property
    def item(self) -> Item:
        return self.deletion.item


def list_evidence(
    group: str,
    *,
    caller: Caller,
    register: EvidenceRegister,
    engagement: str | None = None,
    limit: int = 1000,
) -> list[Item]:
    """Evidence of a group, or of one engagement of it, newest first; deleted items too.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    return register.items(caller.require(Role.VIEWER, group), engagement=engagement, limit=limit)


def delete_evidence(
    group: str,
    item_id: str,
    *,
    caller: Caller,
    register: EvidenceRegister,
    stores: EvidenceStores,
    lakehouse: Lakehouse,
    config: GroupConfig,
    engagement: str | None = None,
    dry_run: bool = False,
) -> DeletedEvidence:
    """Delete an evidence item for good; a repeat finishes what is left, or changes nothing.

    The ledger says so first and keeps the item with who and when. Then the file goes, then its
    metadata row; dataset and silver rows go with the day's next run, which also writes those of a
    duplicate that takes the item's place. The bronze row stays, and the file in landing.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
        UnknownEvidence: the group, or the engagement, has no such item.
        BackendUnreachable: its bytes are in another backend than this process uses, and that is
            away: nothing was begun, or the next run or call goes on.
        LeaseHeld: a run is storing a file of that name.
        AccessRefused, RemoteFault: the file is still there; the next run or call goes on.
    """
    own = caller.require(Role.ADMIN, group)
    planned = register.planned_deletion(own, item_id, engagement)
    if planned.item.state is not State.DELETED:
        stores.of(planned.item.backend)  # nothing is begun that its settings cannot finish
    if dry_run:
        return DeletedEvidence(planned, is_dry_run=True)
    begun = register.begin_deletion(own, item_id, engagement, actor=caller.group_email)
    if begun.item.state is State.DELETED:
        return DeletedEvidence(begun)
    removed = remove_files(own, [begun.item], register=register, stores=stores)
    for error in removed.left.values():
        raise error
    return DeletedEvidence(
        begun, removed.found, _row_problem(own, begun.item, register, lakehouse, config)
    )


def _row_problem(
    group: GroupId,
    item: Item,
    register: EvidenceRegister,
    lakehouse: Lakehouse,
    config: GroupConfig,
) -> str:
    """Remove the row; why it is still there, '' when it is gone."""
    try:
        remove_rows(group, [item], register=register, lakehouse=lakehouse, config=config)
    except (AccessRefused, RemoteFault) as error:
        # The file is gone and the ledger knows: the batch of this deletion has this step to do.
        return f"[{error.code}] {error}"
    return ""
