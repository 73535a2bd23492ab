"""Transactions whose database faults come out as our own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.engine import SessionFactory, transaction
from kmflow_orchestration.metadata.unavailable import DATABASE_FAULTS, unavailable


@contextmanager
def guarded(sessions: SessionFactory) -> Iterator[Session]:
    """One transaction, rolled back on any error.

    Raises:
        MetadataUnavailable: the database is locked, gone or not migrated; nothing was changed.
            Should it go in the very moment of the commit, nobody can tell: try again, for every
            write of ours is a compare-and-set or replaces itself.
    """
    with _faults_of(sessions), transaction(sessions) as session:
        yield session


@contextmanager
def guarded_connection(sessions: SessionFactory) -> Iterator[Connection]:
    """The same without models, which take as long as the statements; for what is written often.

    Raises:
        MetadataUnavailable: as `guarded`.
    """
    with _faults_of(sessions), sessions.kw["bind"].begin() as connection:
        yield connection


@contextmanager
def _faults_of(sessions: SessionFactory) -> Iterator[None]:
    try:
        yield
    except DATABASE_FAULTS as error:
        fault = unavailable(error, sessions.kw["bind"].url)
        if fault is None:
            raise
        raise fault from error
