"""Which revision a control database is at, told without loading the tool that changes it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, inspect, make_url, text
from sqlalchemy.exc import DatabaseError

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_TABLE = "alembic_version"


@cache
def known_revisions() -> frozenset[str]:
    """All revisions of this code: the numbers its migrations' file names begin with."""
    names = (path.name for path in _VERSIONS.glob("*.py"))
    return frozenset(found[1] for name in names if (found := re.match(r"(\d{4})_", name)))


def wanted_revision() -> str:
    """The revision this code wants."""
    return max(known_revisions())


def stored_revision(engine: Engine) -> str | None:
    """The revision a database is at; None for one that was never migrated."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(_TABLE):
            return None
        found: str | None = connection.scalar(text(f"SELECT version_num FROM {_TABLE}"))
        return found


def has_any_table(engine: Engine) -> bool:
    """Whether a database holds anything, be it ours or not; the engine is closed afterwards."""
    try:
        with engine.connect() as connection:
            return bool(inspect(connection).get_table_names())
    finally:
        engine.dispose()


def is_up_to_date(engine: Engine) -> bool:
    """Whether a database needs no migration.

    False as well for one that is new, of a newer version, or away: `migrate` tells these apart.
    """
    try:
        return stored_revision(engine) == wanted_revision()
    except DatabaseError:
        return False


def is_there(url: str) -> bool:
    """Whether a database can be opened without making it: a SQLite file that exists, or a server.

    `url` is one that `open_engine` takes.
    """
    parsed = make_url(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()
