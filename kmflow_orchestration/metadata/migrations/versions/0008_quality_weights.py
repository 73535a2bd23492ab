"""Weights that an item's composite score was made with, where its engagement has its own."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evidence_items", sa.Column("quality_weights", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("evidence_items", "quality_weights")
