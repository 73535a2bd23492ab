"""When an evidence item was deleted, and by whom."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("evidence_items", sa.Column("deleted_at", moment, nullable=True))
    op.add_column("evidence_items", sa.Column("deleted_by", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("evidence_items", "deleted_by")
    op.drop_column("evidence_items", "deleted_at")
