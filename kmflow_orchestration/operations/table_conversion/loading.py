"""The tables of one source: all of them as this call makes them, or as they were.

Each is one statement over a staged file. No statement takes several tables in at once: what was
made before one that failed is dropped, and what was replaced gets its earlier version back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from kmflow_orchestration.databricks_client.interrupts import not_given_up
from kmflow_orchestration.errors import (
    DataLossError,
    KmflowError,
    OutputExistsError,
    StatementFailed,
    StorageUnavailable,
)
from kmflow_orchestration.names import TableName, VolumePath, literal
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.table_conversion.column_types import selected
from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables
from kmflow_orchestration.operations.table_conversion.marks import Mark, no_mark_sql
from kmflow_orchestration.operations.table_conversion.targets import part_tables
from kmflow_orchestration.operations.volume_conversion.volumes import WRITE, naming_grants
from kmflow_orchestration.storage.write_sql import parquet_source

_IS_THERE = frozenset({"TABLE_OR_VIEW_ALREADY_EXISTS", "TABLE_ALREADY_EXISTS"})


@dataclass(frozen=True, slots=True)
class Load:
    """One table to be, the Parquet file with its rows, and how many they are."""

    table: TableName
    file: Path
    rows: int
    mark: Mark
    source_name: str


@dataclass
class Loading:
    """`force` replaces whatever is there; `by_place` an earlier version of the same source.

    With `rewrites` what is there already as it would be made is made anew. `_there` holds the marks
    of tables that are there, None of one that no conversion made.
    """

    tables: GroupTables
    loads: Sequence[Load]
    force: bool = False
    by_place: bool = False
    rewrites: bool = False
    _there: dict[TableName, Mark | None] = field(default_factory=dict)
    _versions: dict[TableName, int] = field(default_factory=dict)
    _touched: list[Load] = field(default_factory=list)

    def check(self) -> tuple[Load, ...]:
        """Those tables that are to be made.

        Raises:
            OutputExistsError: something else is there, and may not be replaced.
        """
        due = []
        for load in self.loads:
            properties = self.tables.catalog.table_properties(load.table)
            if properties is None:
                due.append(load)
                continue
            mark = Mark.of(properties)
            self._there[load.table] = mark
            if mark is not None and mark.is_same(load.mark) and not self.rewrites:
                continue
            is_own = mark is not None and mark.is_of_source(load.mark, by_place=self.by_place)
            if not (self.force or is_own):
                raise _exists(load.table, mark)
            due.append(load)
        return tuple(due)

    def carry_out(self, progress: Progress) -> bool:
        """Make them; whether there was anything to make.

        Raises:
            OutputExistsError: as `check`, or somebody was quicker.
            UnsupportedFormatError: a column has a type that no table has.
            FileTooLargeError: a file is larger than may be moved.
            DataLossError: a table has not as many rows as went up.
            StorageUnavailable: what a fault left could not be put back, and is named.
            VolumeNotFoundError: the group has no Volume to stage files in.
            AccessRefused, RemoteFault: the workspace refused it, or could not be reached.
        """
        due = self.check()
        if not due:
            return False
        # Columns and sizes of all of them before anything is sent.
        selections = {load.table: _selected(load) for load in due}
        for load in due:
            self.tables.volumes.check_size(load.table.text, load.file.stat().st_size)
        for load in due:
            if load.table in self._there:
                self._versions[load.table] = self._version(load.table)
        try:
            self._make(due, selections, progress)
        except BaseException as error:
            with not_given_up():
                left = self._undo()
            if left:
                raise StorageUnavailable(
                    f"{error}; and these could not be put back as they were: {', '.join(left)}",
                    hint="look at their history, and convert again with --force",
                ) from error
            raise
        return True

    def _make(
        self, due: Sequence[Load], selections: Mapping[TableName, str], progress: Progress
    ) -> None:
        with ExitStack() as staged:
            places = []
            for at, load in enumerate(due):
                progress.at("upload", at, 2 * len(due), "files", load.table.name)
                with naming_grants(self.tables.places.config.volume, WRITE):
                    places.append(staged.enter_context(self.tables.staging.holding(load.file)))
            # What is new first: it can be taken back without a trace.
            pairs = zip(due, places, strict=True)
            in_order = sorted(pairs, key=lambda pair: pair[0].table in self._there)
            for at, (load, place) in enumerate(in_order, start=len(due)):
                progress.at("upload", at, 2 * len(due), "tables", load.table.name)
                self._touched.append(load)
                self._run(load, selections[load.table], place)
                self._check_rows(load)
        progress.at("upload", 1, 1, "tables", due[-1].table.name)

    def _run(self, load: Load, selection: str, place: VolumePath) -> None:
        verb = "CREATE OR REPLACE TABLE" if load.table in self._there else "CREATE TABLE"
        about = literal(f"from {load.source_name} by kmflow convert")
        try:
            self.tables.statements.execute(
                f"{verb} {load.table.sql} USING DELTA\n"
                f"COMMENT {about}\n"
                f"TBLPROPERTIES ({load.mark.sql})\n"
                f"AS SELECT {selection} FROM {parquet_source(place.text)}"
            )
        except StatementFailed as error:
            if error.error_code not in _IS_THERE:
                raise
            mark = self._mark(load.table)
            # Of a statement whose answer was lost, the repeat meets its own table; or another call
            # of the same, killed or not, has made it meanwhile.
            if mark is None or not mark.is_same(load.mark):
                raise _exists(load.table, mark) from error

    def _mark(self, table: TableName) -> Mark | None:
        return Mark.of(self.tables.catalog.table_properties(table) or {})

    def _is_ours(self, load: Load) -> bool:
        """Whether a table is the one that this call made."""
        mark = self._mark(load.table)
        return mark is not None and mark.run == load.mark.run

    def _check_rows(self, load: Load) -> None:
        found = self.tables.statements.fetch_small(f"SELECT COUNT(*) AS n FROM {load.table.sql}")
        rows = int(found["n"][0].as_py())
        if rows != load.rows:
            raise DataLossError(f"{load.table} has {rows} rows of the {load.rows} that went up")

    def _version(self, table: TableName) -> int:
        sql = f"DESCRIBE HISTORY {table.sql} LIMIT 1"
        return int(self.tables.statements.fetch_small(sql)["version"][0].as_py())

    def _undo(self) -> list[str]:
        """Drop what is new and put back what was replaced; what could not be, by name."""
        left = []
        for load in reversed(self._touched):
            try:
                if self._is_ours(load):
                    self._put_back(load.table)
            except KmflowError:
                left.append(load.table.text)
        return left

    def _put_back(self, table: TableName) -> None:
        execute = self.tables.statements.execute
        if table not in self._there:
            execute(f"DROP TABLE IF EXISTS {table.sql}")
            return
        mark = self._there[table]
        # The mark first: rows under the mark of others would pass for unchanged.
        told = no_mark_sql() if mark is None else mark.sql
        execute(f"ALTER TABLE {table.sql} SET TBLPROPERTIES ({told})")
        execute(f"RESTORE TABLE {table.sql} TO VERSION AS OF {self._versions[table]}")


def loads_of(
    manifest: Mapping[str, Any], files: Sequence[Path], target: TableName
) -> tuple[Load, ...]:
    """The tables that files of one result become. Raises PlaceNotAllowed."""
    run = uuid4().hex
    outputs = manifest["outputs"]
    names = part_tables(target, [one["part"] for one in outputs])
    return tuple(
        Load(name, file, one["rows"], Mark.made_by(manifest, one, run), manifest["source_name"])
        for name, file, one in zip(names, files, outputs, strict=True)
    )


def _selected(load: Load) -> str:
    import pyarrow.parquet as pq

    return selected(pq.read_schema(load.file), load.table.text)


def _exists(table: TableName, mark: Mark | None) -> OutputExistsError:
    made_of = f", made of {mark.source}" if mark is not None else ", and no conversion made it"
    return OutputExistsError(
        f"{table} is there already{made_of}", hint="--force replaces it; or name another --table"
    )
