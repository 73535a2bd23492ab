"""A bar for work that takes long, on a terminal only: what is piped or logged stays clean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def file_progress(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """What hears of files and bytes done; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.filesize import decimal
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from kmflow_orchestration.cli.output import console

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def told(files: int, size_bytes: int) -> None:
            progress.update(task, description=f"{title}: {files} files, {decimal(size_bytes)}")

        yield told
