"""Outputs of tasks: the files that were written, and the uploads that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _shared() -> list[sa.Column[object]]:
    return [
        sa.Column("group_id", sa.String(64), nullable=False),
        sa.Column("path", sa.String(4096), nullable=False),
        sa.Column("place", sa.String(4096), nullable=False),
        sa.Column("task_key", sa.String(512), nullable=False),
        sa.Column("partition_key", sa.String(512), nullable=False),
        sa.Column("file_format", sa.String(16), nullable=False),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("dagster_run_id", sa.String(64), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "output_files",
        sa.Column("output_id", sa.String(64), nullable=False),
        *_shared(),
        sa.PrimaryKeyConstraint("output_id", name="pk_output_files"),
    )
    op.create_index(
        "ix_output_files_task",
        "output_files",
        ["group_id", "task_key", "partition_key", "written_at"],
    )
    op.create_table(
        "upload_failures",
        sa.Column("failure_id", sa.String(64), nullable=False),
        sa.Column("output_id", sa.String(64), nullable=False),
        *_shared(),
        sa.Column("verify", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error_code", sa.String(64), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("failure_id", name="pk_upload_failures"),
    )
    op.create_index("ix_upload_failures_output", "upload_failures", ["group_id", "output_id"])
    op.create_index("ix_upload_failures_open", "upload_failures", ["group_id", "ended_at"])


def downgrade() -> None:
    op.drop_table("upload_failures")
    op.drop_table("output_files")
