"""What the stages of a group's batches took and made (row B37)."""

from __future__ import annotations

from datetime import date

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.intake.stage_sums import StageSummary, summed_up


def stage_summaries(
    group: str, *, caller: Caller, ledger: Ledger, day: date | None = None
) -> list[StageSummary]:
    """Stages of a group's batches, or of one day's, in the order in which a batch goes through.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    return summed_up(ledger.stages.all(caller.require(Role.VIEWER, group), day=day))
