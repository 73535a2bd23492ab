"""What is written: tables with their columns' names and types, and the text of a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ConvertedTable,
    TextBlock,
)
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType, Kind
from kmflow_orchestration.operations.convert.file_names import distinct, kept_columns
from kmflow_orchestration.operations.convert.options import ConversionOptions

_SOURCE_NAME = b"source_name"
_CLOCK_TIME = pa.timestamp("us")


class Rows(Protocol):
    """Something with columns, such as a table of the source."""

    @property
    def schema(self) -> pa.Schema: ...

    def batches(self) -> Iterator[tuple[Any, pa.RecordBatch]]:
        """Numbers of the rows in the source, and the rows; may be called again."""
        ...


@dataclass(frozen=True, slots=True)
class OutputTable:
    """A table of the source as it will be written; `schema` has each column's source name."""

    table: ConvertedTable
    types: dict[str, ColumnType]
    schema: pa.Schema

    def batches(self) -> Iterator[tuple[Any, pa.RecordBatch]]:
        """See Rows."""
        for batch in self.table.batches(self.types):
            columns = [batch.column(name) for name in self.types]
            if len(self.schema) > len(columns):
                columns.append(batch.column(RESCUED_DATA))
            cast = [
                values if values.type == one.type else values.cast(one.type)
                for values, one in zip(columns, self.schema, strict=True)
            ]
            rows = batch.column(SOURCE_ROW)
            yield rows, pa.RecordBatch.from_arrays(cast, schema=self.schema)


def output_table(table: ConvertedTable, options: ConversionOptions) -> OutputTable:
    """The table in the types and under the names that were asked for.

    A column of surplus fields comes last, and only if a row has such.
    """
    as_text = options.types == "string"
    types = {fact.name: STRING if as_text else fact.type for fact in table.facts}
    headers = [fact.source_name for fact in table.facts]
    names = kept_columns(headers) if options.column_names == "keep" else tuple(types)
    columns = [
        pa.field(name, _arrow(kind), metadata={_SOURCE_NAME: header.encode("utf-8", "replace")})
        for name, kind, header in zip(names, types.values(), headers, strict=True)
    ]
    if table.receipt.rows_rescued:
        columns.append(pa.field(distinct([*names, RESCUED_DATA])[-1], pa.string()))
    return OutputTable(table, types, pa.schema(columns))


def source_name(column: Any) -> str:
    """The header a column had in the source; '' for one that is not from there."""
    metadata = column.metadata or {}
    return str(metadata.get(_SOURCE_NAME, b"").decode("utf-8", "replace"))


def _arrow(kind: ColumnType) -> pa.DataType:
    """A time without a zone stays one: files need no moment in UTC, as tables of a group do."""
    return _CLOCK_TIME if kind.kind is Kind.TIMESTAMP_NTZ else kind.arrow


@dataclass(frozen=True, slots=True)
class OutputText:
    """The pieces of a document's text in reading order."""

    blocks: Sequence[TextBlock]

    def lines(self) -> Iterator[str]:
        """The text alone, an empty line between two pieces; what is alike ends with a new line."""
        for position, block in enumerate(self.blocks):
            yield ("\n" if position else "") + block.text + "\n"
