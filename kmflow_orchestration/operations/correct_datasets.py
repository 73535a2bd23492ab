"""Corrections of datasets: made, taken back and listed; what they are about is done again (G18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.intake.corrections import Affected, Corrections, CorrectionStore
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.metadata.correction_records import (
    IGNORE,
    Candidate,
    Change,
    Correction,
    Scope,
)
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.correction_plans import (
    CorrectionPlan,
    affected_by,
    fits_pattern,
    path_below,
)
from kmflow_orchestration.operations.correction_requests import CorrectionRequest, changes_of
from kmflow_orchestration.operations.type_trials import check_type
from kmflow_orchestration.storage.evidence_stores import EvidenceStores


@dataclass(frozen=True, slots=True)
class Corrected:
    """What was, or would be, corrected, and the files and tables to be converted again.

    `is_new` is False when everything was so before. `copies` are landing paths of content that is
    ignored where it came first: a content has rows once, so that these have none either.
    """

    changes: tuple[Change, ...]
    affected: tuple[Candidate, ...]
    is_new: bool
    is_dry_run: bool = False
    copies: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables with rows of these files at present."""
        return tuple(sorted({table for one in self.affected for table in one.tables}))


def list_corrections(
    group: str, *, caller: Caller, corrections: CorrectionStore, engagement: str | None = None
) -> list[Correction]:
    """Corrections that hold in a group or one engagement of it, in the order they were made in.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    return corrections.all(caller.require(Role.VIEWER, group), engagement)


def correct_datasets(
    group: str,
    request: CorrectionRequest,
    *,
    caller: Caller,
    corrections: CorrectionStore,
    registry: DatasetTables,
    ledger: Ledger,
    stores: EvidenceStores,
    clock: Clock,
    workers: int,
    work_dir: Path,
    dry_run: bool = False,
) -> Corrected:
    """Remember a correction; it holds for files to come, and past ones are to be converted again.

    A type that a value of a past file does not fit is refused, with that value. The files are
    converted again by the next runs of their days, or by `replay_datasets`.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller is neither editor nor admin.
        InvalidSettings: a target that is not there, a bad value, or a type that does not fit.
        InvalidOptions: an option that means nothing to the reader of these files.
        StateConflict: somebody changed a correction of the group meanwhile.
    """
    own = caller.require(Role.EDITOR, group)
    seen = corrections.last_number(own)
    changes = changes_of(own, request, registry=registry, ledger=ledger)
    for one in changes:
        if one.scope is Scope.COLUMN:
            check_type(
                own,
                one.target,
                str(one.value),
                registry=registry,
                ledger=ledger,
                stores=stores,
                workers=workers,
                work_dir=work_dir,
            )
    changing = _Changing(own, corrections, registry, caller.group_email, clock)
    return changing.change(changes, seen=seen, dry_run=dry_run)


def withdraw_corrections(
    group: str,
    numbers: Sequence[int],
    *,
    caller: Caller,
    corrections: CorrectionStore,
    registry: DatasetTables,
    clock: Clock,
    dry_run: bool = False,
) -> Corrected:
    """Take corrections back, by their numbers; past files are to be converted again without them.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller is neither editor nor admin.
        InvalidSettings: no correction that holds has such a number; nothing was changed.
        StateConflict: somebody changed a correction of the group meanwhile.
    """
    own = caller.require(Role.EDITOR, group)
    seen = corrections.last_number(own)
    held = {one.number: one for one in corrections.all(own)}
    for number in numbers:
        if number not in held:
            there_are = ", ".join(map(str, held)) or "none"
            raise InvalidSettings(
                f"group {own} has no correction {number}",
                fields=("number",),
                hint=f"there are {there_are}: kmflow dataset corrections --group {own}",
            )
    changes = [
        Change(one.engagement_id, one.scope, one.target, one.name, None)
        for one in (held[number] for number in dict.fromkeys(numbers))
    ]
    changing = _Changing(own, corrections, registry, caller.group_email, clock)
    return changing.change(changes, seen=seen, dry_run=dry_run)


@dataclass(frozen=True, slots=True)
class _Changing:
    """Makes changes, or tells what they would do."""

    group: GroupId
    corrections: CorrectionStore
    registry: DatasetTables
    actor: str
    clock: Clock

    def change(self, changes: Sequence[Change], *, seen: int, dry_run: bool) -> Corrected:
        before = self.corrections.all(self.group)
        about = {one.target for one in before if one.scope is Scope.TABLE}
        about |= {one.target for one in changes if one.scope is Scope.TABLE}
        # Outside of the transaction, which asks for nothing: what tables are for never changes.
        keys = self.registry.keys_of(self.group, about)

        def affected(
            candidates: Sequence[Candidate], before: Corrections, after: Corrections
        ) -> list[Candidate]:
            plans = (CorrectionPlan(some, keys) for some in (before, after))
            return affected_by(candidates, *plans)

        if dry_run:
            return self._outlook(changes, before, seen, affected)
        changed = self.corrections.change(
            self.group, changes, actor=self.actor, seen=seen, affected=affected
        )
        copies = self._copies(changes, changed.affected)
        return Corrected(tuple(changes), changed.affected, changed.is_new, copies=copies)

    def _copies(self, changes: Sequence[Change], affected: Sequence[Candidate]) -> tuple[str, ...]:
        """Paths that no pattern of these changes is about, while their content is ignored."""
        patterns = [one for one in changes if one.name == IGNORE and one.value]
        if not patterns:
            return ()
        paths = self.corrections.paths_of(self.group, [one.item_id for one in affected])
        return tuple(
            path
            for path in paths
            if not any(
                fits_pattern(path_below(one.engagement_id, path), one.target) for one in patterns
            )
        )

    def _outlook(
        self, changes: Sequence[Change], before: Corrections, seen: int, affected: Affected
    ) -> Corrected:
        after = self._after(before, changes, seen)
        found: list[Candidate] = []
        for engagement in sorted({one.engagement_id for one in changes}):
            candidates = self.corrections.candidates(self.group, engagement)
            found += affected(candidates, before, after)
        is_new = {one.key: one.value for one in before} != {one.key: one.value for one in after}
        return Corrected(
            tuple(changes),
            tuple(found),
            is_new,
            is_dry_run=True,
            copies=self._copies(changes, found),
        )

    def _after(self, before: Corrections, changes: Sequence[Change], seen: int) -> Corrections:
        keys = {one.key for one in changes}
        news = [
            Correction(
                engagement_id=one.engagement_id,
                scope=one.scope,
                target=one.target,
                name=one.name,
                value=one.value,
                number=seen + at,
                set_at=self.clock.now(),
                set_by=self.actor,
            )
            for at, one in enumerate(changes, start=1)
            if one.value is not None
        ]
        return [*(one for one in before if one.key not in keys), *news]
