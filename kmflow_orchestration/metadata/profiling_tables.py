"""Tables of the control database about profiling: table groups, runs and what runs found."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Double, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from kmflow_orchestration.metadata.run_status import OUTSTANDING
from kmflow_orchestration.metadata.schema import Base, UtcDateTime

_ID = String(64)
_NAME = String(255)
_OUTSTANDING_SQL = f"status IN ({', '.join(repr(status.value) for status in sorted(OUTSTANDING))})"


def _moment(*, nullable: bool = True, index: bool = False) -> Mapped[datetime | None]:
    return mapped_column(UtcDateTime, nullable=nullable, index=index)


class TableGroupRow(Base):
    """Tables profiled together, and the one job that profiles them (row E6)."""

    __tablename__ = "dq_table_groups"

    group_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    table_group_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    engagement_id: Mapped[str | None] = mapped_column(_ID)
    name: Mapped[str] = mapped_column(_NAME)
    schema_name: Mapped[str] = mapped_column(_NAME)
    include_mask: Mapped[str] = mapped_column(Text, default="")
    exclude_mask: Mapped[str] = mapped_column(Text, default="")
    is_active: Mapped[bool] = mapped_column(default=True)
    cron: Mapped[str] = mapped_column(String(100), default="")
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")
    last_tick_at: Mapped[datetime | None] = _moment()
    profiling_job_id: Mapped[str | None] = mapped_column(_ID, index=True)
    profiling_job_settings_hash: Mapped[str | None] = mapped_column(_ID)
    profiling_job_updated_at: Mapped[datetime | None] = _moment()
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TableRow(Base):
    """A table of a table group and its last change."""

    __tablename__ = "dq_tables"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "table_group_id"],
            ["dq_table_groups.group_id", "dq_table_groups.table_group_id"],
        ),
    )

    group_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    table_group_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    schema_name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    table_name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_batch_id: Mapped[str | None] = mapped_column(_ID)
    row_count: Mapped[int | None] = mapped_column(BigInteger)


class ProfileRow(Base):
    """A profile run (row E20). At most one of a table group is outstanding (row E19)."""

    __tablename__ = "dq_profiles"
    __table_args__ = (
        ForeignKeyConstraint(
            ["group_id", "table_group_id"],
            ["dq_table_groups.group_id", "dq_table_groups.table_group_id"],
        ),
        Index(
            "uq_dq_profiles_outstanding",
            "group_id",
            "table_group_id",
            unique=True,
            sqlite_where=text(_OUTSTANDING_SQL),
            postgresql_where=text(_OUTSTANDING_SQL),
        ),
        Index("ix_dq_profiles_status_started_at", "status", "started_at"),
    )

    profile_run_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    group_id: Mapped[str] = mapped_column(_ID)
    table_group_id: Mapped[str] = mapped_column(_ID)
    status: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deadline_at: Mapped[datetime] = mapped_column(UtcDateTime)
    timeout_seconds: Mapped[int]
    started_at: Mapped[datetime | None] = _moment()
    completed_at: Mapped[datetime | None] = _moment()
    ended_at: Mapped[datetime | None] = _moment()
    next_poll_at: Mapped[datetime | None] = _moment(index=True)
    last_polled_at: Mapped[datetime | None] = _moment()
    materialized_at: Mapped[datetime | None] = _moment()
    cancel_requested_at: Mapped[datetime | None] = _moment()
    poll_count: Mapped[int] = mapped_column(default=0)
    unknown_polls: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=1)
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    table_count: Mapped[int | None] = mapped_column(BigInteger)
    column_count: Mapped[int | None] = mapped_column(BigInteger)
    anomaly_count: Mapped[int | None] = mapped_column(BigInteger)
    payload_path: Mapped[str | None] = mapped_column(Text)
    payload_sha256: Mapped[str | None] = mapped_column(_ID)
    completion_sha256: Mapped[str | None] = mapped_column(_ID)
    databricks_job_id: Mapped[str | None] = mapped_column(_ID)
    databricks_run_id: Mapped[str | None] = mapped_column(_ID, index=True)
    run_page_url: Mapped[str | None] = mapped_column(Text)
    profile_mode: Mapped[str | None] = mapped_column(String(32))
    profile_version: Mapped[str | None] = mapped_column(_NAME)
    dq_score_profiling: Mapped[float | None] = mapped_column(Double)
    dq_score_testing: Mapped[float | None] = mapped_column(Double)
    error_message: Mapped[str | None] = mapped_column(Text)
    failure_class: Mapped[str | None] = mapped_column(String(32))
    databricks_state: Mapped[str | None] = mapped_column(_NAME)
    termination_code: Mapped[str | None] = mapped_column(_NAME)
    completed_by: Mapped[str | None] = mapped_column(String(32))
    trigger_source: Mapped[str | None] = mapped_column(_NAME)
    partition_key: Mapped[str | None] = mapped_column(_NAME)
    warnings_json: Mapped[list[str]] = mapped_column(JSON, default=list)


class RunEventRow(Base):
    """One change of a run's status."""

    __tablename__ = "dq_run_events"
    __table_args__ = (ForeignKeyConstraint(["profile_run_id"], ["dq_profiles.profile_run_id"]),)

    event_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    group_id: Mapped[str] = mapped_column(_ID)
    profile_run_id: Mapped[str] = mapped_column(_ID, index=True)
    from_status: Mapped[str | None] = mapped_column(String(32))
    to_status: Mapped[str] = mapped_column(String(32))
    by: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(Text, default="")


