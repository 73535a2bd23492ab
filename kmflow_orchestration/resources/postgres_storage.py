"""Dagster's storage on PostgreSQL, as `dagster.postgres.yaml` names it (row G14)."""

from collections.abc import Mapping
from typing import Any, Self

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from kmflow_orchestration.metadata.reachable import (
    check_reachable,
    postgresql_url,
    with_driver,
)

VARIABLE = "KMFLOW_DAGSTER_POSTGRES_URL"


class PostgresStorage(DagsterPostgresStorage):
    """dagster-postgres behind psycopg2, in whatever spelling the address is given.

    SQLAlchemy 2.1 takes `postgresql://` for psycopg 3, which refuses what dagster-postgres sends
    (a NOTIFY with a parameter) and reports a table that is there by another name.
    """

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage.

        Raises:
            ConfigurationError: no PostgreSQL address.
            MetadataUnavailable: the server does not answer; names host and variable.
        """
        address = config_value["postgres_url"]
        url = postgresql_url(address, of="Dagster storage", variable=VARIABLE)
        check_reachable(url, variable=VARIABLE)
        return cls(with_driver(url, "psycopg2"), inst_data=inst_data)
