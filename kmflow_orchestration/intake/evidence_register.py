"""Evidence items one by one: what there is, and how one leaves for good (rows B8, AB-S12).

A deletion is a batch of the day it is asked for. Its members are the item itself and the duplicate
that stands in for it, so the steps that follow every batch take dataset and silver rows away, write
those of the duplicate, and go on wherever a run died (design AD3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import LeaseHeld, UnknownEngagement, UnknownEvidence
from kmflow_orchestration.intake.claimed_batch import known_item
from kmflow_orchestration.intake.decisions import Known, KnownItem, Plan, decide_deletion
from kmflow_orchestration.intake.mirrors import Mirrors
from kmflow_orchestration.intake.stored_batches import open_stored_batch
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.evidence_places import BackendUse, StoredPlace
from kmflow_orchestration.metadata.intake_records import Item, State
from kmflow_orchestration.metadata.ledger_store import LedgerTables, changing, reading
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting an item does, or did.

    `promoted` is the duplicate that takes the item's place; `keeps_bytes` says that other items
    have the same content, which therefore stays; `is_new` that nobody asked for it before.
    """

    item: Item
    promoted: Item | None
    keeps_bytes: bool
    is_new: bool


class EvidenceRegister:
    """Items of all groups in one control database."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    @property
    def mirrors(self) -> Mirrors:
        """Their copies in a second backend."""
        return Mirrors(self._sessions, self._clock)

    def items(self, group: GroupId, *, engagement: str | None = None, limit: int) -> list[Item]:
        """Items of a group, or of one engagement of it, newest first; deleted ones too."""
        with reading(self._sessions) as tables:
            return tables.items.listed(group, engagement, limit)

    def find(self, group: GroupId, item_id: str) -> Item:
        """One item, also one that was deleted. Raises UnknownEvidence."""
        with reading(self._sessions) as tables:
            return _found(tables, group, item_id, None)

    def page(
        self, group: GroupId, *, engagement: str | None = None, limit: int, offset: int = 0
    ) -> tuple[list[Item], int]:
        """Some items as `items` has them, and how many there are in all.

        Raises:
            UnknownEngagement: the group has no engagement of that id.
        """
        with reading(self._sessions) as tables:
            if engagement is not None:
                known = {one.engagement_id for one in tables.engagements.all(group)}
                if engagement not in known:
                    raise UnknownEngagement(
                        f"group {group} has no engagement {engagement!r}",
                        fields=("engagement_id",),
                        hint=f"kmflow engagement list --group {group}",
                    )
            listed = tables.items.listed(group, engagement, limit, offset)
            return listed, tables.places.count(group, engagement)

    def backends(self, group: GroupId) -> list[BackendUse]:
        """The backends that hold evidence of a group, by name."""
        with reading(self._sessions) as tables:
            return tables.places.backends(group)

    def stored_in(self, group: GroupId, backend: str) -> Iterator[StoredPlace]:
        """Stored files of a group in one backend, the earliest first."""
        with reading(self._sessions) as tables:
            yield from tables.places.of_backend(group, backend)

    def without_metadata(self, group: GroupId) -> int:
        """Number of a group's stored items whose rows are not in the lakehouse yet."""
        with reading(self._sessions) as tables:
            return tables.places.without_metadata(group)

    def planned_deletion(
        self, group: GroupId, item_id: str, engagement: str | None = None
    ) -> Deletion:
        """What deleting an item would do; nothing is changed.

        Raises:
            UnknownEvidence: the group, or the engagement, has no such item.
        """
        with reading(self._sessions) as tables:
            return _leaving(tables, group, item_id, engagement).deletion

    def begin_deletion(
        self, group: GroupId, item_id: str, engagement: str | None = None, *, actor: str
    ) -> Deletion:
        """Take an item out of the ledger before any byte of it goes; a repeat changes nothing.

        Who asked, and when, is kept with the item and in the audit trail.

        Raises:
            UnknownEvidence: as `planned_deletion`.
            LeaseHeld: a run is storing a file of that name just now.
        """
        now = self._clock.now()
        with changing(self._sessions, group) as tables:
            leaving = _leaving(tables, group, item_id, engagement)
            if not leaving.deletion.is_new:
                return leaving.deletion
            item = leaving.deletion.item
            if item.file_name in tables.files.claimed_names(group, item.engagement_id):
                raise LeaseHeld(
                    f"{item.file_name} of {item.engagement_id} is being stored by a run",
                    hint="try again once it is through",
                )
            batch = open_stored_batch(tables, group, now)
            changed = _changed(leaving.plan, leaving.copies, batch)
            tables.deletions.begin(group, item, batch, actor=actor, now=now)
            tables.items.change(group, changed, now)
            tables.batches.replace(group, batch, {item_id} | leaving.plan.moved)
            tables.files.forget_item(group, item_id)
            tables.audit.add(group, _deed(leaving.deletion, actor), at=now)
            left = tables.items.by_id(group, [item_id])[item_id]
        return replace(leaving.deletion, item=left)

    def holds_bytes(self, group: GroupId, item: Item) -> bool:
        """Whether the stored file of an item is that of another item, too, which is not deleted."""
        with reading(self._sessions) as tables:
            return _is_shared(item, tables.items.by_content(group, [item.content_hash]))

    def finish_deletion(self, group: GroupId, item_ids: Sequence[str]) -> None:
        """Bytes and metadata rows of these items are gone; a repeat changes nothing."""
        with changing(self._sessions, group) as tables:
            tables.deletions.finish(group, item_ids, self._clock.now())


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A deletion with what it changes of other items."""

    deletion: Deletion
    plan: Plan
    copies: Mapping[str, Item]


def _leaving(
    tables: LedgerTables, group: GroupId, item_id: str, engagement: str | None
) -> _Leaving:
    item = _found(tables, group, item_id, engagement)
    copies = tables.items.by_content(group, [item.content_hash])
    known = {key: known_item(one) for key, one in copies.items() if not one.is_gone}
    plan = decide_deletion(item_id, Known(known, {})) if item_id in known else _NOTHING
    promoted = next((copies[key] for key in sorted(plan.moved)), None)
    deletion = Deletion(item, promoted, _is_shared(item, copies), is_new=item_id in known)
    return _Leaving(deletion, plan, copies)


def _found(tables: LedgerTables, group: GroupId, item_id: str, engagement: str | None) -> Item:
    # No database has a NUL in a text, and PostgreSQL cannot even be asked about one.
    known = {} if "\0" in item_id else tables.items.by_id(group, [item_id])
    item = known.get(item_id)
    if item is None or engagement not in {None, item.engagement_id}:
        where = group if engagement is None else f"{group}, engagement {engagement},"
        raise UnknownEvidence(
            f"group {where} has no evidence item {item_id!r}",
            hint=f"kmflow evidence list --group {group}",
        )
    return item


_NOTHING = Plan((), {}, frozenset(), frozenset(), frozenset(), frozenset())


def _is_shared(item: Item, copies: Mapping[str, Item]) -> bool:
    place = (item.backend, item.stored_path)
    return any(
        (one.backend, one.stored_path) == place and one.item_id != item.item_id and not one.is_gone
        for one in copies.values()
    )


def _changed(plan: Plan, copies: Mapping[str, Item], batch: str) -> list[Item]:
    def changed(item: Item, known: KnownItem) -> Item:
        return replace(
            item,
            state=known.state,
            duplicate_of_id=known.duplicate_of_id,
            batch_id=batch if item.item_id in plan.moved else item.batch_id,
        )

    return [changed(copies[key], known) for key, known in plan.items.items()]


def _deed(deletion: Deletion, actor: str) -> Deed:
    item = deletion.item
    return Deed(
        action=AuditAction.DELETE_EVIDENCE,
        actor_email=actor,
        before={
            "id": item.item_id,
            "engagement": item.engagement_id,
            "file_name": item.file_name,
            "path": item.stored_path,
            "sha256": item.content_hash,
            "size_bytes": item.size_bytes,
            "state": str(item.state),
            "received_on": item.received_on.isoformat(),
        },
        after={
            "state": str(State.DELETED),
            "bytes": "kept" if deletion.keeps_bytes else "removed",
            "promoted": deletion.promoted.item_id if deletion.promoted else None,
        },
    )


__all__ = ["BackendUse", "Deletion", "EvidenceRegister", "StoredPlace"]
