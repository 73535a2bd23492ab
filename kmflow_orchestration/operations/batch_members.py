"""A batch's members, asked again after writing: one may have left meanwhile (design AD3).

Another run may supersede an item, or move a duplicate into its own batch, and then sees to the
item's rows. Rows that a run writes after that, because it read its batch before, would stay for
good. So each writer looks again and, if somebody left, writes what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from kmflow_orchestration.intake.ledger import Item, Ledger
from kmflow_orchestration.metadata.intake_records import LIVE
from kmflow_orchestration.names import GroupId

T = TypeVar("T")


def live_items(group: GroupId, batch_id: str, ledger: Ledger) -> list[Item]:
    """Items of a batch whose rows belong into datasets and silver."""
    return [item for item in ledger.items(group, batch_id) if item.is_live]


def write_live(
    group: GroupId, batch_id: str, ledger: Ledger, write: Callable[[list[Item]], T]
) -> T:
    """Write a batch's live items, until all that were written are still live afterwards."""
    while True:
        items = live_items(group, batch_id, ledger)
        written = write(items)
        if are_live(group, batch_id, ledger, (item.item_id for item in items)):
            return written


def write_all(
    group: GroupId, batch_id: str, ledger: Ledger, write: Callable[[list[Item]], None]
) -> list[Item]:
    """Write all items of a batch, again if one has moved to another meanwhile; those written.

    So does one that was deleted: into the batch of its deletion.
    """
    while True:
        items = ledger.items(group, batch_id)
        write(items)
        if ledger.item_states(group, batch_id).keys() == {item.item_id for item in items}:
            return items


def are_live(group: GroupId, batch_id: str, ledger: Ledger, item_ids: Iterable[str]) -> bool:
    """Whether all of these are live members of the batch at present."""
    states = ledger.item_states(group, batch_id)
    return all(states.get(item_id) in LIVE for item_id in item_ids)
