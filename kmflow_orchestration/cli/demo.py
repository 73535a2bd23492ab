"""`kmflow demo`: two client groups from landing folders to quality scores, on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from kmflow_orchestration.cli.demo_story import run_line, tell
from kmflow_orchestration.cli.output import JsonOption, console, show_json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from kmflow_orchestration.demo.local_daemon import RunOutcome


class DemoBackend(StrEnum):
    """Where evidence and tables go."""

    databricks = "databricks"
    local = "local"
    delta = "delta"


DirOption = Annotated[
    Path | None, typer.Option("--dir", help="Folder of all state (default: KMFLOW_HOME).")
]
BackendOption = Annotated[
    DemoBackend,
    typer.Option(help="The embedded Databricks workspace, or this disk (delta: with history)."),
]


def demo(
    *,
    directory: DirOption = None,
    backend: BackendOption = DemoBackend.databricks,
    as_json: JsonOption = False,
) -> None:
    """Two client groups from landing folders to quality scores; a second run changes nothing."""
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.demo.home import Home
    from kmflow_orchestration.demo.run_demo import run_demo
    from kmflow_orchestration.demo.sandbox import Sandbox

    home = Home.at(directory or load_settings().home)
    with _quiet_logs(), Sandbox(home, backend.value) as sandbox, _Shown() as shown:
        report = run_demo(sandbox, shown.listener)
    if as_json:
        show_json(report.as_json())
    else:
        tell(report, directory=directory)
    if report.failed_runs or not report.settled:
        raise typer.Exit(1)


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """What Dagster logs is in its event storage; here it would bury the story.

    Its loggers are made one a tick, out of reach of a level by name.
    """
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Shown:
    """The demo's progress: the stage under way, and a line for each Dagster run."""

    def __init__(self) -> None:
        from kmflow_orchestration.demo.run_demo import Listener

        self.listener = Listener(stage=self._stage, run=self._run)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console
        )
        self._progress.start()
        return self

    def _stage(self, sentence: str) -> None:
        if self._progress is None:
            return
        if self._task is not None:
            self._progress.update(self._task, total=1, completed=1)
        self._task = self._progress.add_task(sentence, total=None)

    def _run(self, outcome: RunOutcome) -> None:
        if self._progress is None:
            return
        self._progress.console.print(run_line(outcome), soft_wrap=True)
        if not outcome.succeeded:
            self._progress.console.print(f"    {outcome.failure}", style="red", markup=False)

    def __exit__(self, *_error: object) -> None:
        if self._progress is not None:
            if self._task is not None:
                self._progress.update(self._task, total=1, completed=1)
            self._progress.stop()
