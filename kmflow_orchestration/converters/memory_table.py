"""A table that a document holds, small enough for memory: text in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
)
from kmflow_orchestration.converters.text_values import observed_type, typed_values
from kmflow_orchestration.converters.type_lattice import ColumnType

_BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Origin:
    """Which converter read which bytes: what a receipt says besides its counts."""

    converter: str
    version: str
    content_hash: str


class MemoryTable:
    """Rows of texts under the same headers; None and '' are NULL. See ConvertedTable."""

    def __init__(
        self,
        part: str,
        headers: Sequence[str],
        rows: Sequence[Sequence[str | None]],
        origin: Origin,
        warnings: tuple[ConversionWarning, ...] = (),
        *,
        types: Mapping[str, ColumnType] | None = None,
        read_as: Mapping[str, str] | None = None,
    ) -> None:
        """`types` are those of columns that have the same in every source, by header."""
        self._part = part
        self._rows = [[cell or None for cell in row] for row in rows]
        self._origin = origin
        self._warnings = warnings
        self._read_as = {"part": part, **(read_as or {})}
        known = types or {}
        columns = [
            pa.array([row[at] for row in self._rows], pa.string()) for at in range(len(headers))
        ]
        self._facts = tuple(
            ColumnFact(name, header, known.get(header) or observed_type(column), column.null_count)
            for name, header, column in zip(column_names(headers), headers, columns, strict=True)
        )

    @property
    def part(self) -> str:
        return self._part

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._facts

    @property
    def receipt(self) -> Receipt:
        origin, count = self._origin, len(self._rows)
        return Receipt(
            origin.converter,
            origin.version,
            origin.content_hash,
            rows_read=count,
            rows_written=count,
            options=self._read_as,
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        return self._warnings

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable; `_source_row` counts from 1."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self._facts]
        names = [SOURCE_ROW, *(fact.name for fact in self._facts), RESCUED_DATA]
        numbered = enumerate(self._rows, start=1)
        while chunk := list(islice(numbered, _BATCH_ROWS)):
            columns = [
                typed_values(pa.array([row[at] for _, row in chunk], pa.string()), kind)
                for at, kind in enumerate(wanted)
            ]
            numbers = pa.array([number for number, _ in chunk], pa.int64())
            rescued = pa.nulls(len(chunk), pa.string())
            yield pa.RecordBatch.from_arrays([numbers, *columns, rescued], names=names)
