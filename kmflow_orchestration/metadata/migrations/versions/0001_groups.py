"""Group settings: `databricks_configs`."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ACTIVE = sa.text("is_active")


def upgrade() -> None:
    op.create_table(
        "databricks_configs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.String(100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("workspace_url", sa.String(255), nullable=False),
        sa.Column("warehouse_id", sa.String(255), nullable=False),
        sa.Column("catalog", sa.String(255), nullable=False),
        sa.Column("schema", sa.String(255), nullable=False),
        sa.Column("namespace_key", sa.String(800), nullable=True),
        sa.Column("secret_ref", sa.String(1024), nullable=True),
        sa.Column("evidence_volume", sa.String(255), nullable=False),
        sa.Column("landing_path", sa.String(4096), nullable=False),
        sa.Column("allow_insecure_loopback", sa.Boolean(), nullable=False),
        sa.Column("volume_enabled", sa.Boolean(), nullable=False),
        sa.Column("volume_path", sa.String(4096), nullable=True),
        sa.Column("volume_file_format", sa.String(16), nullable=False),
        sa.Column("volume_create_date_dirs", sa.Boolean(), nullable=False),
        sa.Column("knowledge_volume_enabled", sa.Boolean(), nullable=False),
        sa.Column("knowledge_volume_path", sa.String(4096), nullable=True),
        sa.Column("knowledge_chunk_size", sa.Integer(), nullable=False),
        sa.Column("knowledge_chunk_overlap", sa.Integer(), nullable=False),
        sa.Column("mlflow_enabled", sa.Boolean(), nullable=False),
        sa.Column("mlflow_experiment_name", sa.String(255), nullable=True),
        sa.Column("evaluation_enabled", sa.Boolean(), nullable=False),
        sa.Column("evaluation_judge_model", sa.String(255), nullable=True),
        sa.Column("ai_gateway_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by_email", sa.String(255), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by_email", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_databricks_configs"),
        sa.UniqueConstraint("group_id", "version", name="uq_databricks_configs_version"),
    )
    op.create_index("ix_databricks_configs_group_id", "databricks_configs", ["group_id"])
    op.create_index(
        "ix_databricks_configs_created_by_email", "databricks_configs", ["created_by_email"]
    )
    for name, column in (("active", "group_id"), ("namespace", "namespace_key")):
        op.create_index(
            f"uq_databricks_configs_{name}",
            "databricks_configs",
            [column],
            unique=True,
            sqlite_where=ACTIVE,
            postgresql_where=ACTIVE,
        )


def downgrade() -> None:
    op.drop_table("databricks_configs")
