"""How far a conversion is: a bar on a terminal, elsewhere a line every five seconds (row D17)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kmflow_orchestration.operations.convert.progress import STEPS, Tell, percent

_LINE_EVERY_S = 5.0


@contextmanager
def conversion_progress(*, quiet: bool) -> Iterator[Tell | None]:
    """What hears of a conversion; None when nothing is to be said."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as tell:
            yield tell
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Tell]:
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from kmflow_orchestration.cli.output import console
    from kmflow_orchestration.redaction import redact

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("convert", total=100)

        def told(stage: str, done: int, total: int, unit: str, message: str) -> None:
            words = escape(redact(f"{stage:7} {message}"))
            if unit == STEPS:
                # Above the bar, where it stays.
                progress.console.print(escape(message))
            progress.update(task, completed=percent(stage, done, total), description=words)

        yield told


def _lines() -> Tell:
    last = time.monotonic()

    def told(stage: str, done: int, total: int, unit: str, message: str) -> None:
        nonlocal last
        from kmflow_orchestration.cli.output import say

        if unit == STEPS:
            say(f"{percent(stage, done, total):3.0f} % {message}")
            return
        if time.monotonic() - last < _LINE_EVERY_S:
            return
        last = time.monotonic()
        say(f"{percent(stage, done, total):3.0f} % {stage} {message}: {done} of {total} {unit}")

    return told
