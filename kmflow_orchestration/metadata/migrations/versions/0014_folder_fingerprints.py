"""What a folder of the landing place held when all its files were done with."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 0: nothing is known, so that the next sweep looks at every file once more.
    op.add_column(
        "landing_folders",
        sa.Column("fingerprint", sa.BigInteger(), nullable=False, server_default="0"),
    )


def downgrade() -> None:
    with op.batch_alter_table("landing_folders") as table:
        table.drop_column("fingerprint")
