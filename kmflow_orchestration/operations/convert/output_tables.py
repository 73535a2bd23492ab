"""What is written: tables with their columns' names and types, and the text of a document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from kmflow_orchestration.converters.arrow_values import as_text
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConvertedTable,
    RejectedRow,
    TextBlock,
)
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType, Kind
from kmflow_orchestration.errors import DataLossError
from kmflow_orchestration.operations.convert.file_names import distinct, kept_columns
from kmflow_orchestration.operations.convert.fitting import arrow_type, fitted
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.provenance import Provenance, provenance_of
from kmflow_orchestration.operations.convert.type_schema import check_names, types_of

_SOURCE_NAME = b"source_name"
_SHOWN = 80
_CLOCK_TIME = pa.timestamp("us")


Reject = Callable[[Iterator[RejectedRow]], None]
"""Hears of rows that are left out."""


class Rows(Protocol):
    """Something with columns, such as a table of the source."""

    @property
    def schema(self) -> pa.Schema: ...

    def batches(self, reject: Reject | None = None) -> Iterator[tuple[Any, pa.RecordBatch]]:
        """Numbers of the rows in the source, and the rows; may be called again.

        Rows that are left out are told to `reject`.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutputTable:
    """A table of the source as it will be written; `schema` has each column's source name."""

    table: ConvertedTable
    types: dict[str, ColumnType]
    schema: pa.Schema
    demanded: Mapping[int, pa.DataType] = field(default_factory=dict)
    """Types of columns, by position, that values may turn out not to fit."""
    leaves_out: bool = False
    """Whether rows with such values are left out; else the first of them ends it."""
    provenance: Provenance | None = None

    def batches(self, reject: Reject | None = None) -> Iterator[tuple[Any, pa.RecordBatch]]:
        """See Rows. Raises DataLossError."""
        origin, schema = self.provenance, self.schema
        if origin is not None:
            schema = pa.schema(list(schema)[len(origin.fields) :])
        for batch in self.table.batches(self.types):
            columns = [batch.column(name) for name in self.types]
            if len(schema) > len(columns):
                columns.append(batch.column(RESCUED_DATA))
            rows, given = batch.column(SOURCE_ROW), batch
            misfits: dict[int, RejectedRow] = {}
            cast = []
            for at, (values, one) in enumerate(zip(columns, schema, strict=True)):
                found = values if values.type == one.type else self._cast(at, values, one.type)
                if isinstance(found, _Misfitting):
                    misfits = self._refused(found, rows, one.name, columns) | misfits
                    found = found.values
                cast.append(found)
            made = pa.RecordBatch.from_arrays(cast, schema=schema)
            if misfits:
                if reject is not None:
                    reject(misfits[at] for at in sorted(misfits))
                kept = pa.array([at for at in range(len(rows)) if at not in misfits], pa.int64())
                rows, given, made = rows.take(kept), batch.take(kept), made.take(kept)
            yield rows, made if origin is None else origin.before(made, given, rows)

    def _cast(self, at: int, values: Any, wanted: pa.DataType) -> Any:
        if at not in self.demanded:
            return values.cast(wanted)
        kind = list(self.types.values())[at]
        texts = _as_texts(values, kind)
        found, misfits = fitted(texts, wanted)
        return _Misfitting(found, texts, misfits) if misfits else found

    def _refused(
        self, found: _Misfitting, rows: Any, column: str, columns: Sequence[Any]
    ) -> dict[int, RejectedRow]:
        wanted = self.schema.field(column).type
        where = f"table {self.table.part}, " if self.table.part else ""
        refused = {}
        for at in found.misfits:
            number, text = rows[at].as_py(), found.texts[at].as_py()
            reason = f"{_cut(text)} is no {wanted}"
            if not self.leaves_out:
                raise DataLossError(
                    f"{where}column {column}, row {number}: {reason}",
                    hint="demand another type, or --on-bad-row quarantine leaves such rows out",
                )
            names = [fact.source_name or fact.name for fact in self.table.facts]
            kinds = [*self.types.values(), STRING]
            texts = [
                _as_texts(values.slice(at, 1), kind)[0].as_py()
                for values, kind in zip(columns, kinds, strict=False)
            ]
            raw = json.dumps(dict(zip(names, texts, strict=False)), ensure_ascii=False)
            refused[at] = RejectedRow(number, raw, reason, column)
        return refused


@dataclass(frozen=True, slots=True)
class _Misfitting:
    """A column whose values do not all fit: NULL at the positions of those."""

    values: Any
    texts: Any
    misfits: list[int]


def _as_texts(values: Any, kind: ColumnType) -> pa.StringArray:
    own = written_type(kind)
    return as_text(values if values.type == own else values.cast(own))


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def output_table(
    table: ConvertedTable, options: ConversionOptions, file_name: str = ""
) -> OutputTable:
    """The table in the types and under the names that were asked for.

    A column of surplus fields comes last, and only if a row has such.
    """
    wants_text = options.types == "string"
    called = _names_of(table)
    names = [kept if options.column_names == "keep" else safe for kept, _, safe in called]
    demanded = {
        at: arrow_type(name)
        for at, name in types_of(options.schema or {}, table.part, called).items()
    }
    locked = options.locked.get(table.part, {})
    types = {
        fact.name: STRING
        if _is_text(demanded.get(at), by_itself=wants_text)
        else _held_type(locked.get(name), fact)
        for at, (name, fact) in enumerate(zip(names, table.facts, strict=True))
    }
    columns = [
        pa.field(
            name, demanded.get(at, written_type(types[fact.name])), metadata=_field_metadata(fact)
        )
        for at, (name, fact) in enumerate(zip(names, table.facts, strict=True))
    ]
    if table.receipt.rows_rescued:
        columns.append(pa.field(distinct([*names, RESCUED_DATA])[-1], pa.string()))
    origin = None
    if options.provenance:
        origin = provenance_of(table, file_name, [one.name for one in columns])
        columns[:0] = origin.fields
    return OutputTable(
        table, types, pa.schema(columns), demanded, options.is_quarantining, provenance=origin
    )


def _held_type(locked: str | None, fact: ColumnFact) -> ColumnType:
    """The wider one that a schema lock holds, if it does."""
    return fact.type if locked is None else ColumnType.parse(locked)


def _is_text(demanded: pa.DataType | None, *, by_itself: bool) -> bool:
    return by_itself if demanded is None else demanded == pa.string()


def check_schema(
    tables: Sequence[ConvertedTable], left_out: Sequence[str], options: ConversionOptions
) -> None:
    """Raises InvalidOptions when the schema names what is not there."""
    if options.schema is None:
        return
    known = {table.part: _names_of(table) for table in tables}
    check_names({part: one for part, one in options.schema.items() if part not in left_out}, known)


def _names_of(table: ConvertedTable) -> list[tuple[str, str, str]]:
    """Of each column what it may be called: as kept, as in the source, safe."""
    headers = [fact.source_name for fact in table.facts]
    safe = (fact.name for fact in table.facts)
    return list(zip(kept_columns(headers), headers, safe, strict=True))


def _field_metadata(fact: ColumnFact) -> dict[bytes, bytes]:
    told = {**dict(fact.notes), _SOURCE_NAME.decode(): fact.source_name}
    return {name.encode(): text.encode("utf-8", "replace") for name, text in told.items()}


def source_name(column: Any) -> str:
    """The header a column had in the source; '' for one that is not from there."""
    metadata = column.metadata or {}
    return str(metadata.get(_SOURCE_NAME, b"").decode("utf-8", "replace"))


def written_type(kind: ColumnType) -> pa.DataType:
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
