"""How many fragments of text each evidence item has in silver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sqlalchemy import Table, bindparam, update
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow
from kmflow_orchestration.names import GroupId

_ITEMS = cast("Table", EvidenceItemRow.__table__)
_C = _ITEMS.c
# The version stays: no decision about an item hangs on this.
_COUNTED = (
    update(_ITEMS)
    .where(_C.group_id == bindparam("g"), _C.batch_id == bindparam("b"), _C.id == bindparam("i"))
    .values(fragment_count=bindparam("n"))
)


class FragmentCounts:
    """Statements about fragment counts, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(
        self, group: GroupId, batch_id: str, counts: Mapping[str, int], item_ids: Sequence[str]
    ) -> None:
        """Note how many fragments each item of a batch has; those without a count have none.

        Nor have the items the batch replaces, `item_ids`, whose rows went with it: whenever they
        had been counted, or had not.
        """
        of_batch = (_C.group_id == group, _C.batch_id == batch_id)
        self._session.execute(update(_ITEMS).where(*of_batch).values(fragment_count=0))
        for some in slices(item_ids):
            replaced = (_C.group_id == group, _C.id.in_(some))
            self._session.execute(update(_ITEMS).where(*replaced).values(fragment_count=0))
        rows = [{"g": group, "b": batch_id, "i": key, "n": n} for key, n in counts.items() if n]
        if rows:
            self._session.execute(_COUNTED, rows)
