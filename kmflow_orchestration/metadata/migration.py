"""Bringing the control database to this version's schema, whoever else tries at the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.postgresql import (
    check_encoding,
    create_database,
    is_postgresql,
)
from kmflow_orchestration.metadata.revision import (
    known_revisions,
    stored_revision,
    wanted_revision,
)
from kmflow_orchestration.metadata.unavailable import DATABASE_FAULTS, VARIABLE, unavailable

_SCRIPTS = str(Path(__file__).parent / "migrations")
# Any number will do that nobody else locks; this one spells `kmflow` in ASCII.
_LOCK = text("SELECT pg_advisory_xact_lock(118117613989751)")


def migrate(engine: Engine) -> str:
    """Bring the schema to the newest revision and return it; a second call does nothing.

    Of several processes one migrates and the others wait for it; one that dies leaves the schema
    as it was.

    Raises:
        ConfigurationError: the database was made by a newer version of this software.
        MetadataUnavailable: the database does not answer.
    """
    with _faults_of(engine):
        if not _is_newest(engine):
            with _alone(engine) as connection:
                _upgrade(connection)
    return wanted_revision()


def _upgrade(connection: Connection) -> None:
    # A tenth of a second that most commands need not wait for.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_schema(engine: Engine) -> None:
    """Whether this code may work with the database as it is.

    Raises:
        ConfigurationError: it was made by a newer version, or is not migrated to this one.
        MetadataUnavailable: the database does not answer.
    """
    with _faults_of(engine):
        if not _is_newest(engine):
            raise ConfigurationError(
                f"the control database is not at revision {wanted_revision()} yet",
                fields=(VARIABLE,),
                hint="kmflow db migrate",
            )


def has_tables(engine: Engine) -> bool:
    """Whether a database was ever migrated. Raises MetadataUnavailable."""
    with _faults_of(engine):
        return stored_revision(engine) is not None


def create(engine: Engine) -> None:
    """Make the database itself where it is missing; SQLite does so by itself.

    Raises:
        AccessRefused: the user may not create databases.
        MetadataUnavailable: the server does not answer.
    """
    if is_postgresql(engine.url):
        with _faults_of(engine):
            create_database(engine.url)


def newest_revision() -> str:
    """The revision this code wants, as Alembic reads it from the migrations themselves."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(_SCRIPTS).get_current_head() or ""


def _is_newest(engine: Engine) -> bool:
    """Raises ConfigurationError for a revision this code has never heard of."""
    found = stored_revision(engine)
    if found is not None and found not in known_revisions():
        raise ConfigurationError(
            f"the control database is at revision {found}, "
            f"and this version knows those up to {wanted_revision()}",
            fields=(VARIABLE,),
            hint="it was made by a newer version: upgrade kmflow_orchestration; "
            "or by another program, such as Dagster, which needs a database of its own",
        )
    return found == wanted_revision()


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """One transaction in which nobody else migrates."""
    with engine.connect() as connection:
        if is_postgresql(engine.url):
            connection.execute(_LOCK)
            check_encoding(connection)
        else:
            # Tables are rebuilt one by one, which must not empty those that refer to them.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            # The driver begins no transaction before a CREATE TABLE.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.commit()


@contextmanager
def _faults_of(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DATABASE_FAULTS as error:
        fault = unavailable(error, engine.url)
        if fault is None:
            raise
        raise fault from error
