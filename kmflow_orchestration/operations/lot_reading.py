"""Reading a lot: what its files hold, where they would be stored, which of them have to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import KmflowError, StorageUnavailable, UnsafePath
from kmflow_orchestration.intake.claimed_batch import ClaimedBatch, ReadFile
from kmflow_orchestration.intake.decisions import Arrival
from kmflow_orchestration.intake.landing_places import LandingPlace
from kmflow_orchestration.intake.reading import Content, FileChanged
from kmflow_orchestration.metadata.intake_records import LandingFile
from kmflow_orchestration.operations.batch_lots import Lot
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.storage.interfaces import EvidenceFile, StorageBackend, StorageMetadata

# What a progress callback hears: the stage (read, stored, recorded) and how many files are done.
# It hears of reading in another thread.
OnProgress = Callable[[str, int], None]

# A few rounds of all connections: what is read ahead is soon given out.
_PORTION = 256
# Bytes of a portion that are kept until they are sent; at most three portions are under way.
_KEPT_BYTES = 16 << 20


class LotReader:
    """Reads lots of one batch, and hands out what to send of each file."""

    def __init__(
        self,
        batch: ClaimedBatch,
        store: StorageBackend,
        landing: LandingPlace,
        max_size_bytes: int,
        *,
        on_progress: OnProgress,
        clock: Clock,
    ) -> None:
        self._evidence: dict[str, EvidenceFile] = {}
        self._kept: dict[str, bytes] = {}
        self._batch = batch
        self._store = store
        self._landing = landing
        self._max_size_bytes = max_size_bytes
        self._on_progress = on_progress
        self._clock = clock
        self._count = 0

    def read(self, lot: Lot) -> Iterator[Sequence[ReadFile]]:
        """Read every file of a lot; portion by portion, those that have to be stored.

        The files of a lot are in the order of arrival, so the first of several with one content
        is in the earliest portion. A batch that is taken up again is read in one portion: what is
        stored already is found by one listing.
        """
        seen = set[str]()
        size = len(lot.files) if self._batch.is_resumed else _PORTION
        for start in range(0, len(lot.files), size):
            read = self._read(lot, lot.files[start : start + size])
            wanted = self._batch.needing_bytes(read)
            if self._batch.is_resumed:
                self._find_stored(lot, wanted)
            new = [file for file in wanted if file.arrival.content_hash not in seen]
            seen |= {file.arrival.content_hash for file in read}
            portion = lot.want(new)
            self._forget(read, but=portion)
            lot.is_read = start + size >= len(lot.files)
            yield portion

    def evidence_of(self, file: ReadFile) -> EvidenceFile:
        """What to send of a file that was read; bytes that were kept are handed out once."""
        path = file.file.path
        evidence, kept = self._evidence[path], self._kept.pop(path, None)
        return evidence if kept is None else replace(evidence, content=kept)

    def _forget(self, files: Sequence[ReadFile], *, but: Sequence[ReadFile]) -> None:
        """Drop the kept bytes of files that are not sent."""
        sent = {file.file.path for file in but}
        for file in files:
            if file.file.path not in sent:
                self._kept.pop(file.file.path, None)

    def _read(self, lot: Lot, files: Sequence[LandingFile]) -> list[ReadFile]:
        """Files that could be read, in the order of arrival; the others are the lot's refused."""

        def attempt(file: LandingFile) -> Content | KmflowError | FileChanged | OSError:
            try:
                now, limit = self._clock.now(), self._max_size_bytes
                return self._landing.read(file, max_size_bytes=limit, now=now)
            except (KmflowError, FileChanged, OSError) as error:
                return error

        serial, readers = self._landing.serial_bytes, self._landing.readers
        large = [file for file in files if file.size_bytes > serial]
        small = ((file, attempt(file)) for file in files if file.size_bytes <= serial)
        read, room = list[ReadFile](), _KEPT_BYTES
        for file, found in chain(small, side_by_side(attempt, large, workers=readers)):
            try:
                if isinstance(found, Exception):
                    lot.refused.append((file, found))
                else:
                    read.append(self._arrived(file, found))
                    if found.kept is not None and room >= file.size_bytes:
                        self._kept[file.path] = found.kept
                        room -= file.size_bytes
            except UnsafePath as error:
                lot.refused.append((file, error))
            self._count += 1
            self._on_progress("read", self._count)
        read = self._admitted(lot, read)
        read.sort(key=lambda one: one.arrival.order)
        lot.read += read
        return read

    def _admitted(self, lot: Lot, read: list[ReadFile]) -> list[ReadFile]:
        """Files that may be stored now; an item that is being deleted can come back afterwards."""
        leaving = self._batch.being_deleted(read)
        for file in (one for one in read if one.file.path in leaving):
            self._kept.pop(file.file.path, None)
            reason = "its item is being deleted, and is stored anew once that is finished"
            lot.refused.append((file.file, StorageUnavailable(reason)))
        return [file for file in read if file.file.path not in leaving]

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
            state=content.state,
        )
        place = replace(
            arrival, stored_path=self._store.path_of(evidence), backend=self._store.name
        )
        self._evidence[file.path] = evidence
        return ReadFile(file, place, content.side, content.media_type)

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
