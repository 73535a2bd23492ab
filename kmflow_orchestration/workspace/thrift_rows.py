"""Rows of a result while they wait to be fetched, and the row sets they leave in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import ttypes

from kmflow_orchestration.workspace.sql_engine import Answer
from kmflow_orchestration.workspace.sql_values import text_of
from kmflow_orchestration.workspace.statement_results import Limits, gather_arrow
from kmflow_orchestration.workspace.thrift_types import NativeTypes, Shape

# What one answer carries at most, whatever its client would take: it is in memory three times.
_ANSWER_BYTES = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a result, the first of them `start` rows after its beginning."""

    start: int
    batches: tuple[pa.RecordBatch, ...]
    more: bool


class Spool:
    """A whole result in a file, read forward once."""

    def __init__(self, answer: Answer, native: NativeTypes, file: Path, row_limit: int | None):
        """Takes the answer's rows over. Raises SqlError while they are read."""
        self.shape = Shape(answer.schema, native)
        shaped = Answer(self.shape.arrow, map(self.shape.batch, answer.batches))
        self._kept = gather_arrow(shaped, Limits(row_limit), file)
        self.row_count = self._kept.row_count
        self.affected_rows = answer.affected_rows
        self._given = 0
        self._lock = threading.Lock()
        self._rest = _batches(file)

    def fetch(self, max_rows: int, max_bytes: int) -> Rows:
        """The next rows: as many as fit, at least one while there are any."""
        with self._lock:
            start = self._given
            taken: list[pa.RecordBatch] = []
            room_bytes = min(max_bytes or _ANSWER_BYTES, _ANSWER_BYTES)
            room_rows = max_rows or self.row_count
            for batch in self._rest:
                part = batch.slice(0, _fitting(batch, room_rows, room_bytes, first=not taken))
                if part.num_rows:
                    taken.append(part)
                    self._given += part.num_rows
                    room_rows -= part.num_rows
                    room_bytes -= part.nbytes
                if part.num_rows < batch.num_rows:
                    self._rest = _joined(batch.slice(part.num_rows), self._rest)
                    break
            return Rows(start, tuple(taken), more=self._given < self.row_count)

    def discard(self) -> None:
        """Remove the file."""
        with self._lock:
            self._rest = iter(())
            self._kept.discard()


def _fitting(batch: pa.RecordBatch, rows: int, room_bytes: int, *, first: bool) -> int:
    """How many rows of a batch fit; one always does when it would be the answer's first."""
    if batch.num_rows == 0 or rows <= 0:
        return 0
    row_bytes = max(1, batch.nbytes // batch.num_rows)
    fitting = min(rows, room_bytes // row_bytes, batch.num_rows)
    return int(max(fitting, 1 if first else 0))


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(file), "rb") as source, pa.ipc.open_stream(source) as reader:
        yield from reader


def _joined(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def row_set(rows: Rows, *, as_arrow: bool, schema: pa.Schema) -> Any:
    """A `TRowSet` of these rows: Arrow batches, or columns for a client without Arrow."""
    if as_arrow:
        batches = [
            ttypes.TSparkArrowBatch(batch=batch.serialize().to_pybytes(), rowCount=batch.num_rows)
            for batch in rows.batches
        ]
        return ttypes.TRowSet(startRowOffset=rows.start, rows=[], arrowBatches=batches)
    table = pa.Table.from_batches(rows.batches, schema)
    columns = [_column(column.combine_chunks()) for column in table.columns]
    return ttypes.TRowSet(
        startRowOffset=rows.start, rows=[], columns=columns, columnCount=len(columns)
    )


def _column(array: pa.Array[Any]) -> Any:
    values = array.to_pylist()
    name, wrapper, blank = _COLUMN_FORMS.get(str(array.type), _TEXT_FORM)
    if (name, wrapper, blank) == _TEXT_FORM:
        values = [text_of(value) for value in values]
    nulls = _null_bits(values)
    filled = [blank if value is None else value for value in values]
    return ttypes.TColumn(**{name: getattr(ttypes, wrapper)(values=filled, nulls=nulls)})


def _null_bits(values: Sequence[object]) -> bytes:
    bits = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        if value is None:
            bits[index >> 3] |= 1 << (index & 7)
    return bytes(bits)


_TEXT_FORM = ("stringVal", "TStringColumn", "")
_COLUMN_FORMS: dict[str, tuple[str, str, object]] = {
    "bool": ("boolVal", "TBoolColumn", False),
    "int8": ("byteVal", "TByteColumn", 0),
    "int16": ("i16Val", "TI16Column", 0),
    "int32": ("i32Val", "TI32Column", 0),
    "int64": ("i64Val", "TI64Column", 0),
    "float": ("doubleVal", "TDoubleColumn", 0.0),
    "double": ("doubleVal", "TDoubleColumn", 0.0),
    "binary": ("binaryVal", "TBinaryColumn", b""),
}
