"""Measuring the stages of batches: one row a stage and batch, failed stages too (row B37)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import KmflowError, StateConflict
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.intake_records import Item, State, Step
from kmflow_orchestration.metadata.ledger_store import changing, reading
from kmflow_orchestration.metadata.stage_metrics import StageMetric
from kmflow_orchestration.names import GroupId


@dataclass(slots=True)
class StageTally:
    """What a stage counts while it works; mutable for that."""

    input_count: int = 0
    output_count: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    engagements: set[str] = field(default_factory=set)
    item_ids: set[str] = field(default_factory=set)

    def came_in(self, items: Iterable[Item]) -> None:
        """Items the stage works on; a second call, after some have left, replaces the first."""
        known = list(items)
        self.input_count = len(known)
        self.engagements = {item.engagement_id for item in known}
        self.item_ids = {item.item_id for item in known}

    def refused(self, items: Iterable[Item]) -> None:
        """Count those of these items that are in quarantine, each under its reason."""
        self.errors += Counter(one.reason for one in items if one.state is State.QUARANTINED)

    def failed(self, errors: Iterable[KmflowError]) -> None:
        """Count what kept single items out."""
        self.errors += Counter(error.code for error in errors)


class StageLog:
    """Stage metrics of all groups in one control database."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    @contextmanager
    def measured(
        self, group: GroupId, batch_id: str, *, day: date, stage: Step
    ) -> Iterator[StageTally]:
        """Measure the block and record what it tallied, in one statement when it ends.

        A block that raises is recorded with the error's code, unless another run has taken the
        batch over: the row is that run's then.
        """
        tally = StageTally()
        started, begun = self._clock.now(), self._clock.monotonic()

        def record(failed_by: str = "") -> None:
            metric = StageMetric(
                batch_id=batch_id,
                stage=stage,
                day=day,
                started_at=started,
                duration_ms=int((self._clock.monotonic() - begun) * 1000),
                input_count=tally.input_count,
                output_count=tally.output_count,
                error_count=tally.errors.total() + bool(failed_by),
                error_type=failed_by or _commonest(tally.errors),
                engagement_id=_only(tally.engagements),
                evidence_item_id=_only(tally.item_ids),
            )
            with changing(self._sessions, group) as tables:
                tables.stages.record(group, metric)

        try:
            yield tally
        except StateConflict:
            raise
        except Exception as error:
            try:
                record(error.code if isinstance(error, KmflowError) else type(error).__name__)
            except KmflowError as unrecorded:
                error.add_note(f"the stage's row could not be written: {unrecorded}")
            raise
        record()

    def all(
        self, group: GroupId, *, day: date | None = None, stage: Step | None = None
    ) -> list[StageMetric]:
        """Stages of a group's batches in the order of their beginning; of one day, one stage."""
        with reading(self._sessions) as tables:
            return tables.stages.all(group, day=day, stage=stage)


def _commonest(errors: Counter[str]) -> str:
    return min(errors, key=lambda code: (-errors[code], code), default="")


def _only(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else ""
