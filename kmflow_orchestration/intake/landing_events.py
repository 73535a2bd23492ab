"""What the history keeps of a look, of decisions on a batch's files, and of files that left it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from kmflow_orchestration.intake.decisions import Plan
from kmflow_orchestration.metadata.intake_records import Changes, Item, LandingFile, State
from kmflow_orchestration.metadata.landing_history import LandingEvent

SEEN_NEW = "seen"
SEEN_CHANGED = "changed"
GONE = "gone"
ACCEPTED = "accepted"
RETRIED = "retried"


def seen_events(changes: Changes, now: datetime) -> Iterator[LandingEvent]:
    """A version that came, or that went before it was complete.

    `code` is the quarantine code of one that may not enter, `waiting` of one that may still grow.
    """
    for one in changes.files:
        seen = one.seen
        refused = State.QUARANTINED if one.state is State.QUARANTINED else None
        yield LandingEvent(
            path=seen.path,
            decision=refused or (SEEN_NEW if one.is_new else SEEN_CHANGED),
            at=now,
            size_bytes=seen.size_bytes,
            mtime_ns=seen.mtime_ns,
            code=seen.problem or (str(one.state) if one.state is State.WAITING else ""),
            message=seen.message,
        )
    for path in changes.gone:
        yield LandingEvent(path=path, decision=GONE, at=now)


def decided_events(
    plan: Plan,
    looked: Mapping[str, LandingFile],
    items: Mapping[str, Item],
    *,
    batch_id: str,
    now: datetime,
) -> Iterator[LandingEvent]:
    """What files became, after what that superseded; `items` are those known before."""
    for item_id in sorted(plan.superseded):
        item = items[item_id]
        yield LandingEvent(
            path=item.landing_path,
            decision=State.SUPERSEDED,
            at=now,
            content_hash=item.content_hash,
            item_id=item_id,
            batch_id=batch_id,
        )
    for one in plan.decisions:
        file, arrival = looked[one.arrival.path], one.arrival
        yield LandingEvent(
            path=arrival.path,
            decision=one.kind,
            at=now,
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            content_hash=arrival.content_hash,
            item_id=arrival.item_id,
            batch_id=batch_id,
        )


def released_events(
    outcomes: Iterable[Mapping[str, object]], *, batch_id: str, now: datetime
) -> Iterator[LandingEvent]:
    """Files that left their batch without becoming an item."""
    for one in outcomes:
        yield LandingEvent(
            path=str(one["path"]),
            decision=str(one["state"]),
            at=now,
            code=str(one["code"]),
            message=str(one["message"]),
            batch_id=batch_id,
        )
