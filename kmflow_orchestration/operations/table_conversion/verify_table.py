"""Is a table still what its source says? Both are read again and compared (H4, CD-N3)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kmflow_orchestration.clock import iso
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.errors import AccessRefused, InvalidOptions, StatementFailed
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.names import TableName
from kmflow_orchestration.operations.convert.cell_differences import Difference
from kmflow_orchestration.operations.convert.contained_files import convert_whole
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.convert.verify_output import OutputVerification
from kmflow_orchestration.operations.table_conversion.column_sums import TableSums, table_sums
from kmflow_orchestration.operations.table_conversion.column_types import delta_type, selected
from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables
from kmflow_orchestration.operations.table_conversion.loading import Load, loads_of
from kmflow_orchestration.operations.table_conversion.marks import Mark, verified_sql
from kmflow_orchestration.operations.table_conversion.targets import target_of
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import (
    OUT,
    Run,
    copied,
    source_of,
    source_size,
)
from kmflow_orchestration.storage.write_sql import parquet_source


def verify_table(
    text: str,
    source: str | None = None,
    *,
    tables: GroupTables,
    run: Run = convert_whole,
    password: Secret | None = None,
) -> OutputVerification:
    """Convert the source of a table anew and compare: columns, rows, NULLs, sums of hashes.

    Both sides are counted by the group's warehouse. What came out is noted as a property of the
    table. Without `source` the table says where it lies, if that is a Volume.

    Raises:
        InvalidOptions: no conversion made the table, or its source or options are not known.
        GroupMismatch, PlaceNotAllowed: the table or the source is not the group's.
        DatabricksConversionError: or one of its kinds: the source cannot be converted any more.
        AccessRefused, RemoteFault: the workspace refused it, or could not be reached.
    """
    table = target_of(text, tables.places)
    mark = _mark(tables, table)
    where = source_of(table, mark.source, source)
    origin = tables.volumes.source(where)
    size = source_size(tables.volumes, origin)
    with tables.volumes.work(size) as work:
        copy = copied(tables.volumes, origin, size, work / "in", Progress())
        comparing = _Comparing(tables, table, mark, [])
        if sha256_of(copy) != mark.source_sha256:
            found = [Difference(copy.name, "these are not the bytes that were converted")]
        else:
            named = _named_as_then(copy, mark, work)
            found = list(comparing.differences(named, work, run, password))
        _note(tables, table, len(found), comparing.notes)
        return OutputVerification(
            table.text,
            where,
            "",
            1,
            comparing.rows,
            comparing.columns,
            tuple(found),
            tuple(comparing.notes),
        )


def _mark(tables: GroupTables, table: TableName) -> Mark:
    properties = tables.catalog.table_properties(table)
    mark = Mark.of(properties or {})
    if mark is None:
        why = "there is no table" if properties is None else "no conversion made the table"
        raise InvalidOptions(f"{why} {table}", hint="name one that `kmflow convert --table` made")
    return mark


def _named_as_then(copy: Path, mark: Mark, work: Path) -> Path:
    """Its name may say how the content is to be read."""
    name = PurePosixPath(mark.source).name
    if name == copy.name:
        return copy
    folder = work / "named"
    folder.mkdir()
    link = folder / name
    link.symlink_to(copy.resolve())
    return link


@dataclass
class _Comparing:
    """One table and what its source becomes now."""

    tables: GroupTables
    table: TableName
    mark: Mark
    notes: list[str]
    rows: int = 0
    columns: int = 0

    def differences(
        self, source: Path, work: Path, run: Run, password: Secret | None
    ) -> Iterator[Difference]:
        load = self._converted(source, work, run, password)
        if load is None:
            yield Difference(source.name, f"it has no part {self.mark.part} any more")
            return
        import pyarrow.parquet as pq

        schema = pq.read_schema(load.file)
        self.rows, self.columns = load.rows, len(schema)
        wanted = {field.name: delta_type(field.type) or "" for field in schema}
        selection = selected(schema, self.table.text)
        there = self._types_there()
        yield from self._of_columns(wanted, there)
        common = [name for name in wanted if name in there]
        with self.tables.staging.holding(load.file) as place:
            staged = f"(SELECT {selection} FROM {parquet_source(place.text)}) AS staged"
            expected = table_sums(self.tables.statements, staged, common)
        held = table_sums(self.tables.statements, self.table.sql, common)
        yield from self._of_sums(expected, held)

    def _converted(
        self, source: Path, work: Path, run: Run, password: Secret | None
    ) -> Load | None:
        """The part that the table was made of. Raises InvalidOptions where options are unknown."""
        kept: dict[str, Any] = json.loads(self.mark.options) if self.mark.options else {}
        usual = {"format_type": "parquet", "column_names": "safe"}
        options = conversion_options({**usual, **kept})
        done = run(
            source, f"{work / OUT}/", options, password=password, recorded_source=self.mark.source
        )
        files = [Path(one) for one in done["outputs"]]
        loads = loads_of(done["manifest"], files, self.table)
        load = next((one for one in loads if one.mark.part == self.mark.part), None)
        if load is not None and load.mark.key != self.mark.key:
            if not self.mark.options:
                raise InvalidOptions(
                    f"{self.table} does not say by which options it was made",
                    hint="convert it again with --force; from then on it does",
                )
            self.notes.append("what converts the source, or what comes out of it, has changed")
        return load

    def _types_there(self) -> dict[str, str]:
        columns = self.tables.catalog.table_columns(self.table) or ()
        return {column.name: column.type.upper() for column in columns}

    def _of_columns(self, wanted: dict[str, str], there: dict[str, str]) -> Iterator[Difference]:
        name = self.table.text
        for column, kind in wanted.items():
            if column not in there:
                yield Difference(name, "the column is not there", column)
            elif there[column] != kind:
                yield Difference(name, f"it is {there[column]} instead of {kind}", column)
        for column in there:
            if column not in wanted:
                yield Difference(name, "the source has no such column", column)

    def _of_sums(self, expected: TableSums, held: TableSums) -> Iterator[Difference]:
        name = self.table.text
        if held.rows != expected.rows:
            yield Difference(name, f"{held.rows} rows instead of {expected.rows}")
        different = False
        for column, one in expected.columns.items():
            found = held.columns[column]
            if found.nulls != one.nulls:
                yield Difference(name, f"{found.nulls} NULLs instead of {one.nulls}", column)
            if found.hashes != one.hashes:
                yield Difference(name, "its values are others", column)
            different = different or found != one
        if not different and held.rows == expected.rows and held.row_hashes != expected.row_hashes:
            yield Difference(name, "its rows hold values of one another")


def _note(tables: GroupTables, table: TableName, differences: int, notes: list[str]) -> None:
    """Write into the table what came out; one that may not be changed stays as it is."""
    told = verified_sql(iso(tables.volumes.clock.now()), differences)
    try:
        tables.statements.execute(f"ALTER TABLE {table.sql} SET TBLPROPERTIES ({told})")
    except (AccessRefused, StatementFailed) as error:
        notes.append(f"what came out could not be noted at the table: {error.message}")
