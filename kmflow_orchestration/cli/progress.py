"""A bar for work that takes long, on a terminal only: what is piped or logged stays clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def file_progress(title: str) -> Iterator[Callable[[int, int, int], None] | None]:
    """What hears of files and bytes done, and of how many files; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.filesize import decimal
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from kmflow_orchestration.cli.output import console

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def told(files: int, size_bytes: int, of_files: int) -> None:
            words = f"{title}: {files} of {of_files} files, {decimal(size_bytes)}"
            progress.update(task, completed=files, total=of_files, description=words)

        yield told


@contextmanager
def byte_progress(title: str, size_bytes: int) -> Iterator[Callable[[int], None] | None]:
    """What hears of the bytes that are done with; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    from kmflow_orchestration.cli.output import console

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=size_bytes)
        yield lambda done: progress.update(task, completed=done)
