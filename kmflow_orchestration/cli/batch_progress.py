"""How far a batch is: bars on a terminal, elsewhere a line every five seconds (row D17)."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kmflow_orchestration.cli.output import console, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome

_LINE_EVERY_S = 5.0
# Files under way that get a bar of their own.
_MOST_BARS = 8


@contextmanager
def batch_progress(files: int, *, quiet: bool) -> Iterator[dict[str, Any]]:
    """What hears of a batch, as `convert_folder` takes it."""
    if quiet:
        yield {}
    elif sys.stderr.isatty():
        with _display() as progress:
            yield _hearing(_Bars(progress, files))
    else:
        yield _hearing(_Lines())


def _hearing(display: _Bars | _Lines) -> dict[str, Any]:
    return {"on_file": display.on_file, "underway": display.underway}


def _display() -> Progress:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", table_column=Column(no_wrap=True, ratio=2)),
        BarColumn(bar_width=None, table_column=Column(ratio=2)),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}", table_column=Column(no_wrap=True, ratio=3)),
        console=console,
        transient=True,
        expand=True,
    )


@dataclass
class _Bars:
    """A bar for the whole and one for each file under way; told from many threads."""

    progress: Progress
    files: int
    _counts: Counter[str] = field(default_factory=Counter)
    _tasks: dict[str, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._whole = self.progress.add_task(_plain("all files"), total=self.files, what="")

    def underway(self, path: str, reached: float, what: str) -> None:
        with self._lock:
            if path not in self._tasks:
                if len(self._tasks) >= _MOST_BARS:
                    return
                self._tasks[path] = self.progress.add_task(_plain(path), total=100, what="")
            self.progress.update(self._tasks[path], completed=reached, what=_plain(what))

    def on_file(self, done: int, of_files: int, last: FileOutcome) -> None:
        with self._lock:
            if last.path in self._tasks:
                self.progress.remove_task(self._tasks.pop(last.path))
            self._counts[last.status.value] += 1
            told = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
            self.progress.update(self._whole, completed=done, total=of_files, what=told)


def _plain(text: str) -> str:
    from rich.markup import escape

    from kmflow_orchestration.redaction import redact

    return escape(redact(text))


@dataclass
class _Lines:
    """A line in a log, not too often."""

    _last: float = field(default_factory=time.monotonic)

    def underway(self, path: str, reached: float, what: str) -> None:
        """A long file says so, too."""
        if self._is_due():
            say(f"{path}: {reached:3.0f} % {what}")

    def on_file(self, done: int, of_files: int, last: FileOutcome) -> None:
        if self._is_due():
            say(f"{done} of {of_files} files, the last {last.path}: {last.status}")

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last < _LINE_EVERY_S:
            return False
        self._last = now
        return True
