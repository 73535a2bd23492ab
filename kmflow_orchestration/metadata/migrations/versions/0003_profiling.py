"""Profiling: table groups, runs and what runs found."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "dq_table_groups",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("table_group_id", sa.String(length=64), nullable=False),
        sa.Column("engagement_id", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("schema_name", sa.String(length=255), nullable=False),
        sa.Column("include_mask", sa.Text(), nullable=False),
        sa.Column("exclude_mask", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("cron", sa.String(length=100), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("last_tick_at", _MOMENT, nullable=True),
        sa.Column("profiling_job_id", sa.String(length=64), nullable=True),
        sa.Column("profiling_job_settings_hash", sa.String(length=64), nullable=True),
        sa.Column("profiling_job_updated_at", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "table_group_id", name="pk_dq_table_groups"),
    )
    op.create_index(
        "ix_dq_table_groups_profiling_job_id", "dq_table_groups", ["profiling_job_id"], unique=False
    )
    op.create_table(
        "dq_profiles",
        sa.Column("profile_run_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("table_group_id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("deadline_at", _MOMENT, nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=True),
        sa.Column("completed_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("next_poll_at", _MOMENT, nullable=True),
        sa.Column("last_polled_at", _MOMENT, nullable=True),
        sa.Column("materialized_at", _MOMENT, nullable=True),
        sa.Column("poll_count", sa.Integer(), nullable=False),
        sa.Column("unknown_polls", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("table_count", sa.BigInteger(), nullable=True),
        sa.Column("column_count", sa.BigInteger(), nullable=True),
        sa.Column("anomaly_count", sa.BigInteger(), nullable=True),
        sa.Column("payload_path", sa.Text(), nullable=True),
        sa.Column("payload_sha256", sa.String(length=64), nullable=True),
        sa.Column("completion_sha256", sa.String(length=64), nullable=True),
        sa.Column("databricks_job_id", sa.String(length=64), nullable=True),
        sa.Column("databricks_run_id", sa.String(length=64), nullable=True),
        sa.Column("run_page_url", sa.Text(), nullable=True),
        sa.Column("profile_mode", sa.String(length=32), nullable=True),
        sa.Column("profile_version", sa.String(length=255), nullable=True),
        sa.Column("dq_score_profiling", sa.Double(), nullable=True),
        sa.Column("dq_score_testing", sa.Double(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("failure_class", sa.String(length=32), nullable=True),
        sa.Column("databricks_state", sa.String(length=255), nullable=True),
        sa.Column("termination_code", sa.String(length=255), nullable=True),
        sa.Column("completed_by", sa.String(length=32), nullable=True),
        sa.Column("trigger_source", sa.String(length=255), nullable=True),
        sa.Column("partition_key", sa.String(length=255), nullable=True),
        sa.Column("warnings_json", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id", "table_group_id"],
            ["dq_table_groups.group_id", "dq_table_groups.table_group_id"],
            name="fk_dq_profiles_group_id",
        ),
        sa.PrimaryKeyConstraint("profile_run_id", name="pk_dq_profiles"),
    )
    op.create_index(
        "ix_dq_profiles_databricks_run_id", "dq_profiles", ["databricks_run_id"], unique=False
    )
    op.create_index("ix_dq_profiles_next_poll_at", "dq_profiles", ["next_poll_at"], unique=False)
    op.create_index(
        "ix_dq_profiles_status_started_at", "dq_profiles", ["status", "started_at"], unique=False
    )
    op.create_index(
        "uq_dq_profiles_outstanding",
        "dq_profiles",
        ["group_id", "table_group_id"],
        unique=True,
        sqlite_where=sa.text("status IN ('queued', 'running', 'unknown')"),
        postgresql_where=sa.text("status IN ('queued', 'running', 'unknown')"),
    )
    op.create_table(
        "dq_tables",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("table_group_id", sa.String(length=64), nullable=False),
        sa.Column("schema_name", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("changed_batch_id", sa.String(length=64), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id", "table_group_id"],
            ["dq_table_groups.group_id", "dq_table_groups.table_group_id"],
            name="fk_dq_tables_group_id",
        ),
        sa.PrimaryKeyConstraint(
            "group_id", "table_group_id", "schema_name", "table_name", name="pk_dq_tables"
        ),
    )
    op.create_table(
        "dq_profile_anomalies",
        sa.Column("anomaly_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("profile_run_id", sa.String(length=64), nullable=False),
        sa.Column("schema_name", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("column_name", sa.String(length=255), nullable=False),
        sa.Column("anomaly_type_id", sa.String(length=255), nullable=False),
        sa.Column("anomaly_type", sa.String(length=255), nullable=False),
        sa.Column("severity", sa.String(length=32), nullable=False),
        sa.Column("likelihood", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.String(length=32), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("dimension", sa.String(length=64), nullable=False),
        sa.Column("impact_dimension", sa.String(length=64), nullable=False),
        sa.Column("prevalence", sa.Double(), nullable=True),
        sa.Column("risk_factor", sa.Double(), nullable=True),
        sa.Column("detected_at", _MOMENT, nullable=True),
        sa.Column("disposition", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_run_id"],
            ["dq_profiles.profile_run_id"],
            name="fk_dq_profile_anomalies_profile_run_id",
        ),
        sa.PrimaryKeyConstraint("anomaly_id", name="pk_dq_profile_anomalies"),
    )
    op.create_index(
        "ix_dq_profile_anomalies_profile_run_id",
        "dq_profile_anomalies",
        ["profile_run_id"],
        unique=False,
    )
    op.create_table(
        "dq_profile_operations",
        sa.Column("operation_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("profile_run_id", sa.String(length=64), nullable=False),
        sa.Column("target_table", sa.String(length=255), nullable=False),
        sa.Column("rows_written", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error_payload", sa.Text(), nullable=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_run_id"],
            ["dq_profiles.profile_run_id"],
            name="fk_dq_profile_operations_profile_run_id",
        ),
        sa.PrimaryKeyConstraint("operation_id", name="pk_dq_profile_operations"),
    )
    op.create_index(
        "ix_dq_profile_operations_profile_run_id",
        "dq_profile_operations",
        ["profile_run_id"],
        unique=False,
    )
    op.create_table(
        "dq_profile_scores",
        sa.Column("profile_run_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("schema_name", sa.String(length=255), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("column_name", sa.String(length=255), nullable=False),
        sa.Column("dimension", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("record_count", sa.BigInteger(), nullable=True),
        sa.Column("affected", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["profile_run_id"],
            ["dq_profiles.profile_run_id"],
            name="fk_dq_profile_scores_profile_run_id",
        ),
        sa.PrimaryKeyConstraint(
            "profile_run_id",
            "scope",
            "schema_name",
            "table_name",
            "column_name",
            "dimension",
            name="pk_dq_profile_scores",
        ),
    )
    op.create_table(
        "dq_run_events",
        sa.Column("event_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("profile_run_id", sa.String(length=64), nullable=False),
        sa.Column("from_status", sa.String(length=32), nullable=True),
        sa.Column("to_status", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=32), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["profile_run_id"],
            ["dq_profiles.profile_run_id"],
            name="fk_dq_run_events_profile_run_id",
        ),
        sa.PrimaryKeyConstraint("event_id", name="pk_dq_run_events"),
    )
    op.create_index(
        "ix_dq_run_events_profile_run_id", "dq_run_events", ["profile_run_id"], unique=False
    )


def downgrade() -> None:
    for table in (
        "dq_profile_operations",
        "dq_profile_scores",
        "dq_profile_anomalies",
        "dq_run_events",
        "dq_profiles",
        "dq_tables",
        "dq_table_groups",
    ):
        op.drop_table(table)
