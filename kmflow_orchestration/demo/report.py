"""Where a group stands: files, tables, profiles, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.metadata.intake_records import Quarantine
from kmflow_orchestration.metadata.profile_records import Anomaly, ProfileRun, Score
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.read_tables import row_counts
from kmflow_orchestration.storage.choose import evidence_folder

WORST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReport:
    """One group after the demo. `score` is in [0, 1], None before anything is profiled."""

    group: GroupId
    files_stored: int
    files_new: int
    duplicates: int
    superseded: int
    quarantined: tuple[Quarantine, ...]
    tables: Mapping[str, int]
    profile_runs: tuple[ProfileRun, ...]
    issues: tuple[Anomaly, ...]
    worst_columns: tuple[Score, ...]
    score: float | None
    places: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {
            "files_stored": self.files_stored,
            "files_new": self.files_new,
            "files_quarantined": len(self.quarantined),
            "quarantined": [
                {"path": one.path, "code": one.code, "why": one.message} for one in self.quarantined
            ],
            "duplicates": self.duplicates,
            "superseded": self.superseded,
            "tables": {name: {"rows": rows} for name, rows in self.tables.items()},
            "profile_runs": [
                {
                    "profile_run_id": run.profile_run_id,
                    "table_group": run.table_group_id,
                    "status": str(run.status),
                    "completed_by": run.completed_by,
                    "score": run.dq_score_profiling,
                }
                for run in self.profile_runs
            ],
            "issues": len(self.issues),
            "worst_columns": [
                {"table": one.table_name, "column": one.column_name, "score": one.score}
                for one in self.worst_columns
            ],
            "score": self.score,
            "places": dict(self.places),
        }


def evidence_items(context: Context, group: GroupId) -> int:
    """Items the group's store ever took in, those quarantined at conversion included."""
    summary = context.ledger.summary(group)
    return summary.items + sum(one.item_id is not None for one in summary.quarantined)


def report_group(context: Context, group: GroupId, *, items_before: int) -> GroupReport:
    """Read everything there is to say about a group."""
    one = context.group(group)
    summary = context.ledger.summary(group)
    latest = [
        run
        for table_group in context.table_groups.all(group)
        if (run := context.profile_runs.latest_completed(group, table_group.table_group_id))
    ]
    scores = [s for run in latest for s in context.findings.scores(group, run.profile_run_id)]
    return GroupReport(
        group=group,
        files_stored=summary.stored,
        files_new=evidence_items(context, group) - items_before,
        duplicates=summary.duplicates,
        superseded=summary.superseded,
        quarantined=summary.quarantined,
        tables=row_counts(group, lakehouse=one.lakehouse, config=one.config),
        profile_runs=tuple(context.profile_runs.latest(group, limit=500)),
        issues=tuple(
            issue
            for run in latest
            for issue in context.findings.anomalies(group, run.profile_run_id)
        ),
        worst_columns=tuple(_worst(scores)),
        score=_group_score(scores),
        places=_places(context, one),
    )


def _places(context: Context, group: GroupContext) -> Mapping[str, str]:
    settings, config = context.settings, group.config
    home = settings.home.resolve()
    names = f"{config.catalog}.{config.schema}, …_bronze, …_silver, …_gold, …_dq"
    if settings.tables_are_local:
        evidence = str(evidence_folder(settings, config))
        tables = f"{names} in {settings.lakehouse_root(group.id)}"
    else:
        evidence = f"{config.volume.text} at {config.workspace_url}"
        tables = f"{names} at {config.workspace_url}"
    return {
        "landing": str(group.landing_root),
        "evidence": evidence,
        "tables": tables,
        "control database": str(home / "control.db"),
        "Dagster instance": str(home / "dagster"),
    }


def _worst(scores: list[Score]) -> list[Score]:
    columns = [s for s in scores if s.scope == "column" and not s.dimension and s.score is not None]
    flawed = [s for s in columns if (s.score or 0) < 1]
    return sorted(flawed, key=lambda s: (s.score or 0, s.table_name, s.column_name))[:WORST]


def _group_score(scores: list[Score]) -> float | None:
    """1 - affected / data points over all table groups (scoring, rule 5)."""
    columns = [s for s in scores if s.scope == "column" and not s.dimension]
    points = sum(s.record_count or 0 for s in columns if s.score is not None)
    affected = sum((1 - s.score) * (s.record_count or 0) for s in columns if s.score is not None)
    return round(1 - affected / points, 4) if points else None
