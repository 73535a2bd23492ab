"""Datasets: the tables they were given, and the parts of evidence in each."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("engagement_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_key", sa.String(length=512), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "engagement_id", "dataset_key", name="pk_datasets"),
        sa.UniqueConstraint("group_id", "table_name", name="uq_datasets_table_name"),
    )
    op.create_table(
        "dataset_parts",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("part", sa.String(length=255), nullable=False),
        sa.Column("engagement_id", sa.String(length=64), nullable=False),
        sa.Column("table_name", sa.String(length=255), nullable=False),
        sa.Column("batch_id", sa.String(length=64), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("file_name", sa.String(length=1024), nullable=False),
        sa.Column("stored_path", sa.String(length=4096), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "item_id", "part", name="pk_dataset_parts"),
    )
    op.create_index("ix_dataset_parts_table_name", "dataset_parts", ["table_name"], unique=False)


def downgrade() -> None:
    op.drop_table("dataset_parts")
    op.drop_table("datasets")
