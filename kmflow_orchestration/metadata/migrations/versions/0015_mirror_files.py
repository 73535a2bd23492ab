"""Copies of stored evidence in a second backend: what is owed, and what lies there."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mirror_files",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("item_id", sa.String(), nullable=False),
        sa.Column("backend", sa.String(), nullable=False),
        sa.Column("stored_path", sa.String(), nullable=False),
        sa.Column("owed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "item_id", "backend", name="pk_mirror_files"),
    )
    op.create_index(
        "ix_mirror_files_owed", "mirror_files", ["group_id", "backend", "delivered_at", "owed_at"]
    )
    # Whose copy is that? It is asked for each file that is read from the mirror.
    op.create_index(
        "ix_evidence_items_place", "evidence_items", ["group_id", "backend", "file_path"]
    )


def downgrade() -> None:
    op.drop_index("ix_evidence_items_place", table_name="evidence_items")
    op.drop_table("mirror_files")
