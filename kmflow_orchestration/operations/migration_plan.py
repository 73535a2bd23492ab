"""Where each file of a tree goes in the group's Volume, and which rows and items it has (B21)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from kmflow_orchestration.identity import item_id
from kmflow_orchestration.intake.former_names import former_name
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.intake.source_tree import SourceFile
from kmflow_orchestration.operations.metadata_rows import MetadataRow
from kmflow_orchestration.storage.evidence_paths import FOLDER, is_day
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageBackend

# What a connection to a workspace carries, when nobody has measured it.
_BYTES_PER_S = 20_000_000


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file with its identity and its target.

    `target` is where its row says that it lies, or `own_target`, where sending it puts it.
    `row` is the row it has already, `items` are items of the control database whose bytes it is:
    with its duplicates, when it was stored by this group itself.
    """

    source: SourceFile
    evidence: EvidenceFile
    target: str
    own_target: str
    row: MetadataRow | None
    items: tuple[Item, ...]

    def to_send(self) -> PlannedFile:
        """The same at the place where sending puts it."""
        return replace(self, target=self.own_target)

    @property
    def needs_row(self) -> bool:
        return self.row is None or self.row.path != self.target


class Planner:
    """Plans the files of one group; what it knows of rows and items it was given."""

    def __init__(
        self,
        group: str,
        store: StorageBackend,
        *,
        boundary: str,
        rows: Iterable[MetadataRow],
        keep_names: bool,
    ) -> None:
        self._group = group
        self._store = store
        self._boundary = f"{boundary}/{FOLDER}/"
        self._rows = {row.key: row for row in rows}
        self._keep_names = keep_names

    def planned(
        self, source: SourceFile, content_hash: str, items: Mapping[str, list[Item]]
    ) -> PlannedFile:
        """Where a file goes; `items` are known items by content.

        Raises:
            UnsafePath: its name cannot stand in a stored path.
        """
        former = former_name(
            self._group,
            source.engagement_id,
            content_hash,
            source.name,
            keep_names=self._keep_names,
        )
        own_id = item_id(self._group, source.engagement_id, content_hash, former.file_name)
        known = items.get(content_hash, [])
        own_path = f"{FOLDER}/{source.path}" if former.is_ours else ""
        evidence = EvidenceFile(
            source=source.real,
            engagement_id=source.engagement_id,
            received_on=_received_on(source, own_id, known, is_ours=former.is_ours),
            item_id=own_id,
            file_name=former.file_name,
            content_hash=content_hash,
            size_bytes=source.size_bytes,
        )
        row = self._rows.get((source.engagement_id, former.file_name, content_hash))
        target = own_target = self._store.path_of(evidence)
        if row is not None and row.path.startswith(self._boundary):
            target = row.path
        theirs = tuple(
            one
            for one in known
            if own_path and one.stored_path == own_path and one.backend != self._store.name
        )
        return PlannedFile(source, evidence, target, own_target, row, theirs)


def estimated_s(files: int, size_bytes: int, *, workers: int, latency_s: float) -> float:
    """About how long sending takes: a request each, `workers` at once, and the bytes."""
    return files * latency_s / max(1, workers) + size_bytes / _BYTES_PER_S


def _received_on(source: SourceFile, own_id: str, known: Iterable[Item], *, is_ours: bool) -> date:
    """The day it came: as its path or its item says, else when it was last written."""
    if is_ours and len(source.folders) == 1 and is_day(source.folders[0]):
        return date.fromisoformat(source.folders[0])
    for item in known:
        if item.item_id == own_id:
            return item.received_on
    try:
        return datetime.fromtimestamp(source.mtime_ns / 1e9, tz=UTC).date()
    except (OverflowError, ValueError, OSError):
        return date(1970, 1, 1)
