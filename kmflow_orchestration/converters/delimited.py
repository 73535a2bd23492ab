"""CSV, TSV and other delimited text, streamed twice: once for the types, once for the rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.content_look import look_at, tabular_agreement
from kmflow_orchestration.converters.delimited_dialect import (
    SNIFFED_CHARS,
    Record,
    iter_records,
    sniff,
)
from kmflow_orchestration.converters.delimited_reader import (
    LongRecordError,
    OpenQuoteError,
    RawBatch,
    Reading,
    read_records,
)
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    OutputKind,
    Receipt,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.text_encoding import UTF8, UTF16, Utf8Stream, scan_text
from kmflow_orchestration.converters.text_values import observed_type, typed_values
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType

_TAB_SUFFIXES = (".tsv", ".tab")


class DelimitedConverter:
    """Text in records and fields; the first record with a value is the header."""

    name: ClassVar[str] = "delimited"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = ("text/csv", "text/tab-separated-values")
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".psv")
    output: ClassVar[OutputKind] = OutputKind.TABLES
    priority: ClassVar[int] = 0

    def detect(self, source: Source, head: bytes) -> float:
        """By fields that line up; a suffix of ours alone counts little."""
        look = look_at(head)
        if not look.is_text or look.announced:
            return 0.0
        agreement = tabular_agreement(head)
        if source.suffix in self.suffixes:
            return max(0.4, agreement)
        return agreement if agreement > 0.95 else 0.0

    def options(self) -> Mapping[str, Any]:
        return {}

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[DelimitedTable]:
        """One table. Raises CorruptInput for a file without a header row."""
        reading = _prepare(source)
        while True:
            try:
                return (DelimitedTable(reading),)
            except LongRecordError:
                reading = replace(reading, block_bytes=reading.larger_block())
            except OpenQuoteError:
                reading = replace(reading, quoting=False)

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        return iter(())


def _prepare(source: Source) -> Reading:
    scan = scan_text(source.path)
    with Utf8Stream(source.path, scan.encoding) as stream:
        head = stream.read(SNIFFED_CHARS)
    is_whole = scan.size_bytes < SNIFFED_CHARS // 2
    # The cut may have gone through a character.
    text = head.decode("utf-8", "ignore")
    expected = "\t" if source.suffix in _TAB_SUFFIXES else ","
    dialect = sniff(text, is_whole=is_whole, expected=expected)
    before = "".join(text.splitlines(keepends=True)[: dialect.lines_before])
    return Reading(source.path, scan, dialect, bytes_before=len(before.encode()))


@dataclass(slots=True)
class _Counts:
    """Tallies of one pass; mutable while it runs."""

    read: int = 0
    skipped: int = 0
    padded: int = 0
    rescued: int = 0


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows in source order as text: number, columns, surplus fields as JSON."""

    rows: pa.Int64Array
    columns: list[pa.StringArray]
    rescued: pa.StringArray


class DelimitedTable:
    """The table of one delimited file; its types were proven on every row when it was opened."""

    part = ""

    def __init__(self, reading: Reading) -> None:
        """Reads the whole file. Raises OpenQuoteError and LongRecordError."""
        self._reading = reading
        names = column_names(reading.dialect.header)
        counts = _Counts()
        types, nulls = [EMPTY] * len(names), [0] * len(names)
        for block in self._blocks(counts):
            for position, values in enumerate(block.columns):
                types[position] = observed_type(values, types[position])
                nulls[position] += values.null_count
        self._counts = counts
        headers = [header or "" for header in reading.dialect.header]
        self._facts = tuple(map(ColumnFact, names, headers, types, nulls))

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._facts

    @property
    def receipt(self) -> Receipt:
        counts, reading = self._counts, self._reading
        return Receipt(
            DelimitedConverter.name,
            DelimitedConverter.version,
            reading.scan.content_hash,
            rows_read=counts.read,
            rows_written=counts.read - counts.skipped,
            rows_skipped=counts.skipped,
            rows_padded=counts.padded,
            rows_rescued=counts.rescued,
            options={
                "delimiter": reading.dialect.delimiter,
                "encoding": reading.scan.encoding,
                "quoting": "yes" if reading.quoting else "no",
            },
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        return tuple(_warnings(self._reading, self._counts))

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self._facts]
        names = [SOURCE_ROW, *(fact.name for fact in self._facts), RESCUED_DATA]
        for block in self._blocks(_Counts()):
            values = [typed_values(*pair) for pair in zip(block.columns, wanted, strict=True)]
            yield pa.RecordBatch.from_arrays([block.rows, *values, block.rescued], names=names)

    def _blocks(self, counts: _Counts) -> Iterator[_Block]:
        for raw in read_records(self._reading):
            counts.read += len(raw.rows) + len(raw.ragged)
            block = _with_ragged(raw, self._reading, counts) if raw.ragged else _plain(raw)
            if self._reading.scan.has_blank_lines:
                block = _without_blank_rows(block, counts)
            if len(block.rows):
                yield block


