"""A table of an Access database: read once, and set aside on disk in its own types (D29)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.access_databases.catalogue import Relation
from kmflow_orchestration.converters.access_databases.definition import (
    AccessColumn,
    Form,
    TableDefinition,
)
from kmflow_orchestration.converters.access_databases.pages import Pages
from kmflow_orchestration.converters.access_databases.rows import rows_of
from kmflow_orchestration.converters.access_databases.values import (
    arrow_type_of,
    reader_of,
    type_of,
)
from kmflow_orchestration.converters.arrow_values import as_type
from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    ROWS_DIFFER,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
)
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch
from kmflow_orchestration.converters.type_lattice import STRING, TIMESTAMP_NTZ, ColumnType
from kmflow_orchestration.errors import CorruptInput

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute
_BATCH_ROWS = 4096
_LONGEST_MOMENT = len("2019-01-01T00:00:00.000001")
# Memos of a batch lie in memory together.
_BATCH_BYTES = 32 << 20


class AccessTable:
    """See ConvertedTable; types are those of the schema, and every value was read into them."""

    def __init__(
        self,
        part: str,
        table: TableDefinition,
        pages: Pages,
        origin: Origin,
        *,
        about: Mapping[str, str],
        on_rows: Callable[[int], None],
    ) -> None:
        """Reads all of it; `on_rows` hears how many rows so far. Raises CorruptInput."""
        self.part = part
        self._spool = RowSpool()
        columns = table.columns
        nulls = [0] * len(columns)
        places: list[SpooledBatch] = []
        rows = 0
        finer: set[int] = set()
        for batch in _batches(pages, table):
            places.append(self._spool.add(batch))
            rows += batch.num_rows
            on_rows(rows)
            for at, column in enumerate(columns):
                nulls[at] += batch.column(at).null_count
                if column.form is Form.MOMENT_EXTENDED and _is_finer(batch.column(at)):
                    finer.add(at)
        self._places = tuple(places)
        headers = [column.name for column in columns]
        types = [STRING if at in finer else type_of(column) for at, column in enumerate(columns)]
        self.facts = tuple(
            ColumnFact(name, column.name, kind, count, notes=_notes(column))
            for name, column, kind, count in zip(
                column_names(headers), columns, types, nulls, strict=True
            )
        )
        self.receipt = Receipt(
            *(origin.converter, origin.version, origin.content_hash, rows, rows),
            options={**about, **dict(_keys(table))},
        )
        text = "some of its times are finer than a microsecond: all of them are text"
        self.warnings: tuple[ConversionWarning, ...] = tuple(
            ConversionWarning("moments_as_text", text, f"table {part}, column {columns[at].name}")
            for at in sorted(finer)
        )
        if rows != table.rows:
            text = f"{rows} rows are there, and the table counts {table.rows}"
            differs = ConversionWarning(ROWS_DIFFER, text, f"table {part}")
            self.warnings = (differs, *self.warnings)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self.facts]
        names = [SOURCE_ROW, *(fact.name for fact in self.facts), RESCUED_DATA]
        first = 1
        for place in self._places:
            batch = self._spool.read(place)
            columns: list[Any] = [pa.array(range(first, first + batch.num_rows), pa.int64())]
            for fact, values, kind in zip(self.facts, batch.columns, wanted, strict=False):
                # Extended moments are texts as yet.
                is_text = fact.type == TIMESTAMP_NTZ and pa.types.is_string(values.type)
                own = values.cast(pa.timestamp("us")) if is_text else values
                columns.append(as_type(own, kind))
            columns.append(pa.nulls(batch.num_rows, pa.string()))
            yield pa.RecordBatch.from_arrays(columns, names=names)
            first += batch.num_rows


def relations_of(name: str, relations: Sequence[Relation]) -> Iterator[tuple[str, str]]:
    """What the receipt of a table says of its partners."""
    own = [
        {
            "name": one.name,
            "table": one.table,
            "columns": list(one.columns),
            "references": one.other_table,
            "referenced_columns": list(one.other_columns),
            "is_checked": one.is_checked,
            "flags": list(one.flags),
        }
        for one in relations
        if name in (one.table, one.other_table)
    ]
    if own:
        yield "relations", json.dumps(own, ensure_ascii=False)


def _batches(pages: Pages, table: TableDefinition) -> Iterator[pa.RecordBatch]:
    columns = table.columns
    readers = [reader_of(column, pages) for column in columns]
    kinds = [arrow_type_of(column) for column in columns]
    # One more than there are: how many rows a batch has must show in a table without columns, too.
    names = [str(at) for at in range(len(columns) + 1)]
    rows = rows_of(pages, table)
    while True:
        values: list[list[Any]] = [[] for _ in columns]
        count = size = 0
        for cells in islice(rows, _BATCH_ROWS):
            count += 1
            for into, read, cell in zip(values, readers, cells, strict=True):
                value = None if cell is None else read(cell)
                into.append(value)
                if type(value) is str:
                    size += len(value)
            if size > _BATCH_BYTES:
                break
        if not count:
            return
        arrays: list[Any] = [
            _array(column, into, kind)
            for column, into, kind in zip(columns, values, kinds, strict=True)
        ]
        arrays.append(pa.nulls(count))
        yield pa.RecordBatch.from_arrays(arrays, names=names)


def _is_finer(moments: Any) -> bool:
    """Whether one of them, as texts, has a seventh digit behind the point."""
    longest = pc.max(pc.binary_length(moments)).as_py()
    return longest is not None and longest > _LONGEST_MOMENT


def _array(column: AccessColumn, values: Sequence[Any], kind: pa.DataType) -> Any:
    try:
        return pa.array(values, kind)
    except pa.ArrowInvalid as error:
        raise CorruptInput(f"a value of {column.name} is more than its type holds") from error


def _notes(column: AccessColumn) -> tuple[tuple[str, str], ...]:
    notes = [("access_type", column.form.name.lower())]
    if column.is_calculated:
        notes.append(("calculated", "true"))
    return tuple(notes)


def _keys(table: TableDefinition) -> Iterator[tuple[str, str]]:
    primary = [list(index.columns) for index in table.indexes if index.is_primary]
    if primary:
        yield "primary_key", json.dumps(primary[0], ensure_ascii=False)
    others = [
        {"name": index.name, "columns": list(index.columns), "is_unique": index.is_unique}
        for index in table.indexes
        if not index.is_primary
    ]
    if others:
        yield "indexes", json.dumps(others, ensure_ascii=False)
