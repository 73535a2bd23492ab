"""Delimited text as batches of text columns, in source order, with the rows that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from kmflow_orchestration.converters.delimited_dialect import Dialect
from kmflow_orchestration.converters.text_encoding import TextScan, Utf8Stream
from kmflow_orchestration.errors import CorruptInput

_FIRST_BLOCK_BYTES = 4 << 20
# A longer record is refused: a cell may hold 100 MB (row D22).
_LARGEST_BLOCK_BYTES = 256 << 20
# A record that no file holds: if the reader does not meet it at the end, a quote was left open.
_END_OF_FILE = "kmflow\x01end\x01of\x01file"


class OpenQuoteError(Exception):
    """A quote was opened and never closed: everything after it was read as one field."""


class LongRecordError(Exception):
    """A record is longer than the blocks the file was read in."""


@dataclass(frozen=True, slots=True)
class RaggedRow:
    """A record with more or fewer fields than the header, as it stands in the file."""

    row: int
    text: str


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Records that fit the header, and the ragged ones that stand among or before them.

    `rows` numbers each record in its source from 1, the header included.
    """

    rows: list[int]
    columns: list[pa.StringArray]
    ragged: list[RaggedRow]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read; `bytes_before` lie above the header, in UTF-8."""

    path: Path
    scan: TextScan
    dialect: Dialect
    bytes_before: int = 0
    block_bytes: int = _FIRST_BLOCK_BYTES
    quoting: bool = True

    @property
    def width(self) -> int:
        return len(self.dialect.header)

    @property
    def may_have_open_quote(self) -> bool:
        return self.quoting and self.scan.quote_count % 2 == 1

    def larger_block(self) -> int:
        """The next block size to try. Raises CorruptInput beyond 256 MiB."""
        if self.block_bytes >= _LARGEST_BLOCK_BYTES:
            raise CorruptInput("a row of more than 256 MiB", reason="record_too_long")
        return self.block_bytes * 8


def read_records(reading: Reading) -> Iterator[RawBatch]:
    """Everything below the header, in order.

    Raises:
        OpenQuoteError: at the end of the file; read again without quoting.
        LongRecordError: read again with a larger block.
    """
    misfits = _Misfits(reading)
    next_row = reading.dialect.lines_before + 2
    with _stream(reading) as stream:
        try:
            for batch in _open(reading, stream, misfits):
                ragged = misfits.before(next_row, batch.num_rows)
                rows = _row_numbers(next_row, batch.num_rows, ragged)
                next_row += batch.num_rows + len(ragged)
                yield RawBatch(rows, batch.columns, ragged)
        except pa.ArrowInvalid as error:
            raise LongRecordError(str(error)) from error
    if reading.may_have_open_quote and not misfits.is_at_end:
        raise OpenQuoteError
    rest = misfits.rest()
    if rest:
        yield RawBatch([], [pa.array([], pa.string())] * reading.width, rest)


@dataclass(slots=True)
class _Misfits:
    """Collects ragged rows while the reader runs ahead of us; mutable for that reason."""

    reading: Reading
    waiting: list[RaggedRow] = field(default_factory=list)
    is_at_end: bool = False

    def __call__(self, row: Any) -> str:
        if row.text.startswith(_END_OF_FILE):
            self.is_at_end = True
        else:
            self.waiting.append(RaggedRow(row.number + self.reading.dialect.lines_before, row.text))
        return "skip"

    def before(self, next_row: int, count: int) -> list[RaggedRow]:
        """Takes the misfits that stand before the last of `count` fitting rows."""
        taken = 0
        while taken < len(self.waiting) and self.waiting[taken].row < next_row + count + taken:
            taken += 1
        found, self.waiting = self.waiting[:taken], self.waiting[taken:]
        return found

    def rest(self) -> list[RaggedRow]:
        return self.waiting


def _row_numbers(next_row: int, count: int, ragged: list[RaggedRow]) -> list[int]:
    if not ragged:
        return list(range(next_row, next_row + count))
    misfits = {row.row for row in ragged}
    numbers = range(next_row, next_row + count + len(ragged))
    return [number for number in numbers if number not in misfits]


def _stream(reading: Reading) -> Utf8Stream:
    trailer = b""
    if reading.may_have_open_quote:
        trailer = (_END_OF_FILE + reading.dialect.delimiter * reading.width + "\n").encode()
    return Utf8Stream(
        reading.path, reading.scan.encoding, skipped_bytes=reading.bytes_before, trailer=trailer
    )


def _open(reading: Reading, stream: Utf8Stream, misfits: _Misfits) -> Any:
    csv: Any = pyarrow.csv
    names = [str(position) for position in range(reading.width)]
    return csv.open_csv(
        stream,
        # One thread: only then does the reader know the number of a row that does not fit.
        read_options=csv.ReadOptions(
            use_threads=False,
            block_size=reading.block_bytes,
            column_names=names,
            skip_rows_after_names=1,
        ),
        parse_options=csv.ParseOptions(
            delimiter=reading.dialect.delimiter,
            quote_char='"' if reading.quoting else False,
            newlines_in_values=reading.quoting and reading.scan.quote_count > 0,
            ignore_empty_lines=False,
            invalid_row_handler=misfits,
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
            check_utf8=False,
        ),
    )
