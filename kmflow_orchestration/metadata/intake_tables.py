"""Tables of the control database for engagements, evidence and the intake ledger (design AD4)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from kmflow_orchestration.metadata.schema import Base, UtcDateTime

_SCORES = (
    "completeness_score",
    "reliability_score",
    "freshness_score",
    "consistency_score",
    "quality_score",
)

# At most one open batch a day: it is finished before the next is opened (design AD3).
_OPEN = text("stored_at IS NULL")


class EngagementRow(Base):
    """An engagement of a group, registered when its landing folder is first seen."""

    __tablename__ = "engagements"

    group_id: Mapped[str] = mapped_column(primary_key=True)
    engagement_id: Mapped[str] = mapped_column(primary_key=True)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    quality_weights: Mapped[str | None]


class EvidenceRequestRow(Base):
    """Evidence asked of a client; feeds completeness (row B15)."""

    __tablename__ = "evidence_requests"
    __table_args__ = (
        Index("ix_evidence_requests_engagement", "group_id", "engagement_id", "category"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str]
    engagement_id: Mapped[str]
    category: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IntakeGroupRow(Base):
    """One row a group; whoever changes the group's ledger takes its lock by counting it up."""

    __tablename__ = "intake_groups"

    group_id: Mapped[str] = mapped_column(primary_key=True)
    changes: Mapped[int] = mapped_column(BigInteger)


class IntakeDayRow(Base):
    """How many runs were asked for or begun for a group's day."""

    __tablename__ = "intake_days"

    group_id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    runs: Mapped[int]


class IntakeBatchRow(Base):
    """A batch with its claim and its finished steps; open until `stored_at` is set."""

    __tablename__ = "intake_batches"
    __table_args__ = (
        UniqueConstraint("group_id", "day", "number", name="uq_intake_batches_number"),
        Index(
            "uq_intake_batches_open",
            "group_id",
            "day",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    batch_id: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str]
    day: Mapped[date]
    number: Mapped[int]
    version: Mapped[int] = mapped_column(default=1)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claims: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    holder_host: Mapped[str] = mapped_column(default="")
    holder_pid: Mapped[int] = mapped_column(default=0)
    holder_started: Mapped[float] = mapped_column(default=0.0)
    dagster_run_id: Mapped[str] = mapped_column(default="")
    stored_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    bronze_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    datasets_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fragments_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    quality_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class StageMetricRow(Base):
    """How a stage of a batch last ended (row B37)."""

    __tablename__ = "stage_metrics"
    __table_args__ = (Index("ix_stage_metrics_day", "group_id", "day"),)

    group_id: Mapped[str] = mapped_column(primary_key=True)
    batch_id: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date]
    engagement_id: Mapped[str]
    evidence_item_id: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    input_count: Mapped[int] = mapped_column(BigInteger)
    output_count: Mapped[int] = mapped_column(BigInteger)
    error_count: Mapped[int] = mapped_column(BigInteger)
    error_type: Mapped[str]


class MirrorFileRow(Base):
    """A copy of an item in a second backend: owed until it is delivered (row B34)."""

    __tablename__ = "mirror_files"
    __table_args__ = (
        Index("ix_mirror_files_owed", "group_id", "backend", "delivered_at", "owed_at"),
    )

    group_id: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    backend: Mapped[str] = mapped_column(primary_key=True)
    stored_path: Mapped[str]
    owed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    problem: Mapped[str]


class BatchReplacementRow(Base):
    """An item whose rows a batch replaces: superseded or demoted by it, or moved into it."""

    __tablename__ = "intake_batch_replacements"

    batch_id: Mapped[str] = mapped_column(ForeignKey("intake_batches.batch_id"), primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str]


class LandingFolderRow(Base):
    """A folder of the landing place as last looked at; 0 asks for another look.

    `fingerprint` is that of a listing in which every file was known and done with.
    """

    __tablename__ = "landing_folders"

    group_id: Mapped[str] = mapped_column(primary_key=True)
    folder: Mapped[str] = mapped_column(primary_key=True)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    fingerprint: Mapped[int] = mapped_column(BigInteger, server_default="0")


class LandingFileRow(Base):
    """A source: a landing path of a group, what was last seen there, and what it last became.

    `item_id` and `content_hash` are of the content last stored, while the rest may already speak
    of newer content on its way.
    """

    __tablename__ = "landing_files"
    __table_args__ = (
        Index("ix_landing_files_folder", "group_id", "folder"),
        Index("ix_landing_files_due", "group_id", "state", "received_on"),
        Index("ix_landing_files_batch", "group_id", "batch_id"),
        Index("ix_landing_files_item", "group_id", "item_id"),
    )

    group_id: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    folder: Mapped[str]
    engagement_id: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    inode: Mapped[int] = mapped_column(BigInteger)
    problem: Mapped[str] = mapped_column(default="")
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_on: Mapped[date]
    state: Mapped[str]
    code: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    batch_id: Mapped[str | None]
    item_id: Mapped[str | None]
    content_hash: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)


class EvidenceItemRow(Base):
    """An evidence item (B-tables of the specification, and the ledger's own columns)."""

    __tablename__ = "evidence_items"
    __table_args__ = (
        UniqueConstraint(
            "group_id", "engagement_id", "content_hash", "name", name="uq_evidence_items_content"
        ),
        Index("ix_evidence_items_category", "group_id", "engagement_id", "category"),
        Index("ix_evidence_items_hash", "group_id", "content_hash"),
        Index("ix_evidence_items_batch", "group_id", "batch_id"),
        Index("ix_evidence_items_state", "group_id", "state"),
        Index("ix_evidence_items_place", "group_id", "backend", "file_path"),
        *(
            CheckConstraint(f"{name} IS NULL OR ({name} >= 0 AND {name} <= 1)", name=name)
            for name in _SCORES
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    group_id: Mapped[str]
    engagement_id: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    format: Mapped[str]
    content_hash: Mapped[str]
    file_path: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    metadata_json: Mapped[str] = mapped_column(default="{}")
    extracted_metadata: Mapped[str | None]
    detected_language: Mapped[str | None]
    source_date: Mapped[date | None]
    completeness_score: Mapped[float | None]
    reliability_score: Mapped[float | None]
    freshness_score: Mapped[float | None]
    consistency_score: Mapped[float | None]
    quality_score: Mapped[float | None]
    quality_weights: Mapped[str | None]
    scores_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    source_system: Mapped[str] = mapped_column(default="")
    delta_path: Mapped[str | None]
    lineage_id: Mapped[str | None]
    duplicate_of_id: Mapped[str | None]
    supersedes_id: Mapped[str | None]
    validation_status: Mapped[str] = mapped_column(default="pending")
    classification: Mapped[str] = mapped_column(default="internal")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    landing_path: Mapped[str]
    backend: Mapped[str]
    batch_id: Mapped[str] = mapped_column(ForeignKey("intake_batches.batch_id"))
    received_on: Mapped[date]
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str]
    code: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_by: Mapped[str | None]
    converter_version: Mapped[str] = mapped_column(default="")
    no_converter: Mapped[bool] = mapped_column(default=False)
    fragment_count: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(default=1)
