"""Where a demo's Dagster keeps its runs: SQLite in its home, or PostgreSQL (row G14, AD14)."""

from __future__ import annotations

import os
from importlib.util import find_spec

from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.errors import ConfigurationError, MissingDependency
from kmflow_orchestration.metadata.reachable import (
    check_reachable,
    is_same_database,
    postgresql_url,
)

VARIABLE = "KMFLOW_DAGSTER_POSTGRES_URL"


def prepare_storage(home: Home, settings: Settings) -> None:
    """Make DAGSTER_HOME with the settings file of its storage.

    Raises:
        ConfigurationError: no PostgreSQL address, or that of the control database.
        MissingDependency: dagster-postgres is not installed.
        MetadataUnavailable: the server does not answer; SQLite is never used in its place.
    """
    if not settings.dagster_postgres_url:
        home.prepare_dagster()
        return
    if find_spec("dagster_postgres") is None:
        raise MissingDependency(
            f"{VARIABLE} is set, and dagster-postgres is not installed",
            hint='pip install "kmflow_orchestration[postgres]"',
        )
    url = postgresql_url(settings.dagster_postgres_url, of="Dagster storage", variable=VARIABLE)
    if is_same_database(url, settings.control_database_url):
        raise ConfigurationError(
            "Dagster and the control database cannot share one database: each has its own version",
            fields=(VARIABLE, "KMFLOW_DATABASE_URL"),
            hint="create a second database for Dagster",
        )
    check_reachable(url, variable=VARIABLE)
    # The settings file names the variable, and the address may stand in `.env` only.
    os.environ[VARIABLE] = settings.dagster_postgres_url
    home.prepare_dagster("dagster.postgres.yaml")


def make_storage(home: Home) -> None:
    """Make what is not there of the storage that `prepare_storage` chose.

    Before several processes open it: of those that make one at the same moment Dagster lets only
    one live.
    """
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home.dagster)):
        pass
