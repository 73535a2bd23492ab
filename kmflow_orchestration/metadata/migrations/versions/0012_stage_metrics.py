"""How long each stage of a batch took and what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stage_metrics",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("engagement_id", sa.String(), nullable=False),
        sa.Column("evidence_item_id", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("input_count", sa.BigInteger(), nullable=False),
        sa.Column("output_count", sa.BigInteger(), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("error_type", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "batch_id", "stage", name="pk_stage_metrics"),
    )
    op.create_index("ix_stage_metrics_day", "stage_metrics", ["group_id", "day"])


def downgrade() -> None:
    op.drop_table("stage_metrics")
