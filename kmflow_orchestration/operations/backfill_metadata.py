"""Rows for stored files that have none; with leave, rows without a file go (row B22)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from kmflow_orchestration.config.group_config import GroupConfig, VerifyMode
from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.identity import item_id
from kmflow_orchestration.intake.ledger import Item, Ledger
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.evidence_rows import EvidenceRow, merge_rows
from kmflow_orchestration.operations.metadata_rows import MetadataRow
from kmflow_orchestration.operations.reconcile_metadata import (
    Difference,
    MetadataReconciliation,
    Progress,
    UnlistedFile,
    content_hash,
    no_progress,
    reconcile_metadata,
)
from kmflow_orchestration.operations.remove_deleted import drop_rows
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend, StorageMetadata

_ROWS_AT_ONCE = 10_000
# The digit of a UUID that says how it was made: ours are version 5, a random one is version 4.
_VERSION_DIGIT, _OURS = 12, "5"


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row to be written for a file."""

    file: UnlistedFile
    content_hash: str
    id: str


@dataclass(frozen=True, slots=True)
class BackfilledMetadata:
    """What was found, and what became of it; after a dry run, what would.

    `damaged` files bear an id of ours that their content does not give: no row is made up for
    them. `second_copies` are files whose item has a row about another path. `kept` rows have no
    file and an item in the ledger: that is a loss, and not for this command to hide.
    """

    found: MetadataReconciliation
    is_dry_run: bool
    inserted: tuple[NewRow, ...] = ()
    damaged: tuple[Difference, ...] = ()
    second_copies: tuple[str, ...] = ()
    pruned: tuple[MetadataRow, ...] = ()
    kept: tuple[MetadataRow, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        return (*self.found.differences, *self.damaged)

    @property
    def problems(self) -> int:
        """How many things are left that this command does not mend."""
        left = len(self.found.without_file) - len(self.pruned)
        surplus = len(self.found.surplus) + len(self.second_copies)
        return left + len(self.differences) + surplus + len(self.found.foreign)


@dataclass(slots=True)
class _Plan:
    """What to do about files without rows; mutable while they are read."""

    new: list[NewRow] = field(default_factory=list)
    damaged: list[Difference] = field(default_factory=list)
    second_copies: list[str] = field(default_factory=list)


def backfill_metadata(
    group: GroupId,
    *,
    ledger: Ledger,
    store: StorageBackend,
    lakehouse: Lakehouse,
    config: GroupConfig,
    verify: VerifyMode,
    workers: int,
    dry_run: bool = False,
    prune: bool = False,
    on_progress: Progress = no_progress,
) -> BackfilledMetadata:
    """Insert the rows that are missing; run again, it inserts none.

    Files of a day that is being taken in are left to that day's run. No row goes without `prune`.

    Raises:
        AccessRefused, RemoteFault: store or table cannot be read or written;
            the next call goes on.
        StorageUnavailable: to be pruned are all rows of a store that shows no file at all.
    """
    found = reconcile_metadata(
        group,
        ledger=ledger,
        store=store,
        lakehouse=lakehouse,
        config=config,
        verify=verify,
        workers=workers,
        on_progress=on_progress,
    )
    if prune and found.without_file and not found.files:
        raise StorageUnavailable(
            f"the store of {group} shows no file, its table has {found.rows} rows",
            hint="check that the store is the right one and is mounted; no row was removed",
        )
    plan = _plan(group, found, store, workers, on_progress)
    goes = [one.row for one in found.without_file if prune and not one.item_is_known]
    if dry_run:
        written = plan.new
    else:
        written = _write(plan.new, found, ledger, store, config)
        if goes:
            found.table.take_out(goes)
    return BackfilledMetadata(
        found=found,
        is_dry_run=dry_run,
        inserted=tuple(written),
        damaged=tuple(plan.damaged),
        second_copies=tuple(plan.second_copies),
        pruned=tuple(goes),
        kept=tuple(one.row for one in found.without_file if one.item_is_known),
    )


def _plan(
    group: GroupId,
    found: MetadataReconciliation,
    store: StorageBackend,
    workers: int,
    on_progress: Progress,
) -> _Plan:
    plan = _Plan()
    hashes: dict[str, str] = {}

    def read(one: UnlistedFile) -> str | None:
        return content_hash(store, one.file.path)

    reading = side_by_side(read, found.without_row, workers=workers)
    for count, (one, digest) in enumerate(reading, start=1):
        if digest is not None:  # else it was deleted meanwhile
            hashes[one.file.path] = digest
        on_progress("read", count)
    ids = {row.id for row in found.table.rows}
    for one in found.without_row:
        if one.file.path in hashes:
            _sort(group, one, hashes[one.file.path], plan, ids)
    return plan


def _sort(group: GroupId, one: UnlistedFile, digest: str, plan: _Plan, ids: set[str]) -> None:
    place = one.place
    own = item_id(group, place.engagement_id, digest, place.file_name)
    row_id = own
    if not own.replace("-", "").startswith(place.digits):
        if place.digits[_VERSION_DIGIT] == _OURS:
            plan.damaged.append(Difference(one.file.path, f"id {place.digits}…", f"id {own}"))
            return
        row_id = _with_digits(place.digits, own)
    if row_id in ids:
        plan.second_copies.append(one.file.path)
        return
    ids.add(row_id)
    plan.new.append(NewRow(one, digest, row_id))


def _with_digits(digits: str, own: str) -> str:
    """An id that begins as somebody else's does; what we cannot know of it follows from ours."""
    return str(UUID(hex=digits + own.replace("-", "")[len(digits) :]))


def _write(
    rows: Sequence[NewRow],
    found: MetadataReconciliation,
    ledger: Ledger,
    store: StorageBackend,
    config: GroupConfig,
) -> list[NewRow]:
    """Insert rows of files that are there; those that were written."""
    written: list[NewRow] = []
    group, lakehouse = found.group, found.table.lakehouse
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        # Listed once more, and on delta entered into the store's own table.
        there = store.confirm([_stored(row) for row in some])
        items = ledger.find_items(group, (row.id for row in some))
        live = [
            row
            for row in some
            if row.file.file.path in there and not (row.id in items and items[row.id].is_gone)
        ]
        if not live:
            continue
        merge_rows(
            group,
            [_row(one, items.get(one.id)) for one in live],
            lakehouse=lakehouse,
            config=config,
        )
        # Deleted just before their rows were written, perhaps wholly: nobody else removes them.
        items = ledger.find_items(group, (row.id for row in live))
        gone = [item for item in items.values() if item.is_gone]
        if gone:
            drop_rows(gone, lakehouse=lakehouse, config=config)
        written += [row for row in live if row.id not in {item.item_id for item in gone}]
    return written


def _stored(row: NewRow) -> StorageMetadata:
    file = row.file.file
    return StorageMetadata(file.path, file.modified_at, row.content_hash, file.size_bytes)


def _row(new: NewRow, item: Item | None) -> EvidenceRow:
    file, place = new.file.file, new.file.place
    return EvidenceRow(
        new.id,
        place.engagement_id,
        place.file_name,
        file.path,
        new.content_hash,
        file.size_bytes,
        file.modified_at,
        item,
    )
