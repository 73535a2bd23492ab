"""Stored evidence into typed staging files, each file in a process that may die for it alone."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.private_folder import clear_leftovers
from kmflow_orchestration.converters.progress_note import ProgressNote
from kmflow_orchestration.converters.staging import (
    ConvertedItem,
    Outcome,
    ReadsOtherwise,
    StagingTask,
    Types,
    quarantined,
    stage_item,
)
from kmflow_orchestration.errors import BackendUnreachable, StorageUnavailable
from kmflow_orchestration.metadata.intake_records import Item
from kmflow_orchestration.operations.convert.progress import Heard
from kmflow_orchestration.operations.converter_processes import converter_pool
from kmflow_orchestration.storage.disk_faults import HINT, disk_faults
from kmflow_orchestration.storage.evidence_stores import StoredFiles

CRASHED = "converter_crashed"
UNREACHABLE = "unreachable"
_COPY_BYTES = 1 << 20
_TELL_AFTER_S = 5.0
# A file of hours is told of a few dozen times, not thousands.
_TELL_SELDOM_S = 300.0
# Downloads wait for the network while the processes compute.
_DOWNLOADS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A stored file to convert; `types` asks for wider types than its own facts would give.

    `reading` is what somebody said about how it is to be read.
    """

    item_id: str
    file_name: str
    stored_path: str
    backend: str
    media_type: str = ""
    types: Types = field(default_factory=dict)
    reading: ReadsOtherwise | None = None

    @classmethod
    def of(cls, item: Item, reading: ReadsOtherwise | None, types: Types | None = None) -> Self:
        """The stored file of an item."""
        return cls(
            item.item_id,
            item.file_name,
            item.stored_path,
            item.backend,
            item.media_type,
            types=types or {},
            reading=reading,
        )


OnProgress = Callable[[str, str], None]
"""Hears the name of a file that takes long, and how far it is."""


class Convert(Protocol):
    """`convert_items` of stored files that are known already."""

    def __call__(
        self, sources: Sequence[StoredSource], *, work_dir: Path
    ) -> dict[str, ConvertedItem]: ...


def convert_items(
    sources: Sequence[StoredSource],
    stored: StoredFiles,
    *,
    workers: int,
    work_dir: Path,
    on_progress: OnProgress | None = None,
    tell_after_s: float = _TELL_AFTER_S,
) -> dict[str, ConvertedItem]:
    """Convert stored files side by side, by item id; staging files lie below `work_dir`.

    A file that cannot be converted, that kills its process, or whose backend of earlier days is
    away is that item's outcome alone. With `workers` 0 the work is done in this process, without
    that protection, and nothing is told meanwhile.
    `on_progress` hears of a file after `tell_after_s` seconds, after twice as many more, and so on.

    Raises:
        StorageUnavailable: bytes in the active backend could not be read, or staging files not be
            written.
    """
    clear_leftovers()
    with disk_faults(work_dir):
        work_dir.mkdir(parents=True, exist_ok=True)
    awaiting = _Awaiting(on_progress, tell_after_s)
    fetching = _Fetching(stored, work_dir)
    done: dict[str, ConvertedItem] = {}
    waiting = list(sources)
    if workers == 0:
        return {source.item_id: _here(fetching, source) for source in waiting}
    while waiting:
        round_done, suspects = _round(fetching, waiting, workers, awaiting)
        done.update(round_done)
        # One of these killed the pool: each gets a pool of its own, to show which.
        for source in suspects:
            done[source.item_id] = _alone(fetching, source, awaiting)
        waiting = [source for source in waiting if source.item_id not in done]
    return done


@dataclass(frozen=True, slots=True)
class _Fetching:
    """Stored bytes as local files, each for as long as it is converted."""

    stored: StoredFiles
    work_dir: Path

    @contextmanager
    def task(self, source: StoredSource) -> Iterator[StagingTask]:
        folder = self.work_dir / source.item_id
        # The name came from outside: the copy takes none of it.
        local = folder / "source"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The copy first: only what reads the store may fail inside its stream.
            with (
                local.open("wb") as copy,
                self.stored.open_read(source.backend, source.stored_path) as stream,
            ):
                shutil.copyfileobj(stream, copy, _COPY_BYTES)
            found = Source(local, source.file_name, source.media_type)
            note = ProgressNote.begun(folder / "progress")
            yield StagingTask(source.item_id, found, folder, source.types, source.reading, note)
        except OSError as error:
            raise StorageUnavailable(
                f"{source.stored_path} cannot be converted now: {error}", hint=HINT
            ) from error
        finally:
            with suppress(OSError):
                local.unlink(missing_ok=True)


class _Awaiting:
    """Waits for files in other processes, and tells of those that take long."""

    def __init__(self, on_progress: OnProgress | None, tell_after_s: float) -> None:
        self._is_heard = on_progress is not None
        self._hear, self._lock = Heard(on_progress), threading.Lock()
        self._tell_after_s = tell_after_s

    def result(self, future: Future[ConvertedItem], task: StagingTask) -> ConvertedItem:
        """Raises as `stage_item` does, and BrokenProcessPool."""
        pause = self._tell_after_s
        while self._is_heard and not wait([future], timeout=pause).done:
            pause = min(2 * pause, _TELL_SELDOM_S)
            words = task.note.read() if task.note is not None else ""
            with self._lock:
                self._hear(task.source.file_name, words or "no word of it yet")
        return future.result()


def _here(fetching: _Fetching, source: StoredSource) -> ConvertedItem:
    try:
        with fetching.task(source) as task:
            return stage_item(task)
    except BackendUnreachable as error:
        return _unreachable(source, error)


def _round(
    fetching: _Fetching, sources: Sequence[StoredSource], workers: int, awaiting: _Awaiting
) -> tuple[dict[str, ConvertedItem], list[StoredSource]]:
    """Outcomes, and the sources that were under way when a process died."""
    done: dict[str, ConvertedItem] = {}
    suspects: list[StoredSource] = []
    with (
        converter_pool(min(workers, len(sources))) as pool,
        ThreadPoolExecutor(workers * _DOWNLOADS_PER_WORKER) as threads,
    ):

        def convert(source: StoredSource) -> None:
            with fetching.task(source) as task:
                try:
                    future = pool.submit(stage_item, task)
                except BrokenProcessPool:
                    return
                try:
                    done[source.item_id] = awaiting.result(future, task)
                except BrokenProcessPool:
                    suspects.append(source)

        def work(source: StoredSource) -> None:
            try:
                convert(source)
            except BackendUnreachable as error:
                done[source.item_id] = _unreachable(source, error)

        # Consumed, so that a fault of the disk or the network is raised here.
        list(threads.map(work, sources))
    return done, suspects


def _alone(fetching: _Fetching, source: StoredSource, awaiting: _Awaiting) -> ConvertedItem:
    try:
        with converter_pool(1) as pool, fetching.task(source) as task:
            return awaiting.result(pool.submit(stage_item, task), task)
    except BrokenProcessPool:
        return quarantined(source.item_id, CRASHED, "the process that converted this file died")
    except BackendUnreachable as error:
        return _unreachable(source, error)


def _unreachable(source: StoredSource, error: BackendUnreachable) -> ConvertedItem:
    return ConvertedItem(
        source.item_id, Outcome.UNREACHABLE, code=UNREACHABLE, message=error.reason
    )
