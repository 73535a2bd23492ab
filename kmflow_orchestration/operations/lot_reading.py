"""Reading a lot: what its files hold, where they would be stored, which of them have to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import KmflowError, UnsafePath
from kmflow_orchestration.intake.claimed_batch import ClaimedBatch, ReadFile
from kmflow_orchestration.intake.decisions import Arrival
from kmflow_orchestration.intake.reading import Content, FileChanged, read_content
from kmflow_orchestration.metadata.intake_records import LandingFile
from kmflow_orchestration.operations.batch_lots import Lot
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageBackend, StorageMetadata

# What a progress callback hears: the stage (read, stored, recorded) and how many files are done.
# It hears of reading in another thread.
OnProgress = Callable[[str, int], None]

# Reading is mostly the interpreter's own work: more threads only take turns.
_READERS = 4


class LotReader:
    """Reads lots of one batch; `evidence` is what to send, by landing path."""

    def __init__(
        self,
        batch: ClaimedBatch,
        store: StorageBackend,
        landing: Path,
        max_size_bytes: int,
        *,
        on_progress: OnProgress,
        clock: Clock,
    ) -> None:
        self.evidence: dict[str, EvidenceFile] = {}
        self._batch = batch
        self._store = store
        self._landing = landing
        self._max_size_bytes = max_size_bytes
        self._on_progress = on_progress
        self._clock = clock
        self._count = 0

    def read(self, lot: Lot) -> None:
        """Read every file of a lot and find out which have to be stored."""

        def attempt(file: LandingFile) -> Content | KmflowError | FileChanged | OSError:
            try:
                return read_content(self._landing, file, max_size_bytes=self._max_size_bytes)
            except (KmflowError, FileChanged, OSError) as error:
                return error

        for file, found in side_by_side(attempt, lot.files, workers=_READERS):
            try:
                if isinstance(found, Exception):
                    lot.refused.append((file, found))
                else:
                    lot.read.append(self._arrived(file, found))
            except UnsafePath as error:
                lot.refused.append((file, error))
            self._count += 1
            self._on_progress("read", self._count)
        lot.read.sort(key=lambda one: one.arrival.order)
        wanted = self._batch.needing_bytes(lot.read)
        if self._batch.is_resumed:
            self._find_stored(lot, wanted)
        lot.want(wanted)

    def _arrived(self, file: LandingFile, content: Content) -> ReadFile:
        arrival = Arrival.of(
            self._batch.group,
            file.engagement_id,
            file.path,
            content_hash=content.content_hash,
            first_seen_at=file.first_seen_at,
        )
        evidence = EvidenceFile(
            source=content.source,
            engagement_id=file.engagement_id,
            received_on=file.received_on,
            item_id=arrival.item_id,
            file_name=arrival.file_name,
            content_hash=arrival.content_hash,
            size_bytes=file.size_bytes,
        )
        place = replace(
            arrival, stored_path=self._store.path_of(evidence), backend=self._store.name
        )
        self.evidence[file.path] = evidence
        return ReadFile(file, place, content.side)

    def _find_stored(self, lot: Lot, wanted: Sequence[ReadFile]) -> None:
        """Find what an earlier run of this batch stored before it died.

        A stored path names the content and a file is whole or absent: there in full size is done.
        """
        now = self._clock.now()
        expected = [
            StorageMetadata(
                file.arrival.stored_path, now, file.arrival.content_hash, file.file.size_bytes
            )
            for file in wanted
        ]
        lot.find(expected, wanted, self._store)
