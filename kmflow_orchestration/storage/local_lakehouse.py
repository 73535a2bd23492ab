"""Delta tables of one group on this machine's disk, SQL by Sail (design AD2, AD3).

Imported only where it is used: it brings the embedded engine with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow as pa
from deltalake.exceptions import DeltaError

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import (
    RemoteNotFound,
    StatementFailed,
    StorageUnavailable,
    UnsafePath,
)
from kmflow_orchestration.names import TableName
from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.faults import SailUnavailable
from kmflow_orchestration.sail.parquet_commits import (
    add_parquet_file,
    replace_with_parquet_file,
)
from kmflow_orchestration.sail.tables import create_empty, exists, holds_file, read_columns
from kmflow_orchestration.storage.disk_faults import HINT, disk_faults, reason
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.storage.sail_host import SailHost
from kmflow_orchestration.storage.staged_rows import write_parquet
from kmflow_orchestration.storage.table_locks import table_lock
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
    replace_sql,
)
from kmflow_orchestration.tables.arrow_types import canonical
from kmflow_orchestration.tables.definition import Column, TableDefinition

T = TypeVar("T")
# A statement that fails where there is less room than this has most likely failed for want of it.
_HARDLY_ANY_BYTES = 16 << 20


class LocalLakehouse:
    """`Lakehouse` in a directory. One process may use it from many threads, and several
    processes may use one directory: a file lock per table keeps writers apart.
    """

    def __init__(self, own: OwnTables, root: Path, *, clock: Clock) -> None:
        self._own = own
        self._root = root
        self._clock = clock
        self._host = SailHost(own.namespace.catalog)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        def fetch() -> pa.Table:
            with self._session_for(sql) as session:
                return session.fetch(sql, parameters)

        return canonical(self._once_more(fetch))

    def execute(self, sql: str) -> None:
        def run() -> None:
            with self._session_for(sql) as session:
                session.execute(sql)

        self._once_more(run)

    def ensure_table(self, table: TableName, definition: TableDefinition) -> bool:
        directory = self.directory(table)
        if exists(directory):
            return False
        with table_lock(self.directory(table)):
            if exists(directory):
                return False
            with disk_faults(directory):
                create_empty(directory, definition.columns, comment=definition.comment)
            return True

    def columns(self, table: TableName) -> tuple[Column, ...] | None:
        return read_columns(self.directory(table))

    def tables(self, schema: str) -> tuple[TableName, ...]:
        folder = self._root / self._own.check_schema(schema)
        found = sorted(path.name for path in folder.glob("*") if exists(path))
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
        with table_lock(self.directory(table)), self._staging(table) as staged:
            columns = self._columns(table)
            count = write_parquet(
                staged.path,
                table_schema(columns),
                matching_only(typed_batches(rows, columns), matching),
            )

            def commit() -> None:
                if self._matches(table, condition):
                    self._replace(table, condition, columns, staged.path if count else None)
                elif count:
                    staged.is_adopted = True
                    add_parquet_file(staged.path.parent, staged.path.name)

            self._write(table, commit)
            return count

    def merge(self, table: TableName, rows: pa.Table, keys: Sequence[str]) -> None:
        if not rows.num_rows:
            return
        with table_lock(self.directory(table)), self._staging(table) as staged:
            columns = self._columns(table)
            write_parquet(
                staged.path,
                table_schema(columns),
                typed_batches(checked_keys(rows, keys), columns),
            )
            sql = merge_sql(table, keys, columns, parquet_source(str(staged.path)))
            self._write(table, lambda: self._run(table, sql))

    def rebuild(
        self,
        table: TableName,
        columns: Sequence[Column],
        rows: Rows,
        *,
        schema: pa.Schema | None = None,
    ) -> int:
        with table_lock(self.directory(table)), self._staging(table) as staged:
            # Staged first: the rows may come from a query on the very table.
            write_parquet(staged.path, table_schema(columns), typed_batches(rows, columns))
            staged.is_adopted = True
            return self._write(
                table,
                lambda: replace_with_parquet_file(staged.path.parent, staged.path.name, columns),
            )

    def close(self) -> None:
        self._host.close()

    def directory(self, table: TableName) -> Path:
        """Where a table of this group lies.

        Raises:
            GroupMismatch: it is another group's.
            UnsafePath: its name cannot be a folder's, or a symbolic link leads out of the root.
        """
        self._own.check(table)
        directory = self._root / table.schema / table.name
        if not directory.resolve().is_relative_to(self._root.resolve()):
            raise UnsafePath(f"table {table} lies outside its group's folder")
        return directory

    @contextmanager
    def _session_for(self, sql: str) -> Iterator[SailSession]:
        tables = self._own.named_in(sql)
        with self._host.session() as session:
            for table in tables:
                self._register(session, table)
            yield session

    def _register(self, session: SailSession, table: TableName) -> None:
        directory = self.directory(table)
        if exists(directory):
            self._host.register(session, table, directory)

    def _run(self, table: TableName, sql: str) -> None:
        """A statement of our own making, which may name the staged file."""
        with self._host.session() as session:
            self._register(session, table)
            session.execute(sql)

    def _once_more(self, action: Callable[[], T]) -> T:
        """A server that died takes its statements with it: they run again on the next one."""
        try:
            return action()
        except SailUnavailable:
            return action()

    def _write(self, table: TableName, commit: Callable[[], T]) -> T:
        # Sail's texts are not to be matched: every failed write is tried again.
        try:
            return with_retries(
                lambda: self._commit(table, commit),
                may_repeat=lambda error: isinstance(error, (StatementFailed, SailUnavailable)),
                clock=self._clock,
            )
        except StatementFailed as error:
            if shutil.disk_usage(self._root).free < _HARDLY_ANY_BYTES:
                raise StorageUnavailable(
                    f"{self.directory(table)}: {reason(error)}", hint=HINT
                ) from error
            raise

    def _commit(self, table: TableName, commit: Callable[[], T]) -> T:
        try:
            with disk_faults(self.directory(table)):
                return commit()
        except DeltaError as error:
            raise StatementFailed(f"{table}: commit failed: {reason(error)}") from error

    def _matches(self, table: TableName, condition: str) -> bool:
        found = self.query(f"SELECT 1 AS found FROM {table.sql} WHERE {condition} LIMIT 1")
        return bool(found.num_rows)

    def _replace(
        self, table: TableName, condition: str, columns: Sequence[Column], staged: Path | None
    ) -> None:
        if staged is None:
            self._run(table, delete_sql(table, condition))
            return
        source = parquet_source(str(staged))
        self._run(table, replace_sql(table, condition, columns, source))

    def _columns(self, table: TableName) -> tuple[Column, ...]:
        columns = self.columns(table)
        if columns is None:
            raise RemoteNotFound(f"no table {table}", hint="kmflow provision makes the tables")
        return columns

    @contextmanager
    def _staging(self, table: TableName) -> Iterator[_Staged]:
        """A file in the table's own folder, where a commit may adopt it; else it goes again."""
        directory = self.directory(table)
        with disk_faults(directory):
            directory.mkdir(parents=True, exist_ok=True)
        staged = _Staged(directory / f"part-{uuid4()}-c000.zstd.parquet")
        try:
            yield staged
        except BaseException:
            staged.is_adopted = staged.is_adopted and _may_be_in_use(staged.path)
            raise
        finally:
            if not staged.is_adopted:
                staged.path.unlink(missing_ok=True)


@dataclass(slots=True)
class _Staged:
    """A file of rows. `is_adopted` is set before a commit that makes it the table's is tried.

    After a failure the table is asked: an orphan is harmless where a missing file is not.
    """

    path: Path
    is_adopted: bool = False


def _may_be_in_use(staged: Path) -> bool:
    """Whether a table took a file of its folder in, although the commit failed; nobody else writes
    it meanwhile."""
    try:
        return holds_file(staged.parent, staged.name)
    except (DeltaError, OSError):
        return True
