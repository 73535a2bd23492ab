"""Copies that a second backend is owed, and how they get there (row B34, decision 24).

The ledger notes a copy as owed in the transaction that takes its item in, so nothing that happens
afterwards can lose it. A mirror that fails costs nobody anything but the wait.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import KmflowError, StorageUnavailable
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.evidence_rows import EvidenceRow, merge_rows
from kmflow_orchestration.operations.mirrored_files import mirrored_file
from kmflow_orchestration.operations.remove_deleted import drop_rows
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import (
    Lakehouse,
    StorageBackend,
    StorageMetadata,
)
from kmflow_orchestration.storage.whole_files import put_whole
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class MirrorDelivery:
    """What one call brought to a mirror; `problem` is why it stopped, '' when nothing is owed."""

    backend: str
    delivered: int
    problem: str = ""


def deliver_mirror(
    group: GroupId,
    *,
    backend: str,
    register: EvidenceRegister,
    stores: EvidenceStores,
    lakehouse: Callable[[], Lakehouse] | None,
    config: GroupConfig,
    work_dir: Callable[[], Path],
    workers: int,
) -> MirrorDelivery:
    """Copy to a backend whatever it is owed; never raises for what the mirror does.

    Bytes are read from where each item lies, checked against its hash, sent, and confirmed by a
    listing, as new files are; then their metadata rows are written, where the mirror's tables
    are others (`lakehouse`). The first failure ends the call: the rest stays owed.

    Raises:
        MetadataUnavailable: the control database does not answer.
    """
    mirroring = _Mirroring(group, backend, register, stores, lakehouse, config, work_dir, workers)
    count, problem = 0, mirroring.remove_gone()
    while not problem and (owed := register.mirrors.owed(group, backend, _AT_ONCE)):
        brought, problem = mirroring.bring(owed)
        count += brought
    return MirrorDelivery(backend, count, problem)


@dataclass(frozen=True, slots=True)
class _Mirroring:
    """Brings items to one backend."""

    group: GroupId
    backend: str
    register: EvidenceRegister
    stores: EvidenceStores
    lakehouse: Callable[[], Lakehouse] | None
    config: GroupConfig
    work_dir: Callable[[], Path]
    workers: int

    def bring(self, owed: Sequence[Item]) -> tuple[int, str]:
        """How many items are there now, and what went wrong with the others."""
        copies: dict[str, StorageMetadata] = {}
        refused: dict[str, Exception] = {}
        try:
            store = self.stores.of(self.backend)
            # One alone first: a mirror that is away keeps nobody waiting for each of them.
            for some in (owed[:1], owed[1:]):
                for item, outcome in side_by_side(self._copying(store), some, workers=self.workers):
                    if isinstance(outcome, Exception):
                        refused[item.item_id] = outcome
                    else:
                        copies[item.item_id] = outcome
                if refused:
                    break
            there = store.confirm(list(copies.values())) if copies else frozenset()
            paths = {key: one.path for key, one in copies.items() if one.path in there}
            if len(paths) < len(copies):
                lost = next(key for key in copies if key not in paths)
                refused[lost] = StorageUnavailable(
                    f"{copies[lost].path}: stored, but not there afterwards"
                )
            self._write_rows(
                [(item, paths[item.item_id]) for item in owed if item.item_id in paths]
            )
        except KmflowError as error:
            self._fail(owed[:1], error)
            return 0, _told(error)
        # Of an item that somebody deleted while it was on its way, nothing may stay behind.
        overtaken = self.register.mirrors.delivered(self.group, self.backend, paths)
        problem = self._remove_copies(overtaken)
        for item in owed:
            if item.item_id in refused:
                self._fail([item], refused[item.item_id])
        return len(paths), "".join([_told(error) for error in refused.values()][:1]) or problem

    def remove_gone(self) -> str:
        """Rows and copies of deleted items go from the mirror; why they could not, '' if they did.

        Whoever deleted an item while the mirror was away, or a copy was on its way to it, could
        not remove that copy.
        """
        gone = self.register.mirrors.of_gone(self.group, self.backend)
        if not gone:
            return ""
        try:
            if self.lakehouse is not None:
                drop_rows(gone, lakehouse=self.lakehouse(), config=self.config)
        except KmflowError as error:
            return _told(error)
        return self._remove_copies(gone)

    def _remove_copies(self, gone: Sequence[Item]) -> str:
        # Where the file is another item's, too, its line says that there is a copy to remove.
        free = [one for one in gone if not self.register.holds_bytes(self.group, one)]
        if not free:
            return ""
        try:
            store = self.stores.of(self.backend)
            for one in free:
                store.delete(store.path_of(mirrored_file(one)))
        except (KmflowError, OSError) as error:
            return _told(error)
        self.register.mirrors.forget(self.group, self.backend, [one.item_id for one in free])
        return ""

    def _copying(
        self, store: StorageBackend
    ) -> Callable[[Item], StorageMetadata | KmflowError | OSError]:
        def copy(item: Item) -> StorageMetadata | KmflowError | OSError:
            try:
                return self._copied(item, store)
            except (KmflowError, OSError) as error:
                return error

        return copy

    def _copied(self, item: Item, store: StorageBackend) -> StorageMetadata:
        with tempfile.TemporaryDirectory(dir=self.work_dir()) as folder:
            copy = Path(folder, "copy")
            file = mirrored_file(item, copy)
            with self.stores.of(item.backend).open_read(item.stored_path) as stream:
                is_right = put_whole(
                    copy,
                    stream,
                    size_bytes=item.size_bytes,
                    is_right=lambda found: found == item.content_hash,
                )
            if not is_right:
                raise StorageUnavailable(
                    f"{item.stored_path} does not hold what was stored",
                    hint="restore the file, or drop it into landing again under another name",
                )
            return store.write_from(file)

    def _write_rows(self, brought: Sequence[tuple[Item, str]]) -> None:
        if self.lakehouse is None or not brought:
            return
        lakehouse = self.lakehouse()
        table = self.config.namespace.base(EVIDENCE_METADATA.name)
        lakehouse.ensure_table(table, EVIDENCE_METADATA)
        rows = [EvidenceRow.of_item(item, path) for item, path in brought]
        merge_rows(self.group, rows, lakehouse=lakehouse, config=self.config)

    def _fail(self, items: Sequence[Item], error: Exception) -> None:
        ids = [item.item_id for item in items]
        self.register.mirrors.failed(self.group, self.backend, ids, _told(error))


def _told(error: Exception) -> str:
    return f"[{error.code}] {error}" if isinstance(error, KmflowError) else str(error)
