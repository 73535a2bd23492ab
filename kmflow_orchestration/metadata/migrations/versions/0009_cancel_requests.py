"""When somebody asked for the end of a profile run: polling asks its platform again until it is."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("dq_profiles", sa.Column("cancel_requested_at", moment, nullable=True))


def downgrade() -> None:
    op.drop_column("dq_profiles", "cancel_requested_at")
