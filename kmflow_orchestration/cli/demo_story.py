"""What a person reads of a demo: what came in, what did not and why, its worth, its places."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from kmflow_orchestration.cli.output import answer, show_rows

if TYPE_CHECKING:
    from kmflow_orchestration.demo.local_daemon import RunOutcome
    from kmflow_orchestration.demo.report import GroupReport
    from kmflow_orchestration.demo.run_demo import DemoReport
    from kmflow_orchestration.metadata.profile_records import Anomaly, ProfileRun

# What a quarantine code means to somebody who sees it for the first time.
WHY = {
    "bad_name": "its folder or file name is no valid name",
    "corrupt": "it is damaged: nothing could be read from it",
    "empty": "it is empty",
    "encrypted": "it is protected by a password",
    "no_engagement": "it lies above any engagement folder",
    "no_header": "it holds no value",
    "path_trick": "it is a link out of the group's landing folder",
    "too_large": "it is larger than MAX_UPLOAD_SIZE_MB",
    "unknown_type": "its content is of no known type",
    "unreadable": "it may not be read",
}
# What the steps of a run do, in the order they do it; runs are named by their first step.
_DEEDS = {
    "evidence_files": "files stored, described and turned into tables",
    "bronze_evidence": "files described and turned into tables",
    "bronze_datasets": "files turned into tables",
    "silver_evidence_fragments": "text cut into fragments, files scored",
    "silver_quality_events": "files scored",
    "gold_quality_score_history": "scores added to the history",
    "profile_run": "profiling job handed to the workspace",
    "profile_results": "profile taken over: issues and scores",
}


def run_line(outcome: RunOutcome) -> str:
    """One Dagster run as a line."""
    mark = "[green]✓[/green]" if outcome.succeeded else "[red]✗[/red]"
    deed = _DEEDS.get(outcome.assets[0], ", ".join(outcome.assets)) if outcome.assets else ""
    where = outcome.partition.replace("|", " ")
    return f"  {mark} {escape(where.ljust(26))} {deed}"


def tell(report: DemoReport, *, directory: Path | None = None) -> None:
    """Everything, group by group, and what to try next; `directory` as it was given, if it was."""
    for group in report.groups:
        _tell_group(group)
    answer.print()
    answer.rule("[bold]What now[/bold]", align="left")
    if report.failed_runs:
        answer.print(f"[red]{len(report.failed_runs)} Dagster runs failed; see above.[/red]")
    if not report.settled:
        answer.print("[red]Not everything was over in time: run the demo again to go on.[/red]")
    answer.print(f"{len(report.runs)} Dagster runs in {report.seconds:.0f} s. What to try next:")
    answer.print("  • run the demo again: nothing new is stored and no table changes")
    answer.print("  • change or add a file in a landing folder, then run it again")
    dev, show = "`make dev` (`kmflow dev`)", "`kmflow group show acme`"
    if directory is not None:
        home = shlex.quote(str(directory))
        dev, show = f"`kmflow dev --dir {home}`", f"`KMFLOW_HOME={home} kmflow group show acme`"
    answer.print(f"  • {dev} shows the same live in the Dagster UI", soft_wrap=True, markup=False)
    answer.print(
        f"  • {show} prints what a group's settings look like", soft_wrap=True, markup=False
    )


def _tell_group(group: GroupReport) -> None:
    answer.print()
    answer.rule(f"[bold]{group.group}[/bold]", align="left")
    new = f"stored {group.files_new} of them" if group.files_new else "stored nothing new"
    answer.print(
        f"[bold]{group.files_stored}[/bold] files are stored and current,"
        f" {group.superseded} superseded by newer content, {group.duplicates} copies of others,"
        f" {len(group.quarantined)} quarantined. This run {new}."
    )
    if group.quarantined:
        rows = [(one.path, one.code, WHY.get(one.code, one.message)) for one in group.quarantined]
        show_rows("Quarantined", ("file", "code", "why"), rows)
    _tell_tables(group.tables)
    show_rows(
        "Profile runs, newest first",
        ("table group", "status", "told by", "columns", "score"),
        [_profile_row(run) for run in group.profile_runs],
    )
    show_rows(
        "Worst columns",
        ("table", "column", "score", "issues"),
        [
            (
                one.table_name,
                one.column_name,
                percent(one.score),
                _issue_names(group.issues, one.table_name, one.column_name),
            )
            for one in group.worst_columns
        ],
    )
    answer.print(
        f"{len(group.issues)} issues in the latest profiles;"
        f" quality score [bold]{percent(group.score)}[/bold]"
    )
    for name, place in group.places.items():
        answer.print(f"  {name.ljust(16)} {place}", soft_wrap=True, markup=False)


def _tell_tables(tables: Mapping[str, int]) -> None:
    filled = [(name, f"{rows:,}") for name, rows in tables.items() if rows]
    empty = len(tables) - len(filled)
    show_rows("Tables with rows", ("table", "rows"), filled)
    if empty:
        answer.print(f"and {empty} tables that are made and still empty", style="dim")


def _profile_row(run: ProfileRun) -> tuple[object, ...]:
    score = percent(run.dq_score_profiling)
    return run.table_group_id, run.status, run.completed_by, run.column_count, score


def _issue_names(issues: Iterable[Anomaly], table: str, column: str) -> str:
    here = [one for one in issues if (one.table_name, one.column_name) == (table, column)]
    return ", ".join(sorted({one.anomaly_type for one in here}))


def percent(score: float | None) -> str:
    """A share as people read it; nothing for none."""
    return "" if score is None else f"{score:.2%}"
