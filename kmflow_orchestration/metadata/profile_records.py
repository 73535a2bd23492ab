"""What the profiling repositories hand out and take in: frozen records, no sessions behind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from kmflow_orchestration.identity import anomaly_id
from kmflow_orchestration.metadata.run_status import RunEnd, RunStatus
from kmflow_orchestration.names import GroupId, TableGroupId
from kmflow_orchestration.redaction import redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class TableGroup:
    """Tables profiled together. Masks are comma-separated patterns over table names (row E23)."""

    group_id: GroupId
    table_group_id: TableGroupId
    name: str
    schema_name: str
    created_at: datetime
    engagement_id: str | None = None
    include_mask: str = ""
    exclude_mask: str = ""
    is_active: bool = True
    cron: str = ""
    time_zone: str = "UTC"
    last_tick_at: datetime | None = None
    profiling_job_id: str | None = None
    profiling_job_settings_hash: str | None = None
    profiling_job_updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfiledTable:
    """A table of a table group, and when its rows last changed."""

    group_id: GroupId
    table_group_id: TableGroupId
    schema_name: str
    table_name: str
    changed_at: datetime
    changed_batch_id: str | None = None
    row_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRun:
    """One profile run (row E20)."""

    profile_run_id: str
    group_id: GroupId
    table_group_id: TableGroupId
    status: RunStatus
    created_at: datetime
    updated_at: datetime
    deadline_at: datetime
    timeout_seconds: int
    started_at: datetime | None = None
    completed_at: datetime | None = None
    ended_at: datetime | None = None
    next_poll_at: datetime | None = None
    last_polled_at: datetime | None = None
    materialized_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    poll_count: int = 0
    unknown_polls: int = 0
    attempt: int = 1
    row_count: int | None = None
    table_count: int | None = None
    column_count: int | None = None
    anomaly_count: int | None = None
    payload_path: str | None = None
    payload_sha256: str | None = None
    completion_sha256: str | None = None
    databricks_job_id: str | None = None
    databricks_run_id: str | None = None
    run_page_url: str | None = None
    profile_mode: str | None = None
    profile_version: str | None = None
    dq_score_profiling: float | None = None
    dq_score_testing: float | None = None
    error_message: str | None = None
    failure_class: str | None = None
    databricks_state: str | None = None
    termination_code: str | None = None
    completed_by: str | None = None
    trigger_source: str | None = None
    partition_key: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def end(self) -> RunEnd:
        return RunEnd(self.status, self.failure_class or "", self.completed_by or "")


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One change of a run's status; `from_status` is None for the first."""

    from_status: RunStatus | None
    to_status: RunStatus
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """An issue a run found. `column_name` is '' for an issue of the table itself.

    `anomaly_type_id` is the rule's number as text (`1006`), `anomaly_type` its name; `prevalence`
    and `risk_factor` are shares from 0 to 1; `disposition` is '' until a person decides.
    """

    schema_name: str
    table_name: str
    column_name: str
    anomaly_type_id: str
    anomaly_type: str = ""
    severity: str = ""
    likelihood: str = ""
    priority: str = ""
    description: str = ""
    detail: str = ""
    dimension: str = ""
    impact_dimension: str = ""
    prevalence: float | None = None
    risk_factor: float | None = None
    detected_at: datetime | None = None
    disposition: str = ""

    def id_in(self, profile_run_id: str) -> str:
        """The same issue of the same run always has this id (row E30)."""
        return anomaly_id(
            profile_run_id,
            self.schema_name,
            self.table_name,
            self.column_name,
            self.anomaly_type_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score from 0 to 1, None where there is nothing to score.

    `scope` is `table_group`, `table` or `column`; the names below it are '' where they do not
    apply; `dimension` is '' for the whole.
    """

    scope: str
    schema_name: str = ""
    table_name: str = ""
    column_name: str = ""
    dimension: str = ""
    score: float | None = None
    record_count: int | None = None
    affected: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """What a platform, or our own giving up, says about a run. None leaves a field as it is."""

    status: RunStatus
    reason: str
    error_message: str | None = None
    failure_class: str | None = None
    databricks_state: str | None = None
    termination_code: str | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _clean(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The end of a run with everything that belongs to it, from a callback or from the tables.

    `attempt` counts the executions of the platform's task, from 1.
    """

    status: RunStatus
    attempt: int = 1
    row_count: int | None = None
    table_count: int | None = None
    column_count: int | None = None
    payload_path: str | None = None
    databricks_run_id: str | None = None
    error_message: str | None = None
    failure_class: str | None = None
    databricks_state: str | None = None
    termination_code: str | None = None
    dq_score_profiling: float | None = None
    anomalies: tuple[Anomaly, ...] = ()
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _clean(self)

    def distinct(self) -> Completion:
        """The same with each anomaly and each score once; the last of equals wins (row E30)."""
        anomalies: Mapping[str, Anomaly] = {one.id_in(""): one for one in self.anomalies}
        scores = {
            (one.scope, one.schema_name, one.table_name, one.column_name, one.dimension): one
            for one in self.scores
        }
        return replace(
            self, anomalies=tuple(anomalies.values()), scores=tuple(scores[key] for key in scores)
        )

    @property
    def sha256(self) -> str:
        """Hash of the content, by which a replay is told from a correction."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Operation:
    """One write of a completion (row E48); `status` is success, or superseded for a correction."""

    target_table: str
    rows_written: int
    duration_ms: int
    status: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a completion; `applied` is False for a replay."""

    applied: bool
    status: RunStatus


def _clean(told: StateChange | Completion) -> None:
    """What platforms and jobs say is kept, and anything may be in it (row E2)."""
    for name in ("error_message", "warnings"):
        # The usual way to set a field of a frozen one while it is made.
        object.__setattr__(told, name, redacted(getattr(told, name)))
