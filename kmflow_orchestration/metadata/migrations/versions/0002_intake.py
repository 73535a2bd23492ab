"""Engagements, evidence, and the intake ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_OPEN = sa.text("stored_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "engagements",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("engagement_id", sa.String(), nullable=False),
        sa.Column("registered_at", _MOMENT, nullable=False),
        sa.Column("quality_weights", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("group_id", "engagement_id", name="pk_engagements"),
    )
    op.create_table(
        "evidence_requests",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("engagement_id", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence_requests"),
    )
    op.create_index(
        "ix_evidence_requests_engagement",
        "evidence_requests",
        ["group_id", "engagement_id", "category"],
        unique=False,
    )
    op.create_table(
        "intake_batches",
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("lease_until", _MOMENT, nullable=True),
        sa.Column("holder_host", sa.String(), nullable=False),
        sa.Column("holder_pid", sa.Integer(), nullable=False),
        sa.Column("holder_started", sa.Double(), nullable=False),
        sa.Column("dagster_run_id", sa.String(), nullable=False),
        sa.Column("stored_at", _MOMENT, nullable=True),
        sa.Column("bronze_at", _MOMENT, nullable=True),
        sa.Column("datasets_at", _MOMENT, nullable=True),
        sa.Column("fragments_at", _MOMENT, nullable=True),
        sa.Column("quality_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("batch_id", name="pk_intake_batches"),
        sa.UniqueConstraint("group_id", "day", "number", name="uq_intake_batches_number"),
    )
    op.create_index(
        "uq_intake_batches_open",
        "intake_batches",
        ["group_id", "day"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_table(
        "intake_days",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "day", name="pk_intake_days"),
    )
    op.create_table(
        "intake_groups",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_intake_groups"),
    )
    op.create_table(
        "landing_files",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("engagement_id", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_at", _MOMENT, nullable=True),
        sa.Column("batch_id", sa.String(), nullable=True),
        sa.Column("item_id", sa.String(), nullable=True),
        sa.Column("content_hash", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "path", name="pk_landing_files"),
    )
    op.create_index(
        "ix_landing_files_batch", "landing_files", ["group_id", "batch_id"], unique=False
    )
    op.create_index(
        "ix_landing_files_due", "landing_files", ["group_id", "state", "received_on"], unique=False
    )
    op.create_index(
        "ix_landing_files_folder", "landing_files", ["group_id", "folder"], unique=False
    )
    op.create_index("ix_landing_files_item", "landing_files", ["group_id", "item_id"], unique=False)
    op.create_table(
        "landing_folders",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "folder", name="pk_landing_folders"),
    )
    op.create_table(
        "evidence_items",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("engagement_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("file_path", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mime_type", sa.String(), nullable=False),
        sa.Column("metadata_json", sa.String(), nullable=False),
        sa.Column("extracted_metadata", sa.String(), nullable=True),
        sa.Column("detected_language", sa.String(), nullable=True),
        sa.Column("source_date", sa.Date(), nullable=True),
        sa.Column("completeness_score", sa.Double(), nullable=True),
        sa.Column("reliability_score", sa.Double(), nullable=True),
        sa.Column("freshness_score", sa.Double(), nullable=True),
        sa.Column("consistency_score", sa.Double(), nullable=True),
        sa.Column("quality_score", sa.Double(), nullable=True),
        sa.Column("scores_at", _MOMENT, nullable=True),
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("delta_path", sa.String(), nullable=True),
        sa.Column("lineage_id", sa.String(), nullable=True),
        sa.Column("duplicate_of_id", sa.String(), nullable=True),
        sa.Column("supersedes_id", sa.String(), nullable=True),
        sa.Column("validation_status", sa.String(), nullable=False),
        sa.Column("classification", sa.String(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("landing_path", sa.String(), nullable=False),
        sa.Column("backend", sa.String(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("stored_at", _MOMENT, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("converter_version", sa.String(), nullable=False),
        sa.Column("no_converter", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "completeness_score IS NULL OR (completeness_score >= 0 AND completeness_score <= 1)",
            name="ck_evidence_items_completeness_score",
        ),
        sa.CheckConstraint(
            "consistency_score IS NULL OR (consistency_score >= 0 AND consistency_score <= 1)",
            name="ck_evidence_items_consistency_score",
        ),
        sa.CheckConstraint(
            "freshness_score IS NULL OR (freshness_score >= 0 AND freshness_score <= 1)",
            name="ck_evidence_items_freshness_score",
        ),
        sa.CheckConstraint(
            "quality_score IS NULL OR (quality_score >= 0 AND quality_score <= 1)",
            name="ck_evidence_items_quality_score",
        ),
        sa.CheckConstraint(
            "reliability_score IS NULL OR (reliability_score >= 0 AND reliability_score <= 1)",
            name="ck_evidence_items_reliability_score",
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["intake_batches.batch_id"], name="fk_evidence_items_batch_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_evidence_items"),
        sa.UniqueConstraint(
            "group_id", "engagement_id", "content_hash", "name", name="uq_evidence_items_content"
        ),
    )
    op.create_index(
        "ix_evidence_items_batch", "evidence_items", ["group_id", "batch_id"], unique=False
    )
    op.create_index(
        "ix_evidence_items_category",
        "evidence_items",
        ["group_id", "engagement_id", "category"],
        unique=False,
    )
    op.create_index(
        "ix_evidence_items_hash", "evidence_items", ["group_id", "content_hash"], unique=False
    )
    op.create_index(
        "ix_evidence_items_state", "evidence_items", ["group_id", "state"], unique=False
    )
    op.create_table(
        "intake_batch_replacements",
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["intake_batches.batch_id"], name="fk_intake_batch_replacements_batch_id"
        ),
        sa.PrimaryKeyConstraint("batch_id", "item_id", name="pk_intake_batch_replacements"),
    )


def downgrade() -> None:
    op.drop_table("intake_batch_replacements")
    op.drop_table("evidence_items")
    op.drop_table("landing_folders")
    op.drop_table("landing_files")
    op.drop_table("intake_groups")
    op.drop_table("intake_days")
    op.drop_table("intake_batches")
    op.drop_table("evidence_requests")
    op.drop_table("engagements")
