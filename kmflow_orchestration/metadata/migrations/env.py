"""Alembic environment; takes the connection from `metadata.migration.migrate`."""

from alembic import context

from kmflow_orchestration.metadata.schema import Base
from kmflow_orchestration.metadata.text_columns import same_types, text_as_in_sqlite

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=same_types,
)
with context.begin_transaction(), text_as_in_sqlite(connection):
    context.run_migrations()
