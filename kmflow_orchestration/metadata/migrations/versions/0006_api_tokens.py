"""Who may do what, and who did: API tokens, and the audit trail that only grows.

A batch operation on `config_audit` would drop its triggers on SQLite: make them again after one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)

# The third guards against INSERT OR REPLACE, which removes a row without a DELETE trigger.
_SQLITE = (
    """
    CREATE TRIGGER config_audit_no_update BEFORE UPDATE ON config_audit
    BEGIN SELECT RAISE(ABORT, 'config_audit is append-only'); END
    """,
    """
    CREATE TRIGGER config_audit_no_delete BEFORE DELETE ON config_audit
    BEGIN SELECT RAISE(ABORT, 'config_audit is append-only'); END
    """,
    """
    CREATE TRIGGER config_audit_no_replace BEFORE INSERT ON config_audit
    WHEN EXISTS (SELECT 1 FROM config_audit WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'config_audit is append-only'); END
    """,
)
_POSTGRESQL = (
    """
    CREATE FUNCTION config_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'config_audit is append-only'; END $$
    """,
    """
    CREATE TRIGGER config_audit_no_change BEFORE UPDATE OR DELETE ON config_audit
    FOR EACH ROW EXECUTE FUNCTION config_audit_append_only()
    """,
    """
    CREATE TRIGGER config_audit_no_truncate BEFORE TRUNCATE ON config_audit
    FOR EACH STATEMENT EXECUTE FUNCTION config_audit_append_only()
    """,
)


def upgrade() -> None:
    op.create_table(
        "config_audit",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("group_id", sa.String(100), nullable=False),
        sa.Column("actor_email", sa.String(255), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("before_json", sa.JSON(), nullable=True),
        sa.Column("after_json", sa.JSON(), nullable=True),
        sa.Column("error_code", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_config_audit"),
    )
    op.create_index("ix_config_audit_group_id", "config_audit", ["group_id"])
    for statement in _triggers():
        op.execute(statement)
    op.create_table(
        "api_tokens",
        sa.Column("group_id", sa.String(100), nullable=False),
        sa.Column("token_id", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by_email", sa.String(255), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("last_used_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("revoked_by_email", sa.String(255), nullable=True),
        sa.PrimaryKeyConstraint("group_id", "token_id", name="pk_api_tokens"),
    )


def downgrade() -> None:
    op.drop_table("api_tokens")
    op.drop_table("config_audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION config_audit_append_only()")


def _triggers() -> tuple[str, ...]:
    return _POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _SQLITE
