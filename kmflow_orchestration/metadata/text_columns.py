"""Text in PostgreSQL as SQLite keeps it: of any length, ordered by its bytes.

By default PostgreSQL orders text by the rules of the database's language, where `a-b` comes behind
`aa`, other than Python and SQLite do, and otherwise after an upgrade of the C library; and it
refuses the 256th character of a VARCHAR(255), whose length SQLite never looks at. Migrations stay
free of all that: what they add is altered right after them, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, String, text
from sqlalchemy.schema import Column
from sqlalchemy.types import TypeEngine

_COLUMNS = text(
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name <> 'alembic_version'"
    " AND data_type IN ('text', 'character varying')"
)
_TableColumn = tuple[str, str]


@contextmanager
def text_as_in_sqlite(connection: Connection) -> Iterator[None]:
    """Text columns added within the block become TEXT COLLATE "C"; others' are left alone."""
    before = _text_columns(connection)
    yield
    quote = connection.dialect.identifier_preparer.quote
    added: dict[str, list[str]] = {}
    for table, column in sorted(_text_columns(connection) - before):
        added.setdefault(table, []).append(column)
    for table, columns in added.items():
        changes = ", ".join(
            f'ALTER COLUMN {quote(column)} TYPE TEXT COLLATE "C"' for column in columns
        )
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} {changes}")


def _text_columns(connection: Connection) -> set[_TableColumn]:
    if connection.dialect.name != "postgresql":
        return set()
    return {(row.table_name, row.column_name) for row in connection.execute(_COLUMNS)}


def same_types(
    _context: Any,
    _in_database: Column[Any],
    _in_models: Column[Any],
    database_type: TypeEngine[Any],
    models_type: TypeEngine[Any],
) -> bool | None:
    """For Alembic's comparison: False where both are text, whatever the length; else its own."""
    both = isinstance(database_type, String) and isinstance(models_type, String)
    return False if both else None
