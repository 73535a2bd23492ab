"""How dataset tables changed their columns, and what made them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset_drift",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("drift_id", sa.String(length=64), nullable=False),
        sa.Column("engagement_id", sa.String(length=64), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("file_name", sa.String(length=1024), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("column_name", sa.String(length=1024), nullable=False),
        sa.Column("old_type", sa.String(length=64), nullable=False),
        sa.Column("new_type", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "drift_id", name="pk_dataset_drift"),
    )
    op.create_index("ix_dataset_drift_at", "dataset_drift", ["group_id", "at"])
    op.create_index("ix_dataset_drift_batch", "dataset_drift", ["group_id", "batch_id"])


def downgrade() -> None:
    op.drop_table("dataset_drift")