def _plain(raw: RawBatch) -> _Block:
    return _Block(pa.array(raw.rows, pa.int64()), raw.columns, pa.nulls(len(raw.rows), pa.string()))


def _with_ragged(raw: RawBatch, reading: Reading, counts: _Counts) -> _Block:
    """Ragged rows put back between the others, padded or with their surplus as JSON."""
    width = reading.width
    fitted, surplus = [], []
    for row in raw.ragged:
        record = _fields(row.text, reading)
        extra = record[width:]
        # A trailing delimiter leaves an empty surplus field: there is nothing to rescue.
        is_rescued = any(value is not None for value in extra)
        counts.rescued += is_rescued
        counts.padded += 0 < len(record) < width
        fitted.append(record[:width])
        surplus.append(json.dumps(extra, ensure_ascii=False) if is_rescued else None)
    numbers = pa.array([*raw.rows, *(row.row for row in raw.ragged)], pa.int64())
    order = pc.sort_indices(numbers)
    columns = [
        pa.concat_arrays([column, pa.array(added, pa.string())]).take(order)
        for column, added in zip(raw.columns, _columns(fitted, width), strict=True)
    ]
    rescued = pa.array([None] * len(raw.rows) + surplus, pa.string())
    return _Block(numbers.take(order), columns, rescued.take(order))


def _fields(text: str, reading: Reading) -> Record:
    return next(iter_records(text, reading.dialect.delimiter, quoting=reading.quoting), [None])


def _columns(records: list[Record], width: int) -> list[tuple[str | None, ...]]:
    columns = list(zip_longest(*records)) if records else []
    return columns + [(None,) * len(records)] * (width - len(columns))


def _without_blank_rows(block: _Block, counts: _Counts) -> _Block:
    """Drops rows without any value, counting them: blank lines read as such rows."""
    has_value = pc.is_valid(block.rescued)
    for column in block.columns:
        has_value = pc.or_(has_value, pc.is_valid(column))
    kept = has_value.true_count
    if kept == len(block.rows):
        return block
    counts.skipped += len(block.rows) - kept
    columns = [column.filter(has_value) for column in block.columns]
    return _Block(block.rows.filter(has_value), columns, block.rescued.filter(has_value))


def _warnings(reading: Reading, counts: _Counts) -> Iterator[ConversionWarning]:
    scan = reading.scan
    if scan.encoding not in (UTF8, UTF16):
        text = f"not UTF-8 at byte {scan.first_bad_byte}: read as {scan.encoding}"
        yield ConversionWarning("encoding", text, f"byte {scan.first_bad_byte}")
    if scan.nul_count and scan.encoding != UTF16:
        yield ConversionWarning("nul_bytes", f"{scan.nul_count} NUL characters were kept")
    if not reading.quoting:
        yield ConversionWarning("open_quote", "a quote is never closed: quotes were kept as text")
    if counts.padded:
        yield ConversionWarning("short_rows", f"{counts.padded} rows lack fields: filled with NULL")
    if counts.rescued:
        text = f"{counts.rescued} rows have surplus fields: kept in {RESCUED_DATA}"
        yield ConversionWarning("surplus_fields", text)
    if counts.skipped:
        yield ConversionWarning("blank_rows", f"{counts.skipped} rows without any value skipped")
