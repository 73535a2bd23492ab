"""One transaction on a group's ledger: whoever changes it holds the group's lock from the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.engine import SessionFactory, transaction
from kmflow_orchestration.names import GroupId

T = TypeVar("T")

# Well under the 32 766 parameters SQLite takes, few enough for a quick plan on PostgreSQL.
_SLICE = 500

# A write first: SQLite then never has to upgrade a read lock, which fails at once when another
# writer came between; PostgreSQL locks the row until the transaction ends.
_LOCK = text(
    "INSERT INTO intake_groups (group_id, changes) VALUES (:group_id, 1)"
    " ON CONFLICT (group_id) DO UPDATE SET changes = intake_groups.changes + 1"
)


@contextmanager
def ledger_transaction(sessions: SessionFactory, group: GroupId) -> Iterator[Session]:
    """A transaction in which nobody else changes this group's ledger."""
    with transaction(sessions) as session:
        session.execute(_LOCK, {"group_id": group})
        yield session


def slices(values: Sequence[T], size: int = _SLICE) -> Iterator[Sequence[T]]:
    """Pieces of a sequence small enough for one IN list."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
