"""Batches whose members are stored already, and that have steps to be done."""

from __future__ import annotations

from datetime import datetime

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.errors import StateConflict
from kmflow_orchestration.identity import batch_id
from kmflow_orchestration.metadata.intake_records import Step
from kmflow_orchestration.metadata.ledger_store import LedgerTables
from kmflow_orchestration.names import GroupId


def open_stored_batch(tables: LedgerTables, group: GroupId, now: datetime) -> str:
    """A batch of today without files, which no run claims: its other steps are still to be done."""
    day = utc_day(now)
    number = tables.batches.last_number(group, day) + 1
    made = batch_id(group, day, number)
    tables.batches.add(group, day, batch_id=made, number=number, now=now, stored_at=now)
    return made


def check_stored(tables: LedgerTables, group: GroupId, batch: str) -> None:
    """Raises StateConflict when the group has no such stored batch."""
    found = tables.batches.get(group, batch)
    if found is None or not found.is_finished(Step.STORED):
        raise StateConflict(f"{group} has no stored batch {batch}")
