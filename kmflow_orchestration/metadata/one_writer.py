"""One writer at a time, for rules that span rows of several groups."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

# Any number that nothing else locks; the first eight digits of SHA-256("databricks_configs").
_SETTINGS = 0x9123B678


def one_writer(session: Session) -> None:
    """Wait until no other transaction changes group settings; holds until this one ends.

    To be called after the transaction's first write: SQLite has one writer from then on anyway,
    and sees what was committed before; PostgreSQL takes a lock of its own.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SETTINGS})
