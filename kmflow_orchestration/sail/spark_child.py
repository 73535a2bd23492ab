"""A Spark session for one child process: a Sail server of its own with its tables in place.

One server per child, because nothing inside a server keeps tenants apart (global views, paths of
the host), because catalogs are fixed at its start, and because ending it is the one true cancel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.process import (
    DEFAULT_ALLOWED_RSS_BYTES,
    DEFAULT_CATALOG,
    SailServer,
)
from kmflow_orchestration.sail.tables import create_schema, register


class SparkForChild:
    """Server and session that a child joins by an unmodified `SparkSession.builder.getOrCreate()`.

    Every table is there under its three-part name. Stop it when the child has ended; stopping it
    earlier is how a running child loses its engine.

    Raises:
        SailUnavailable: the server did not start.
        SailError: a table could not be registered.
    """

    def __init__(
        self,
        tables: Mapping[TableName, Path],
        *,
        catalogs: Iterable[str] = (),
        allowed_rss_bytes: int = DEFAULT_ALLOWED_RSS_BYTES,
    ) -> None:
        names = sorted({*catalogs, *(table.catalog for table in tables)}) or [DEFAULT_CATALOG]
        self.server = SailServer(catalogs=names, allowed_rss_bytes=allowed_rss_bytes)
        self.session = SailSession(self.server.address)
        try:
            self._register(tables)
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What the child needs in its environment."""
        # Its gRPC would otherwise ask a proxy for a server on this machine.
        return {"SPARK_REMOTE": self.session.remote, "no_grpc_proxy": "127.0.0.1"}

    def stop(self) -> None:
        """End session and server at once; a second call does nothing."""
        self.session.close()
        self.server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _register(self, tables: Mapping[TableName, Path]) -> None:
        for catalog, schema in sorted({(table.catalog, table.schema) for table in tables}):
            create_schema(self.session, f"{quoted(catalog)}.{quoted(schema)}")
        for table, directory in tables.items():
            register(self.session, table.sql, directory)
