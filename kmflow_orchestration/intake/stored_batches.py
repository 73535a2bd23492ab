"""Batches that no run claims: their members are stored already, and have steps to be done."""

from __future__ import annotations

from datetime import datetime

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.identity import batch_id
from kmflow_orchestration.metadata.ledger_store import LedgerTables
from kmflow_orchestration.names import GroupId


def open_stored_batch(tables: LedgerTables, group: GroupId, now: datetime) -> str:
    """A batch of today without files: stored from the start, its other steps still to be done."""
    day = utc_day(now)
    number = tables.batches.last_number(group, day) + 1
    made = batch_id(group, day, number)
    tables.batches.add(group, day, batch_id=made, number=number, now=now, stored_at=now)
    return made
