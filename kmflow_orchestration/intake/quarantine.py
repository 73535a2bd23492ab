"""What was kept back, and what a person decides about it (CD-N4).

What is to be tried again goes into a batch of its own, of the day it is asked for: the steps that
follow every batch convert those items alone, put their rows beside the others', and go on wherever
a run died (design AD3). A refused landing file is looked at as if it had changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.intake.landing_events import ACCEPTED, RETRIED
from kmflow_orchestration.intake.stored_batches import open_stored_batch
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_records import FolderState, State
from kmflow_orchestration.metadata.landing_history import LandingEvent
from kmflow_orchestration.metadata.ledger_store import LedgerTables, changing, reading
from kmflow_orchestration.metadata.quarantine_records import Acceptance, Held, HeldBack
from kmflow_orchestration.names import GroupId

# An audit record is no list of a whole group's files.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision was about, and what was another thing by the time it was made."""

    changed: tuple[HeldBack, ...] = ()
    left: tuple[HeldBack, ...] = ()


class QuarantineStore:
    """What is kept back of all groups in one control database."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def all(self, group: GroupId) -> list[HeldBack]:
        """All that is kept back, by landing path; accepted ones too."""
        with reading(self._sessions) as tables:
            return tables.held_back.all(group)

    def files(self, group: GroupId) -> list[HeldBack]:
        """The same without rows that were left out, for which all receipts are read."""
        with reading(self._sessions) as tables:
            return tables.held_back.files(group)

    def retry(self, group: GroupId, chosen: Sequence[HeldBack], *, actor: str) -> Decided:
        """Have files stored and items converted again; a repeat finds them gone from here.

        Of rows that were left out only the acceptance goes: the same reading would leave them out
        again, and another one is a correction.
        """
        now = self._clock.now()
        with changing(self._sessions, group) as tables:
            found, left = _still(tables, group, chosen)
            if not found:
                return Decided(left=left)
            batch = _release(tables, group, found, now)
            tables.acceptances.forget(group, found)
            about = [_event(one, RETRIED, f"by {actor}", now) for one in found]
            tables.history.add(group, about)
            deed = _deed(AuditAction.RETRY_QUARANTINE, found, actor, batch_id=batch)
            tables.audit.add(group, deed, at=now)
        return Decided(found, left)

    def accept(
        self, group: GroupId, chosen: Sequence[HeldBack], reason: str, *, actor: str
    ) -> Decided:
        """Note that somebody finds them fine as they are; what was accepted stays as it was."""
        now = self._clock.now()
        with changing(self._sessions, group) as tables:
            found, left = _still(tables, group, chosen)
            new = tuple(one for one in found if one.is_open)
            if not new:
                return Decided(left=left)
            tables.acceptances.put(group, new, Acceptance(reason, actor, now))
            about = [_event(one, ACCEPTED, f"by {actor}: {reason}", now) for one in new]
            tables.history.add(group, about)
            deed = _deed(AuditAction.ACCEPT_QUARANTINE, new, actor, reason=reason)
            tables.audit.add(group, deed, at=now)
        return Decided(new, left)


def _still(
    tables: LedgerTables, group: GroupId, chosen: Iterable[HeldBack]
) -> tuple[tuple[HeldBack, ...], tuple[HeldBack, ...]]:
    """Those that are as they were looked at, as they stand now; and the others."""
    now = {_key(one): one for one in tables.held_back.all(group)}
    wanted = {_key(one): one for one in chosen}
    found = tuple(now[key] for key in wanted if key in now)
    return found, tuple(one for key, one in wanted.items() if key not in now)


def _key(one: HeldBack) -> tuple[str, str, int]:
    return (one.kind, one.subject, one.version)


def _release(tables: LedgerTables, group: GroupId, found: Sequence[HeldBack], now: datetime) -> str:
    """The batch in which items are converted again, '' when none are."""
    files = [one.path for one in found if one.kind is Held.FILE]
    tables.held_back.look_anew(group, files)
    # Or a listing that looks like the last one is taken for one without work.
    again = dict.fromkeys(tables.held_back.folders_of(group, files), FolderState(0))
    tables.files.save_folders(group, again)
    failed = [one.path for one in found if one.kind is Held.FAILED]
    tables.held_back.try_now(group, failed)
    ids = [one.item_id for one in found if one.kind is Held.ITEM]
    if not ids:
        return ""
    batch = open_stored_batch(tables, group, now)
    items = tables.items.by_id(group, ids).values()
    stored = (
        replace(item, state=State.STORED, batch_id=batch, reason="", message="") for item in items
    )
    tables.items.change(group, stored, now)
    tables.batches.replace(group, batch, ids)
    return batch


def _event(one: HeldBack, decision: str, message: str, now: datetime) -> LandingEvent:
    return LandingEvent(
        path=one.path,
        decision=decision,
        at=now,
        code=one.code,
        message=message,
        item_id=one.item_id or None,
    )


def _deed(action: AuditAction, found: Sequence[HeldBack], actor: str, **more: str) -> Deed:
    named = [{"subject": one.subject, "path": one.path, "code": one.code} for one in found]
    return Deed(
        action=action,
        actor_email=actor,
        before={"count": len(found), "held_back": named[:_NAMED]},
        after={name: value for name, value in more.items() if value},
    )
