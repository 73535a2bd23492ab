"""`kmflow demo`: two client groups from landing folders to quality scores, on this machine."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from kmflow_orchestration.cli.output import JsonOption, answer, console, show_json, show_rows

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from kmflow_orchestration.demo.local_daemon import RunOutcome
    from kmflow_orchestration.demo.report import GroupReport
    from kmflow_orchestration.demo.run_demo import DemoReport


class DemoBackend(StrEnum):
    """Where evidence and tables go."""

    databricks = "databricks"
    local = "local"


DirOption = Annotated[
    Path | None, typer.Option("--dir", help="Folder of all state (default: KMFLOW_HOME).")
]
BackendOption = Annotated[
    DemoBackend, typer.Option(help="The embedded Databricks workspace, or local disk alone.")
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

    # Dagster's own log is in its event storage; here it would bury the story.
    logging.getLogger("dagster").setLevel(logging.ERROR)
    home = Home.at(directory or load_settings().home)
    with Sandbox(home, backend.value) as sandbox, _Shown() as shown:
        report = run_demo(sandbox, shown.listener)
    if as_json:
        show_json(report.as_json())
    else:
        _tell(report)
    if report.failed_runs:
        raise typer.Exit(1)


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
        mark = "[green]✓[/green]" if outcome.succeeded else "[red]✗[/red]"
        self._progress.console.print(f"  {mark} {outcome.partition}  {', '.join(outcome.assets)}")
        if not outcome.succeeded:
            self._progress.console.print(f"    {outcome.failure}", style="red", markup=False)

    def __exit__(self, *_error: object) -> None:
        if self._progress is not None:
            if self._task is not None:
                self._progress.update(self._task, total=1, completed=1)
            self._progress.stop()


def _tell(report: DemoReport) -> None:
    for group in report.groups:
        _tell_group(group)
    answer.print(
        f"\n{len(report.runs)} Dagster runs in {report.seconds:.0f} s."
        " What to try next: `make dev`, drop a file into a landing folder, see it arrive;"
        " run the demo again: nothing new is stored and no table changes."
    )


def _tell_group(group: GroupReport) -> None:
    answer.rule(f"[bold]{group.group}[/bold]")
    answer.print(
        f"{group.files_stored} files stored ({group.files_new} new), {group.duplicates} duplicates,"
        f" {group.superseded} superseded, {len(group.quarantined)} quarantined"
    )
    if group.quarantined:
        show_rows("Quarantined", ("file", "why"), group.quarantined)
    filled = [(name, rows) for name, rows in group.tables.items() if rows]
    show_rows("Tables with rows", ("table", "rows"), filled)
    show_rows(
        "Profile runs",
        ("table group", "status", "told by", "columns", "score"),
        [
            (r.table_group_id, r.status, r.completed_by, r.column_count, r.dq_score_profiling)
            for r in group.profile_runs
        ],
    )
    show_rows(
        "Worst columns",
        ("table", "column", "score"),
        [(one.table_name, one.column_name, one.score) for one in group.worst_columns],
    )
    answer.print(f"{len(group.issues)} issues; quality score [bold]{group.score}[/bold]")
    for name, place in group.places.items():
        answer.print(f"  {name}: {place}", markup=False, soft_wrap=True)
