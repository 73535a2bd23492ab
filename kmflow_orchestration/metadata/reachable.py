"""Whether a PostgreSQL server answers, for databases that are not ours to open."""

from __future__ import annotations

from sqlalchemy import URL

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.engine import parse_url
from kmflow_orchestration.metadata.postgresql import is_postgresql, open_postgresql
from kmflow_orchestration.metadata.unavailable import DATABASE_FAULTS, unavailable


def postgresql_url(text: str, *, of: str, variable: str) -> URL:
    """Reads an address. Raises ConfigurationError when it is none of PostgreSQL."""
    url = parse_url(text, of=of, variable=variable)
    if not is_postgresql(url):
        raise ConfigurationError(
            f"the {of} cannot be {url.get_backend_name()}",
            fields=(variable,),
            hint="use postgresql://user@host:5432/database",
        )
    return url


def with_driver(url: URL, driver: str) -> str:
    """The address for programs that need a driver of their own, with its password."""
    return url.set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)


def is_same_database(url: URL, other: str) -> bool:
    """Whether two addresses name one database, whoever connects there."""
    return is_postgresql(parse_url(other)) and _place(url) == _place(parse_url(other))


def _place(url: URL) -> tuple[object, ...]:
    return (url.host, url.port or 5432, url.database, url.query.get("host"))


def check_reachable(url: URL, *, variable: str) -> None:
    """Connect once.

    Raises:
        MetadataUnavailable: names host and variable, never user or password.
    """
    engine = open_postgresql(url)
    try:
        with engine.connect():
            pass
    except DATABASE_FAULTS as error:
        fault = unavailable(error, url, variable=variable)
        if fault is None:
            raise
        raise fault from error
    finally:
        engine.dispose()
