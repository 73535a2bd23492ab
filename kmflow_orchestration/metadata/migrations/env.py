"""Alembic environment; takes the connection from `metadata.engine.migrate`."""

from alembic import context

from kmflow_orchestration.metadata.schema import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
