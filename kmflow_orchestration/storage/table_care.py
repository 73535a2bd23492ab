"""Care of a group's tables wherever they lie: compaction, old files, versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deltalake.exceptions import DeltaError

from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.errors import InvalidSettings, RemoteNotFound, StatementFailed
from kmflow_orchestration.names import TableName
from kmflow_orchestration.sail import maintenance
from kmflow_orchestration.sail.maintenance import LEAST_RETAINED_HOURS, Commit
from kmflow_orchestration.sail.tables import exists
from kmflow_orchestration.storage.disk_faults import disk_faults, reason
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.storage.table_locks import table_lock

if TYPE_CHECKING:
    from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse


class TableCare(Protocol):
    """What an operator may do to a table without changing what it says now, or back to before.

    All raise GroupMismatch for another group's table, RemoteNotFound or StatementFailed for one
    that is not there or cannot be cared for.
    """

    def history(self, table: TableName, limit: int) -> list[Commit]:
        """The newest versions, newest first."""
        ...

    def optimize(self, table: TableName) -> None:
        """Few large files out of many small ones."""
        ...

    def vacuum(self, table: TableName, *, retain_hours: int, dry_run: bool) -> list[str]:
        """Remove files no version of the last hours needs; those that a dry run would remove."""
        ...

    def restore(self, table: TableName, version: int) -> None:
        """Make a version the newest once more; what came after it stays in the history."""
        ...


class LocalCare:
    """`TableCare` of tables on this machine."""

    def __init__(self, lakehouse: LocalLakehouse) -> None:
        self._lakehouse = lakehouse

    def history(self, table: TableName, limit: int) -> list[Commit]:
        with self._caring(table) as directory:
            return maintenance.history(directory, limit)

    def optimize(self, table: TableName) -> None:
        with self._caring(table) as directory:
            maintenance.compact(directory)

    def vacuum(self, table: TableName, *, retain_hours: int, dry_run: bool) -> list[str]:
        _check_hours(retain_hours)
        with self._caring(table) as directory:
            gone = maintenance.vacuum(directory, retain_hours=retain_hours, dry_run=dry_run)
        return gone if dry_run else []

    def restore(self, table: TableName, version: int) -> None:
        with self._caring(table) as directory:
            if not maintenance.restore(directory, version):
                raise StatementFailed(f"{table} has no version {version}")

    @contextmanager
    def _caring(self, table: TableName) -> Iterator[Path]:
        directory = self._lakehouse.directory(table)
        if not exists(directory):
            raise RemoteNotFound(f"no table {table}", hint="kmflow provision makes the tables")
        try:
            with table_lock(directory), disk_faults(directory):
                yield directory
        except DeltaError as error:
            raise StatementFailed(f"{table}: {reason(error)}") from error


class WarehouseCare:
    """`TableCare` of tables in Unity Catalog."""

    def __init__(self, own: OwnTables, statements: Statements) -> None:
        self._own = own
        self._statements = statements

    def history(self, table: TableName, limit: int) -> list[Commit]:
        self._own.check(table)
        found = self._statements.fetch(f"DESCRIBE HISTORY {table.sql} LIMIT {int(limit)}")
        return [
            Commit(int(row["version"]), row["timestamp"], str(row["operation"]))
            for row in found.select(["version", "timestamp", "operation"]).to_pylist()
        ]

    def optimize(self, table: TableName) -> None:
        self._own.check(table)
        self._statements.execute(f"OPTIMIZE {table.sql}")

    def vacuum(self, table: TableName, *, retain_hours: int, dry_run: bool) -> list[str]:
        _check_hours(retain_hours)
        self._own.check(table)
        sql = f"VACUUM {table.sql} RETAIN {int(retain_hours)} HOURS"
        if not dry_run:
            self._statements.execute(sql)
            return []
        return [str(path) for path in self._statements.fetch(f"{sql} DRY RUN")["path"].to_pylist()]

    def restore(self, table: TableName, version: int) -> None:
        self._own.check(table)
        self._statements.execute(f"RESTORE TABLE {table.sql} TO VERSION AS OF {int(version)}")


def _check_hours(hours: int) -> None:
    if hours < LEAST_RETAINED_HOURS:
        raise InvalidSettings(
            f"files of the last {LEAST_RETAINED_HOURS} hours may be in use",
            fields=("retain_hours",),
        )
