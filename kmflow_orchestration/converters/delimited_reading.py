"""One table of a delimited file as blocks of text columns, whichever reader they come from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kmflow_orchestration.converters.delimited_layout import is_comment
from kmflow_orchestration.converters.delimited_records import Format, Record, TextRecord
from kmflow_orchestration.converters.interface import RejectedRow
from kmflow_orchestration.converters.reader_options import FAIL, RESCUE
from kmflow_orchestration.converters.text_encoding import TextScan
from kmflow_orchestration.errors import CorruptInput

FIRST_BLOCK_BYTES = 4 << 20
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Reading:
    """How one table is read; its data is the UTF-8 of the file from `start_byte` to `stop_byte`.

    `first_row` is the number of the first record in there, counted in the file from 1;
    `header_fields` a header that may come again, `footer_rows` how many rows behind the data were
    left out, `comments_above` how many comments stand above the data.
    """

    path: Path
    scan: TextScan
    form: Format
    names: tuple[str | None, ...]
    start_byte: int
    stop_byte: int
    first_row: int
    part: str = ""
    comment: str = ""
    header_fields: tuple[str | None, ...] = ()
    footer_rows: int = 0
    footer_text: str = ""
    comments_above: int = 0
    preamble_rows: int = 0
    preamble_text: str = ""
    null: tuple[str, ...] = ()
    decimal: str = ""
    thousands: str = ""
    date_order: str = ""
    bad_lines: str = RESCUE
    is_careful: bool = True
    block_bytes: int = FIRST_BLOCK_BYTES

    @property
    def width(self) -> int:
        return len(self.names)

    @property
    def rows_around(self) -> int:
        """Rows outside the data that are counted as skipped."""
        return self.footer_rows + self.comments_above


@dataclass(slots=True)
class Counts:
    """Tallies of one pass; mutable while it runs."""

    read: int = 0
    blank: int = 0
    padded: int = 0
    rescued: int = 0
    comments: int = 0
    headers: int = 0
    strays: int = 0
    rejected: int = 0
    rejects: list[RejectedRow] | None = None
    """Those rejected since they were last taken from here; None if nobody wants to know."""
    first: dict[str, int] = field(default_factory=dict)

    @property
    def written(self) -> int:
        return self.read - self.blank - self.comments - self.headers - self.rejected

    def note(self, kind: str, row: int) -> None:
        """Keep the first row of a kind, for a message about it."""
        self.first.setdefault(kind, row)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows in source order as text: number, columns, surplus fields as JSON."""

    rows: pa.Int64Array
    columns: list[pa.StringArray]
    rescued: pa.StringArray


@dataclass(frozen=True, slots=True)
class NumberedRecord:
    """A record and its number in the file."""

    row: int
    record: TextRecord


def block_of(records: Iterable[NumberedRecord], reading: Reading, counts: Counts) -> Block:
    """Records as a block: short ones padded, surplus fields kept as JSON, others left out."""
    width = reading.width
    rows, fitted, rescued = [], [], []
    for each in records:
        counts.read += 1
        fields = each.record.fields
        if is_left_out(each, reading, counts):
            continue
        counts.strays += each.record.strays
        extra = fields[width:]
        # A trailing delimiter leaves an empty surplus field: there is nothing to rescue.
        is_rescued = any(value is not None for value in extra)
        if (is_rescued or len(fields) < width) and reading.bad_lines != RESCUE:
            _reject(each, reading, counts)
            continue
        if is_rescued:
            counts.rescued += 1
            counts.note("rescued", each.row)
        if len(fields) < width:
            counts.padded += 1
            counts.note("padded", each.row)
            fields = fields + [None] * (width - len(fields))
        rows.append(each.row)
        fitted.append(fields[:width] if extra else fields)
        rescued.append(json.dumps(extra, ensure_ascii=False) if is_rescued else None)
    return Block(
        pa.array(rows, pa.int64()), _columns(fitted, width), pa.array(rescued, pa.string())
    )


def _reject(each: NumberedRecord, reading: Reading, counts: Counts) -> None:
    """Leave a record out. Raises CorruptInput if the first such is to end it all."""
    fields = each.record.fields
    reason = f"it has {len(fields)} fields, and there are {reading.width} columns"
    raw = json.dumps(fields, ensure_ascii=False)
    if reading.bad_lines == FAIL:
        where = f"table {reading.part}, " if reading.part else ""
        raise CorruptInput(
            f"{where}row {each.row}: {reason}: {raw[:_SHOWN]}",
            reason="ragged_rows",
            hint="by itself such rows are kept; --on-bad-row quarantine leaves them out",
        )
    counts.rejected += 1
    counts.note("rejected", each.row)
    if counts.rejects is not None:
        counts.rejects.append(RejectedRow(each.row, raw, reason))


def is_left_out(each: NumberedRecord, reading: Reading, counts: Counts) -> bool:
    """Whether a record is no row of data: it is blank, a comment, or the header once more."""
    record = each.record
    if not record.filled and "" not in record.fields:
        counts.blank += 1
        return True
    if reading.comment and is_comment(record, reading.comment):
        counts.comments += 1
        counts.note("comments", each.row)
        return True
    if reading.header_fields and tuple(record.fields) == reading.header_fields:
        counts.headers += 1
        counts.note("headers", each.row)
        return True
    return False


def _columns(records: Sequence[Record], width: int) -> list[pa.StringArray]:
    if not records:
        return [pa.array([], pa.string())] * width
    return [pa.array(column, pa.string()) for column in zip(*records, strict=True)]


def merged(blocks: Sequence[Block]) -> Block:
    """Blocks of one stretch of a file as one, in the order of their rows."""
    numbers = pa.concat_arrays([block.rows for block in blocks])
    order = pc.sort_indices(numbers)
    columns = [
        pa.concat_arrays(parts).take(order)
        for parts in zip(*(block.columns for block in blocks), strict=True)
    ]
    rescued = pa.concat_arrays([block.rescued for block in blocks])
    return Block(numbers.take(order), columns, rescued.take(order))


def without_words(block: Block, words: Sequence[str]) -> Block:
    """Fields that are one of some words become NULL."""
    if not words:
        return block
    known = pa.array(words, pa.string())
    columns = [
        pc.if_else(pc.is_in(column, value_set=known), pa.scalar(None, pa.string()), column)
        for column in block.columns
    ]
    return Block(block.rows, columns, block.rescued)