class AnomalyRow(Base):
    """An issue a run found; its id says which, so that a replay meets itself (row E30)."""

    __tablename__ = "dq_profile_anomalies"
    __table_args__ = (ForeignKeyConstraint(["profile_run_id"], ["dq_profiles.profile_run_id"]),)

    anomaly_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    group_id: Mapped[str] = mapped_column(_ID)
    profile_run_id: Mapped[str] = mapped_column(_ID, index=True)
    schema_name: Mapped[str] = mapped_column(_NAME)
    table_name: Mapped[str] = mapped_column(_NAME)
    column_name: Mapped[str] = mapped_column(_NAME)
    anomaly_type_id: Mapped[str] = mapped_column(_NAME)
    anomaly_type: Mapped[str] = mapped_column(_NAME, default="")
    severity: Mapped[str] = mapped_column(String(32), default="")
    likelihood: Mapped[str] = mapped_column(String(32), default="")
    priority: Mapped[str] = mapped_column(String(32), default="")
    description: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    dimension: Mapped[str] = mapped_column(String(64), default="")
    impact_dimension: Mapped[str] = mapped_column(String(64), default="")
    prevalence: Mapped[float | None] = mapped_column(Double)
    risk_factor: Mapped[float | None] = mapped_column(Double)
    detected_at: Mapped[datetime | None] = _moment()
    disposition: Mapped[str] = mapped_column(String(32), default="")


class ScoreRow(Base):
    """A score of a table group, a table or a column in a run."""

    __tablename__ = "dq_profile_scores"
    __table_args__ = (ForeignKeyConstraint(["profile_run_id"], ["dq_profiles.profile_run_id"]),)

    profile_run_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    scope: Mapped[str] = mapped_column(String(16), primary_key=True)
    schema_name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    table_name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    column_name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    dimension: Mapped[str] = mapped_column(String(64), primary_key=True)
    group_id: Mapped[str] = mapped_column(_ID)
    score: Mapped[float | None] = mapped_column(Double)
    record_count: Mapped[int | None] = mapped_column(BigInteger)
    affected: Mapped[float | None] = mapped_column(Double)


class OperationRow(Base):
    """One write of a completion: how much, how long, how it ended (row E48)."""

    __tablename__ = "dq_profile_operations"
    __table_args__ = (ForeignKeyConstraint(["profile_run_id"], ["dq_profiles.profile_run_id"]),)

    operation_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    group_id: Mapped[str] = mapped_column(_ID)
    profile_run_id: Mapped[str] = mapped_column(_ID, index=True)
    target_table: Mapped[str] = mapped_column(_NAME)
    rows_written: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16))
    error_payload: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
