"""Transactions whose database faults come out as our own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.metadata.engine import SessionFactory, transaction


@contextmanager
def guarded(sessions: SessionFactory) -> Iterator[Session]:
    """One transaction, rolled back on any error.

    Raises:
        StorageUnavailable: the database is locked, gone or not migrated; nothing was changed.
    """
    try:
        with transaction(sessions) as session:
            yield session
    except OperationalError as error:
        raise StorageUnavailable(
            f"the control database does not answer: {error.orig}",
            hint="try again; `kmflow db migrate` makes missing tables",
        ) from error
