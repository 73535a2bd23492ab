"""A folder of files, each converted for itself: one that fails stops no other (row D13)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.errors import (
    AccessRefused,
    CredentialRefused,
    TokenExpired,
    UnsafePath,
)
from kmflow_orchestration.operations.convert.apart import limit_error
from kmflow_orchestration.operations.convert.contained_files import (
    ContainedOutcome,
    convert_contained,
)
from kmflow_orchestration.operations.convert.convert_file import Conversion, convert_file
from kmflow_orchestration.operations.convert.drift import NEW_VERSION, WIDEN
from kmflow_orchestration.operations.convert.earlier_results import earlier_results
from kmflow_orchestration.operations.convert.file_outcomes import (
    FileOutcome,
    FolderOutcome,
    Status,
    failed_with,
)
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan, PlannedFile
from kmflow_orchestration.operations.convert.layout import contained_folder
from kmflow_orchestration.operations.convert.lock_keeping import holds
from kmflow_orchestration.operations.convert.one_process import (
    Limits,
    OneProcess,
    ProcessDied,
)
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.progress import STEPS, Heard, Progress, Tell, percent
from kmflow_orchestration.operations.convert.schema_lock import lock_file_of, read_lock
from kmflow_orchestration.operations.convert.work_folder import remove_left


@dataclass(frozen=True, slots=True)
class FileTask:
    """What a worker needs of one file; goes to another process."""

    planned: PlannedFile
    options: ConversionOptions
    resume: bool
    dry_run: bool
    work_key: str = field(default_factory=lambda: uuid4().hex)


Told = Callable[[int, int, FileOutcome], None]
"""Hears how many files of how many are done, and what became of the last."""

Underway = Callable[[str, float, str], None]
"""Hears how far, from 0 to 100, a file is by its path, and what is done with it."""

Run = Callable[[FileTask], FileOutcome]
"""Converts one file of this machine in a process of its own."""


class Carrier(Protocol):
    """Brings files that lie elsewhere to the process that converts them, and results back."""

    def carry(self, task: FileTask, run: Run) -> FileOutcome:
        """One file with all that is done around it, in a thread of its own.

        Raises:
            CredentialRefused, TokenExpired: no other file would fare better.
        """
        ...

    def interrupt(self) -> None:
        """What is under way ends early and cleans up behind itself. From any thread."""
        ...


class OnThisMachine:
    """Nothing is to be carried."""

    def carry(self, task: FileTask, run: Run) -> FileOutcome:
        return run(task)

    def interrupt(self) -> None:
        pass


def convert_folder(
    plan: FolderPlan,
    options: ConversionOptions | None = None,
    *,
    parallel: int = 4,
    resume: bool = True,
    stop_on_error: bool = False,
    dry_run: bool = False,
    limits: Limits | None = None,
    on_file: Told = lambda *_: None,
    underway: Underway | None = None,
    clock: Clock | None = None,
    carrier: Carrier | None = None,
) -> FolderOutcome:
    """Convert a folder's files side by side, each in a process that may die for it alone.

    With `resume` a file that was converted before and is as it was is left alone, and one that
    has changed since replaces its own result. A fault of one file is its outcome; Ctrl-C ends the
    batch, and a later one goes on where it stopped.
    """
    chosen = options or ConversionOptions()
    batch = _Batch(
        [FileTask(one, chosen, resume, dry_run) for one in plan.files],
        limits or Limits(),
        stop_on_error,
        on_file,
        clock or SystemClock(),
        underway=underway,
        carrier=carrier or OnThisMachine(),
    )
    return FolderOutcome.of(plan, batch.run(1 if _moves_one_lock(chosen) else parallel))


def _moves_one_lock(options: ConversionOptions) -> bool:
    """Whether files may move a lock that all of them share: then their order decides, not speed."""
    if not options.schema_lock:
        return False
    return options.on_drift in {WIDEN, NEW_VERSION} or not Path(options.schema_lock).exists()


class _Batch:
    """Files shared out among processes, each of which has a thread that waits for it."""

    def __init__(
        self,
        tasks: Sequence[FileTask],
        limits: Limits,
        stop_on_error: bool,
        on_file: Told,
        clock: Clock,
        *,
        underway: Underway | None,
        carrier: Carrier,
    ) -> None:
        self._tasks = tasks
        self._limits = limits
        self._stop_on_error = stop_on_error
        self._on_file, self._underway = Heard(on_file), underway
        self._clock = clock
        self._carrier = carrier
        self._outcomes: dict[int, FileOutcome] = {}
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._waiting = iter(range(len(tasks)))

    def run(self, parallel: int) -> list[FileOutcome]:
        """Outcomes in the order of the tasks."""
        workers = max(1, min(parallel, len(self._tasks)))
        processes = [OneProcess(self._limits) for _ in range(workers)]
        with ThreadPoolExecutor(workers) as threads:
            try:
                # Consumed, so that a fault of ours is raised here.
                list(threads.map(self._work, processes))
            except BaseException as error:
                self._stop.set()
                for process in processes:
                    process.interrupt()
                self._carrier.interrupt()
                if isinstance(error, CredentialRefused | TokenExpired):
                    raise self._not_signed_in(error) from error
                raise
        return [
            self._outcomes.get(at) or FileOutcome(task.planned.path, Status.NOT_TRIED)
            for at, task in enumerate(self._tasks)
        ]

    def _not_signed_in(self, error: AccessRefused) -> AccessRefused:
        good = {Status.CONVERTED, Status.UNCHANGED}
        done = sum(one.status in good for one in self._outcomes.values())
        far = f"{done} of {len(self._tasks)} files done, rerun to continue"
        over = f"token expired; {far}: " if isinstance(error, TokenExpired) else f"{far}: "
        return type(error)(f"{over}{error.message}", hint="sign in anew, then run the same again")

    def _work(self, process: OneProcess) -> None:
        with process:
            while (at := self._next()) is not None:
                outcome = self._outcome(process, self._tasks[at])
                if self._stop_on_error and outcome.status is Status.FAILED:
                    self._stop.set()
                with self._lock:
                    self._outcomes[at] = outcome
                    self._on_file(len(self._outcomes), len(self._tasks), outcome)

    def _next(self) -> int | None:
        with self._lock:
            return None if self._stop.is_set() else next(self._waiting, None)

    def _outcome(self, process: OneProcess, task: FileTask) -> FileOutcome:
        planned = task.planned
        if planned.problem:
            return failed_with(planned.path, UnsafePath(f"{planned.path} is {planned.problem}"))
        begun = self._clock.monotonic()
        outcome = self._carrier.carry(task, lambda one: self._converted(process, one))
        return replace(outcome, seconds=round(self._clock.monotonic() - begun, 3))

    def _converted(self, process: OneProcess, task: FileTask) -> FileOutcome:
        planned = task.planned
        path = planned.path
        try:
            outcome: FileOutcome = process.run(convert_task, task, hear=self._telling(path))
        except (MemoryError, ProcessDied) as error:
            outcome = failed_with(path, limit_error(error, path, self._limits))
        # Nothing that is wrong with one file, nor a fault of ours, ends the others' conversion.
        except Exception as error:  # noqa: BLE001
            outcome = failed_with(path, error)
        finally:
            remove_left(planned.folder, task.work_key, contained_folder(planned.base))
        return outcome

    def _telling(self, path: str) -> Tell | None:
        """What hears of one file, in the thread that waits for it."""
        underway = self._underway
        if underway is None:
            return None

        def tell(stage: str, done: int, total: int, unit: str, message: str) -> None:
            what = f"{stage} {done:,} {unit}" if unit == "rows" else stage
            if unit == STEPS:
                what = message
            underway(path, percent(stage, done, total), what)

        return Progress(tell).at


def convert_task(task: FileTask, tell: Tell | None = None) -> FileOutcome:
    """One file, in the process that is its own. Raises as `convert_file` does."""
    planned, options = task.planned, task.options
    lock_file = lock_file_of(options, planned.base)
    lock = read_lock(lock_file) if lock_file is not None else None
    versions = len(lock.versions) if lock is not None else 1
    earlier = list(earlier_results(planned, options, versions=versions)) if task.resume else []
    for one in earlier:
        if one.is_current(planned.source, options) and (
            lock_file is None or holds(lock, one.manifest)
        ):
            # The files inside it may not all have been converted, or not be there any more.
            kept = one.as_conversion(planned, is_dry_run=task.dry_run)
            inner = convert_contained(kept, options, work_key=task.work_key)
            return _told(planned.path, Status.UNCHANGED, kept, inner)
    done = convert_file(
        planned.source,
        # With its end it is a folder, whatever it is called.
        f"{planned.folder}/",
        replace(options, force=True) if earlier and lock_file is None else options,
        tell=tell,
        dry_run=task.dry_run,
        stem=planned.stem,
        keep_equal=task.resume,
        work_key=task.work_key,
        recorded_source=planned.recorded,
        replace_own=task.resume and lock_file is not None and not options.force,
    )
    for one in earlier:
        # Results of other versions stay.
        if one.manifest.version == done.manifest.version and not task.dry_run:
            one.remove_unless(done)
    status = Status.PLANNED if task.dry_run else Status.CONVERTED
    inner = convert_contained(done, options, work_key=task.work_key)
    return replace(_told(planned.path, status, done, inner), drift=done.manifest.drift)


def _told(
    path: str, status: Status, done: Conversion, inner: Sequence[ContainedOutcome]
) -> FileOutcome:
    return FileOutcome.of_result(
        path,
        status,
        asdict(done.manifest),
        outputs=(*map(str, done.outputs), *(output for one in inner for output in one.outputs)),
        rows=done.rows,
        missed=(*done.missed, *filter(None, (one.problem for one in inner))),
    )
