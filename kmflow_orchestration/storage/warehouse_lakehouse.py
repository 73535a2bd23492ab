"""Delta tables of one group in Unity Catalog, SQL on a warehouse (design AD3, row B7)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.converters.private_folder import PrivateFolder
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.errors import KmflowError, RemoteNotFound, StatementFailed
from kmflow_orchestration.names import TableName, VolumePath
from kmflow_orchestration.storage.disk_faults import disk_fault
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.storage.staged_rows import write_parquet
from kmflow_orchestration.storage.staging import Staging
from kmflow_orchestration.storage.typed_rows import (
    Rows,
    checked_keys,
    matching_only,
    table_schema,
    typed_batches,
)
from kmflow_orchestration.storage.write_retries import with_retries
from kmflow_orchestration.storage.write_sql import (
    delete_sql,
    merge_sql,
    parquet_source,
    predicate,
    rebuild_sql,
    replace_sql,
)
from kmflow_orchestration.tables.definition import Column, TableDefinition

T = TypeVar("T")


class WarehouseLakehouse:
    """`Lakehouse` on a SQL warehouse. A write is three requests and its polls: rows go up as one
    Parquet file, one statement takes them in, the file goes again.
    """

    def __init__(
        self,
        own: OwnTables,
        volume: VolumePath,
        *,
        statements: Statements,
        files: VolumeFiles,
        catalog: UnityCatalog,
        clock: Clock,
    ) -> None:
        self._own = own
        self._staging = Staging(volume, files)
        self._statements = statements
        self._catalog = catalog
        self._clock = clock
        self._known: dict[TableName, tuple[Column, ...]] = {}
        self._lock = threading.Lock()

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        self._own.named_in(sql)
        return self._statements.fetch(sql, parameters)

    def execute(self, sql: str) -> None:
        self._own.named_in(sql)
        self._write(lambda: self._statements.execute(sql))

    def ensure_table(self, table: TableName, definition: TableDefinition) -> bool:
        if self.columns(table) is not None:
            return False
        self._statements.execute(definition.create_sql(self._own.check(table)))
        return True

    def columns(self, table: TableName) -> tuple[Column, ...] | None:
        columns = self._catalog.table_columns(self._own.check(table))
        with self._lock:
            if columns is None:
                self._known.pop(table, None)
            else:
                self._known[table] = columns
        return columns

    def tables(self, schema: str) -> tuple[TableName, ...]:
        catalog = self._own.namespace.catalog
        found = sorted(self._catalog.tables(catalog, self._own.check_schema(schema)))
        return tuple(self._own.table(schema, name) for name in found)

    def replace(
        self,
        table: TableName,
        rows: Rows,
        *,
        schema: pa.Schema | None = None,
        matching: Mapping[str, Sequence[str]],
    ) -> int:
        condition = predicate(matching)
        columns = self._columns(table)
        batches = matching_only(typed_batches(rows, columns), matching)
        with _parquet(columns, batches) as (staged, count):
            if count:
                self._with_staged(
                    staged, lambda source: replace_sql(table, condition, columns, source)
                )
            else:
                self._write(lambda: self._statements.execute(delete_sql(table, condition)))
        return count

    def merge(self, table: TableName, rows: pa.Table, keys: Sequence[str]) -> None:
        if not rows.num_rows:
            return
        columns = self._columns(table)
        batches = typed_batches(checked_keys(rows, keys), columns)
        with _parquet(columns, batches) as (staged, _):
            self._with_staged(staged, lambda source: merge_sql(table, keys, columns, source))

    def rebuild(
        self,
        table: TableName,
        columns: Sequence[Column],
        rows: Rows,
        *,
        schema: pa.Schema | None = None,
    ) -> int:
        self._own.check(table)
        self._forget(table)
        with _parquet(columns, typed_batches(rows, columns)) as (staged, count):
            self._with_staged(staged, lambda source: rebuild_sql(table, columns, source))
        return count

    def close(self) -> None:
        """Nothing of its own to close: the client belongs to the process."""

    def _columns(self, table: TableName) -> tuple[Column, ...]:
        self._own.check(table)
        with self._lock:
            known = self._known.get(table)
        columns = known or self.columns(table)
        if columns is None:
            raise RemoteNotFound(f"no table {table}", hint="kmflow provision makes the tables")
        return columns

    def _forget(self, table: TableName) -> None:
        with self._lock:
            self._known.pop(table, None)

    def _with_staged(self, staged: Path, sql: Callable[[str], str]) -> None:
        """One statement over a file of rows in the group's Volume, which is removed afterwards."""
        try:
            with self._staging.holding(staged) as remote:
                statement = sql(parquet_source(remote.text))
                self._write(lambda: self._statements.execute(statement))
        except StatementFailed:
            # The table may have got other columns than those remembered here.
            with self._lock:
                self._known.clear()
            raise

    def _write(self, write: Callable[[], T]) -> T:
        return with_retries(write, may_repeat=_is_conflict, clock=self._clock)


def _is_conflict(error: KmflowError) -> bool:
    return isinstance(error, StatementFailed) and error.error_code.startswith("DELTA_CONCURRENT_")


def _scratch_folder() -> PrivateFolder:
    try:
        return PrivateFolder("rows")
    except OSError as error:  # also FileNotFoundError, where no folder can be written to
        raise disk_fault("TMPDIR", error) from error


@contextmanager
def _parquet(
    columns: Sequence[Column], batches: Iterable[pa.RecordBatch]
) -> Iterator[tuple[Path, int]]:
    """Rows in a file of a temporary folder, and how many they are."""
    folder = _scratch_folder()
    try:
        path = folder.path / "rows.parquet"
        # NOT NULL is checked already; engines disagree on it inside Parquet files.
        yield path, write_parquet(path, table_schema(columns), batches)
    finally:
        folder.remove()
