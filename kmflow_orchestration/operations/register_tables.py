"""Tables of a data catalog's entries in Unity Catalog: made, tagged, handed over (B20)."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.errors import InvalidSettings, KmflowError
from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.tables.catalog_entries import (
    CatalogEntry,
    EntryDdl,
    entry_ddl,
    owner_sql,
    tags_sql,
)

logger = logging.getLogger(__name__)
OK = "ok"


class Registered(dict[str, str]):
    """`layer.dataset` → `ok` or `error: …`, with what had to be decided in `warnings`."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: dict[str, tuple[str, ...]] = {}

    @property
    def errors(self) -> dict[str, str]:
        """Those that are not in the catalog as their entry says."""
        return {key: outcome for key, outcome in self.items() if outcome != OK}


def register_tables(
    client: WorkspaceCalls,
    entries: Iterable[CatalogEntry],
    catalog: str,
    schema: str,
    warehouse_id: str = "",
    *,
    clock: Clock | None = None,
) -> Registered:
    """Make each entry's table unless it is there, tag it, and give it to its owner.

    One entry that fails does not stop the others; run again, it changes nothing. Without a
    `warehouse_id` one of the workspace is found. Nothing is raised for an entry's sake.
    """
    now = clock or SystemClock()
    statements = Statements(client, Warehouse(client, warehouse_id, clock=now), now)
    work = _Registration(statements, UnityCatalog(client), catalog, schema)
    for entry in entries:
        work.register(entry)
    return work.done


class _Registration:
    """One call's work; remembers schemas and names that were seen to."""

    def __init__(
        self, statements: Statements, unity: UnityCatalog, catalog: str, schema: str
    ) -> None:
        self.done = Registered()
        self._statements = statements
        self._unity = unity
        self._place = (catalog, schema)
        self._schemas: dict[str, str] = {}
        self._origins: dict[str, str] = {}

    def register(self, entry: CatalogEntry) -> None:
        outcome = OK
        try:
            ddl = entry_ddl(entry, *self._place)
            self._check_name(entry, ddl.table)
            if ddl.warnings:
                self.done.warnings[entry.key] = ddl.warnings
            self._make(entry, ddl)
        except KmflowError as error:
            outcome = f"error: {error}"
            logger.warning("%s is not registered: %s", entry.key, error)
        # What failed under a key is told, whatever else has the same.
        if self.done.get(entry.key, OK) == OK:
            self.done[entry.key] = outcome

    def _check_name(self, entry: CatalogEntry, table: TableName) -> None:
        known = self._origins.setdefault(table.text.lower(), entry.dataset_name)
        if known != entry.dataset_name or entry.key in self.done:
            raise InvalidSettings(
                f"{known!r} and {entry.dataset_name!r} would both be table {table}",
                fields=("dataset_name",),
            )

    def _make(self, entry: CatalogEntry, ddl: EntryDdl) -> None:
        self._ensure_schema(ddl.table)
        self._statements.execute(ddl.statement)
        owner = self._unity.table_owner(ddl.table)
        if owner is None:
            raise KmflowError(
                f"{ddl.table} was made and is not in the catalog",
                hint="check that its name is not taken by something that may not be seen",
            )
        if entry.classification:
            self._statements.execute(tags_sql(entry, ddl.table))
        # Last: afterwards it may be another's to change.
        if entry.owner and entry.owner != owner:
            self._statements.execute(owner_sql(entry, ddl.table))

    def _ensure_schema(self, table: TableName) -> None:
        """Once per layer; what failed for one entry fails for all of its layer."""
        if table.schema not in self._schemas:
            self._schemas[table.schema] = self._schema_problem(table)
        if self._schemas[table.schema]:
            raise KmflowError(
                f"schema {table.catalog}.{table.schema}: {self._schemas[table.schema]}"
            )

    def _schema_problem(self, table: TableName) -> str:
        place = f"{quoted(table.catalog)}.{quoted(table.schema)}"
        try:
            # To make it again takes a privilege even where it is there.
            if table.schema not in self._unity.schemas(table.catalog):
                self._statements.execute(f"CREATE SCHEMA IF NOT EXISTS {place}")
        except KmflowError as error:
            return str(error)
        return ""
