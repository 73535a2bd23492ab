"""Group settings: sign-in by profile or service principal, SQL pool, rules of outputs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Rows saved before take the value that leaving a setting out has always meant.
_ADDED = (
    ("profile", sa.String(255), ""),
    ("config_file", sa.String(4096), ""),
    ("auth_type", sa.String(255), ""),
    ("client_id", sa.String(255), ""),
    ("http_path", sa.String(255), ""),
    ("sql_pool_size", sa.Integer(), "5"),
    ("sql_max_overflow", sa.Integer(), "10"),
    ("sql_pool_recycle_s", sa.Integer(), "1800"),
    ("sql_pool_timeout_s", sa.Integer(), "30"),
    ("warehouse_start_timeout_s", sa.Integer(), "300"),
    ("volume_filename_mode", sa.String(16), "stable"),
    ("volume_verify", sa.String(16), "size"),
    ("max_file_size_mb", sa.Integer(), "100"),
    ("on_upload_error", sa.String(16), "fail"),
    ("allowed_catalogs", sa.JSON(), "[]"),
)


def upgrade() -> None:
    for name, kind, former in _ADDED:
        op.add_column(
            "databricks_configs", sa.Column(name, kind, nullable=False, server_default=former)
        )
    op.add_column(
        "databricks_configs", sa.Column("client_secret_ref", sa.String(4096), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("databricks_configs", "client_secret_ref")
    for name, _, _ in reversed(_ADDED):
        op.drop_column("databricks_configs", name)
