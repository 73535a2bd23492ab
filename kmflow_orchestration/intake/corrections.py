"""Corrections of conversions, remembered; what they are about is to be converted again (G18).

A change and the reopening of the batches it is about are one transaction. So whatever dies
afterwards, those batches are unfinished work, which the sensor asks runs for like for any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TypeAlias

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import StateConflict
from kmflow_orchestration.intake.stored_batches import check_stored
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.metadata.correction_records import (
    PASSWORD,
    Candidate,
    Change,
    Changed,
    Correction,
    Scope,
)
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_records import State, Step
from kmflow_orchestration.metadata.ledger_store import LedgerTables, changing, reading
from kmflow_orchestration.names import GroupId

Corrections: TypeAlias = Sequence[Correction]
Affected: TypeAlias = Callable[[Sequence[Candidate], Corrections, Corrections], list[Candidate]]
"""Of candidates those that come out otherwise by the corrections after than by those before."""


class CorrectionStore:
    """Corrections of all groups in one control database."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def all(self, group: GroupId, engagement: str | None = None) -> list[Correction]:
        """Corrections that hold, in the order they were made in."""
        with reading(self._sessions) as tables:
            return tables.corrections.all(group, engagement)

    def last_number(self, group: GroupId) -> int:
        """Number of the group's last change, 0 before any: equal numbers, equal corrections."""
        with reading(self._sessions) as tables:
            return tables.corrections.last_number(group)

    def candidates(self, group: GroupId, engagement: str) -> list[Candidate]:
        """Items of an engagement that a correction may be about."""
        with reading(self._sessions) as tables:
            return tables.corrections.candidates(group, [engagement])

    def paths_of(self, group: GroupId, item_ids: Iterable[str]) -> list[str]:
        """Landing paths of some items and of all copies of their content."""
        with reading(self._sessions) as tables:
            return tables.corrections.paths_of(group, item_ids)

    def unwritten_days(self, group: GroupId) -> list[date]:
        """Days with stored files whose tables are still to be written, or written again."""
        with reading(self._sessions) as tables:
            return sorted(tables.batches.days_stored_without(group, Step.DATASETS))

    def change(
        self,
        group: GroupId,
        changes: Sequence[Change],
        *,
        actor: str,
        seen: int | None = None,
        affected: Affected | None = None,
    ) -> Changed:
        """Make corrections, or take them back, and have what they are about converted again.

        What holds already is left as it is. `seen` is the last number when the changes were
        thought of. Without `affected` these are the items that are named by their ids.

        Raises:
            StateConflict: somebody changed a correction of the group since `seen`.
        """
        find = affected or _named
        with changing(self._sessions, group) as tables:
            before = tables.corrections.all(group)
            number = tables.corrections.last_number(group)
            if seen is not None and seen != number:
                raise StateConflict(
                    f"corrections of {group} were changed meanwhile",
                    hint="look at `kmflow dataset corrections` and try again",
                )
            held = {one.key: one for one in before}
            news = [one for one in changes if _value(held.get(one.key)) != one.value]
            for at, one in enumerate(news, start=number + 1):
                self._put(tables, group, one, held.get(one.key), number=at, actor=actor)
            after = tables.corrections.all(group)
            hit: list[Candidate] = []
            if news:
                engagements = {one.engagement_id for one in news}
                hit = find(tables.corrections.candidates(group, engagements), before, after)
                self._reopen(tables, group, hit)
                if any(one.name == PASSWORD for one in news):
                    # Of options texts know passwords alone.
                    tables.again.reopen(group, {one.batch_id for one in hit}, [Step.FRAGMENTS])
        keys = {one.key for one in changes}
        now = tuple(one for one in after if one.key in keys)
        return Changed(now, tuple(hit), is_new=bool(news))

    def _put(
        self,
        tables: LedgerTables,
        group: GroupId,
        change: Change,
        known: Correction | None,
        *,
        number: int,
        actor: str,
    ) -> None:
        now = self._clock.now()
        tables.corrections.put(group, change, number=number, actor=actor, now=now)
        about = {
            "engagement": change.engagement_id,
            change.scope.value: change.target,
        }
        deed = Deed(
            action=AuditAction.CORRECT_DATASET,
            actor_email=actor,
            before=None if known is None else {**about, change.name: known.value},
            after=None if change.value is None else {**about, change.name: change.value},
        )
        tables.audit.add(group, deed, at=now)

    def _reopen(self, tables: LedgerTables, group: GroupId, items: Sequence[Candidate]) -> None:
        refused = [one for one in items if one.state is State.QUARANTINED]
        tables.again.release(group, [one.item_id for one in refused], self._clock.now())
        tables.again.reopen(group, {one.batch_id for one in items}, [Step.DATASETS])
        # The same batch with as many rows is taken for a replay, which is no reason to profile.
        tables.again.expect_changes(group, {name for one in items for name in one.tables})
        # What was refused has no text and no score yet.
        again = [Step.FRAGMENTS, Step.QUALITY]
        tables.again.reopen(group, {one.batch_id for one in refused}, again)

    def finish(self, group: GroupId, batch_id: str, seen: int) -> bool:
        """Note that a batch's datasets are written by the corrections up to `seen`.

        False, and nothing is noted, when one was changed meanwhile.

        Raises:
            StateConflict: the group has no such stored batch.
        """
        with changing(self._sessions, group) as tables:
            check_stored(tables, group, batch_id)
            if tables.corrections.last_number(group) != seen:
                return False
            tables.batches.finish(group, batch_id, [Step.DATASETS], self._clock.now())
            return True


def _value(known: Correction | None) -> object:
    return None if known is None else known.value


def _named(
    candidates: Sequence[Candidate], before: Corrections, after: Corrections
) -> list[Candidate]:
    told = {
        (one.key, one.number): one.target for one in (*before, *after) if one.scope is Scope.ITEM
    }
    both = {(one.key, one.number) for one in before} & {(one.key, one.number) for one in after}
    ids = {target for key, target in told.items() if key not in both}
    return [one for one in candidates if one.item_id in ids]
