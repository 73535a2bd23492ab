"""A group's stored files against the rows of `evidence_metadata` (row B22)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kmflow_orchestration.config.group_config import GroupConfig, VerifyMode
from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.metadata_rows import (
    MetadataRow,
    MetadataTable,
    read_metadata,
)
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.evidence_paths import StoredPlace, stored_place
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend, StoredObject
from kmflow_orchestration.storage.verified_reading import hash_of

Progress = Callable[[str, int], None]


def no_progress(stage: str, count: int) -> None:
    """For whom it is all the same how far it is."""


@dataclass(frozen=True, slots=True)
class UnlistedFile:
    """A stored file no row is about, and what its path says."""

    file: StoredObject
    place: StoredPlace


@dataclass(frozen=True, slots=True)
class LostFile:
    """A row whose file is gone. `item_is_known`: the ledger counts it as evidence still."""

    row: MetadataRow
    item_is_known: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """A file whose content is not what its row, or the id in its name, says."""

    path: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class MetadataReconciliation:
    """Files on one side, rows on the other.

    `pending` files are being taken in: their rows are still to come. `elsewhere` counts rows of
    evidence that a store of another kind, or another Volume, holds.
    """

    group: GroupId
    files: int
    table: MetadataTable
    pending: int
    elsewhere: int
    without_row: tuple[UnlistedFile, ...]
    without_file: tuple[LostFile, ...]
    differences: tuple[Difference, ...]
    surplus: tuple[MetadataRow, ...]
    foreign: tuple[str, ...]

    @property
    def rows(self) -> int:
        return len(self.table.rows)

    def counts(self) -> dict[str, int]:
        """How much of everything, by the words people see."""
        return {
            "files": self.files,
            "rows": self.rows,
            "pending": self.pending,
            "elsewhere": self.elsewhere,
            "files_without_rows": len(self.without_row),
            "rows_without_files": len(self.without_file),
            "hash_differences": len(self.differences),
            "duplicates": len(self.surplus),
            "foreign_paths": len(self.foreign),
        }


def reconcile_metadata(
    group: GroupId,
    *,
    ledger: Ledger,
    store: StorageBackend,
    lakehouse: Lakehouse,
    config: GroupConfig,
    verify: VerifyMode,
    workers: int,
    on_progress: Progress = no_progress,
) -> MetadataReconciliation:
    """Compare the two; nothing is changed.

    Sizes are compared always, with `verify="hash"` contents too: then every file is read.

    Raises:
        AccessRefused, RemoteFault: store or table cannot be read, which is no
            agreement.
    """
    # First files, then rows: a file that comes meanwhile is not missed in the table.
    files = {}
    for file in store.walk():
        files[file.path] = file
        on_progress("listed", len(files))
    table = read_metadata(group, lakehouse=lakehouse, config=config)
    rows: dict[str, list[MetadataRow]] = {}
    for row in table.rows:
        rows.setdefault(row.path, []).append(row)
    open_days = ledger.unwritten_days(group)
    unlisted, foreign = _unlisted(file for path, file in files.items() if path not in rows)
    settled = [one for one in unlisted if one.place.received_on not in open_days]
    missing = [row for path, some in rows.items() if path not in files for row in some]
    lost, elsewhere = _lost(group, missing, ledger=ledger, store=store, workers=workers)
    both = [(files[path], some) for path, some in sorted(rows.items()) if path in files]
    return MetadataReconciliation(
        group=group,
        files=len(files),
        table=table,
        pending=len(unlisted) - len(settled),
        elsewhere=elsewhere,
        without_row=tuple(settled),
        without_file=tuple(lost),
        differences=tuple(_differences(both, store, verify, workers, on_progress)),
        surplus=tuple(table.surplus()),
        foreign=tuple(foreign),
    )


def content_hash(store: StorageBackend, path: str) -> str | None:
    """SHA-256 of a stored file, read in pieces; None when it is gone by now."""
    try:
        with store.open_read(path) as stream:
            return hash_of(stream)
    except FileNotFoundError:
        return None


def _unlisted(files: Iterable[StoredObject]) -> tuple[list[UnlistedFile], list[str]]:
    """Files by path that we could have stored, and paths of those that we could not."""
    ours, foreign = [], []
    for file in sorted(files, key=lambda file: file.path):
        place = stored_place(file.parts)
        if place is None:
            foreign.append(file.path)
        else:
            ours.append(UnlistedFile(file, place))
    return ours, foreign


def _lost(
    group: GroupId,
    rows: list[MetadataRow],
    *,
    ledger: Ledger,
    store: StorageBackend,
    workers: int,
) -> tuple[list[LostFile], int]:
    """Rows whose file is gone, and how many are about evidence that lies elsewhere."""
    items = ledger.find_items(group, (row.id for row in rows))
    lost, elsewhere = [], 0
    for row, is_there in side_by_side(lambda row: _is_there(store, row), rows, workers=workers):
        item = items.get(row.id)
        if is_there is None or (item is not None and item.backend != store.name):
            elsewhere += 1
        elif not is_there:
            lost.append(LostFile(row, item is not None and not item.is_gone))
    return sorted(lost, key=lambda one: one.row.age), elsewhere


def _is_there(store: StorageBackend, row: MetadataRow) -> bool | None:
    """Asked once more: it may have come after the listing. None for a path outside this store."""
    try:
        return store.exists(row.path)
    except UnsafePath:
        return None


def _differences(
    pairs: Iterable[tuple[StoredObject, list[MetadataRow]]],
    store: StorageBackend,
    verify: VerifyMode,
    workers: int,
    on_progress: Progress,
) -> list[Difference]:
    differences = []
    alike = []
    for file, rows in pairs:
        wrong = next((row for row in rows if row.size_bytes != file.size_bytes), None)
        if wrong is None:
            alike.append((file, rows))
        else:
            differences.append(_size_difference(file, wrong))
    if verify == "hash":

        def read(pair: tuple[StoredObject, list[MetadataRow]]) -> str | None:
            return content_hash(store, pair[0].path)

        reading = side_by_side(read, alike, workers=workers)
        for count, ((file, rows), found) in enumerate(reading, start=1):
            wrong = next((row for row in rows if row.content_hash != found), None)
            if found is not None and wrong is not None:
                differences.append(Difference(file.path, wrong.content_hash, found))
            on_progress("compared", count)
    return sorted(differences, key=lambda one: one.path)


def _size_difference(file: StoredObject, row: MetadataRow) -> Difference:
    return Difference(file.path, f"{row.size_bytes} bytes", f"{file.size_bytes} bytes")


def shown(found: MetadataReconciliation, at_most: int | None = None) -> Mapping[str, list[str]]:
    """What is wrong, path by path, for people and programs."""
    return {
        "files_without_rows": [one.file.path for one in found.without_row[:at_most]],
        "rows_without_files": [f"{one.row.id} {one.row.path}" for one in found.without_file][
            :at_most
        ],
        "hash_differences": [shown_difference(one) for one in found.differences[:at_most]],
        "duplicates": [f"{row.id} {row.path}" for row in found.surplus[:at_most]],
        # Names that are no UTF-8 could not even be printed.
        "foreign_paths": [
            path.encode("utf-8", "backslashreplace").decode() for path in found.foreign[:at_most]
        ],
    }


def shown_difference(one: Difference) -> str:
    """A sentence about a file that is not what it should be."""
    return f"{one.path}: {one.expected} expected, {one.found} found"
