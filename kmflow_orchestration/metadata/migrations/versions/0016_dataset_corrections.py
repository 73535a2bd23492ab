"""Corrections of conversions that people made, and that hold from then on (row G18)."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset_corrections",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("engagement_id", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint(
            *("group_id", "engagement_id", "scope", "target", "name"),
            name="pk_dataset_corrections",
        ),
        sa.UniqueConstraint("group_id", "number", name="uq_dataset_corrections_number"),
    )


def downgrade() -> None:
    op.drop_table("dataset_corrections")
