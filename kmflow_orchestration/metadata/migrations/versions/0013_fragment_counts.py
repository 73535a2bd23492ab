"""How many fragments an item has; where a part's bytes were when it was converted goes.

Nobody reads the latter any more: where an item's bytes are is the item's to say.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("evidence_items", sa.Column("fragment_count", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("dataset_parts") as table:
        table.drop_column("stored_path")


def downgrade() -> None:
    path = sa.Column("stored_path", sa.String(length=4096), nullable=False, server_default="")
    op.add_column("dataset_parts", path)
    op.drop_column("evidence_items", "fragment_count")
