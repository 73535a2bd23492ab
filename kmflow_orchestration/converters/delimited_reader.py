"""The fast reader: Arrow's, for tables that keep the rules of quoting from end to end."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from kmflow_orchestration.converters.delimited_reading import (
    Block,
    Counts,
    NumberedRecord,
    Reading,
    block_of,
    merged,
)
from kmflow_orchestration.converters.delimited_records import Format, TextRecord, text_records
from kmflow_orchestration.converters.text_encoding import Utf8Stream
from kmflow_orchestration.errors import CorruptInput

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

# A longer record is refused: a cell may hold 100 MB (row D22).
_LARGEST_BLOCK_BYTES = 256 << 20
_CHUNK_BYTES = 4 << 20
# Arrow needs a delimiter where a line is a field: lines that hold it are put together again.
_NO_DELIMITER: Final = "\x1f"


class LongRecordError(Exception):
    """A record is longer than the blocks the file was read in."""


class NeedsCareError(Exception):
    """A row that only the careful reader can judge."""


def larger_block(block_bytes: int) -> int:
    """The next block size to try. Raises CorruptInput beyond 256 MiB."""
    if block_bytes >= _LARGEST_BLOCK_BYTES:
        raise CorruptInput("a row of more than 256 MiB", reason="record_too_long")
    return block_bytes * 8


def keeps_the_rules(reading: Reading) -> bool:
    """Whether both readers read a table alike: each quote opens, closes or doubles where it may."""
    form = reading.form
    with _stream(reading) as stream:
        # The fast reader would take the first value's sign for a mark of the file.
        if stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
            return False
    if form.escape or not form.quote:
        return not form.escape
    quote = form.quote.encode()
    pattern, rest = _strict_pattern(form), b""
    with _stream(reading) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            rest += chunk
            if quote not in rest and b"\x00" not in rest:
                rest = b""
                continue
            match = pattern.match(rest)
            rest = rest[match.end() :] if match else rest
            if len(rest) > _LARGEST_BLOCK_BYTES // 8:
                return False
    return not rest


def _strict_pattern(form: Format) -> re.Pattern[bytes]:
    # Atomic within: see the pattern of single fields.
    quote, mark = re.escape(form.quote), re.escape(form.delimiter)
    ends = rf"{mark}|\r\n|\n|\r" if mark else r"\r\n|\n|\r"
    quoted = rf"{quote}(?:(?>[^{quote}]++|{quote}{quote}))*+{quote}"
    plain = rf"(?![ ]*{quote})[^{mark}\r\n]*+"
    return re.compile(rf"(?:(?>(?:{quoted}|{plain})(?:{ends})))*+".encode())


def fast_blocks(reading: Reading, counts: Counts) -> Iterator[Block]:
    """All rows of a table, in order.

    Raises:
        LongRecordError: read again with a larger block.
        NeedsCareError: read again with the careful reader.
    """
    misfits = _Misfits(reading)
    next_row = reading.first_row
    with _stream(reading) as stream:
        try:
            for batch in _open(reading, stream, misfits):
                ragged = misfits.before(next_row, batch.num_rows)
                rows = _row_numbers(next_row, batch.num_rows, ragged)
                next_row += batch.num_rows + len(ragged)
                block = _fitting(Block(rows, batch.columns, _nulls(rows)), reading, counts)
                if ragged:
                    block = merged([block, block_of(ragged, reading, counts)])
                if len(block.rows):
                    yield block
        except pa.ArrowInvalid as error:
            # No record is longer than its file: another fault, such as no byte to read at all.
            if reading.scan.size_bytes <= reading.block_bytes:
                raise NeedsCareError from error
            raise LongRecordError(str(error)) from error
    if misfits.waiting:
        block = block_of(misfits.waiting, reading, counts)
        if len(block.rows):
            yield block


def _nulls(rows: pa.Int64Array) -> pa.StringArray:
    return pa.nulls(len(rows), pa.string())


@dataclass(slots=True)
class _Misfits:
    """Collects ragged rows while the reader runs ahead of us; mutable for that reason."""

    reading: Reading
    waiting: list[NumberedRecord] = field(default_factory=list)

    def __call__(self, row: Any) -> str:
        record = _record_of(row.text, self.reading.form)
        self.waiting.append(NumberedRecord(row.number + self.reading.first_row - 1, record))
        return "skip"

    def before(self, next_row: int, count: int) -> list[NumberedRecord]:
        """Takes the misfits that stand before the last of `count` fitting rows."""
        taken = 0
        while taken < len(self.waiting) and self.waiting[taken].row < next_row + count + taken:
            taken += 1
        found, self.waiting = self.waiting[:taken], self.waiting[taken:]
        return found


def _record_of(text: str, form: Format) -> TextRecord:
    """The one record of a row; the quick way where nothing in it is marked."""
    is_plain = form.quote not in text if form.quote else True
    if is_plain and form.delimiter and not form.escape and "\n" not in text and "\r" not in text:
        fields = [value or None for value in text.split(form.delimiter)]
        return TextRecord(fields, 0, len(text))
    return next(text_records(text, form), TextRecord([None], 0, 0))


def _row_numbers(next_row: int, count: int, ragged: list[NumberedRecord]) -> pa.Int64Array:
    one: Any = pa.scalar(1, pa.int64())
    found: pa.Int64Array = pc.cumulative_sum(pa.repeat(one, count + len(ragged)), next_row - 1)
    if not ragged:
        return found
    misfits = pa.array([each.row for each in ragged], pa.int64())
    return found.filter(pc.invert(pc.is_in(found, value_set=misfits)))


def _fitting(block: Block, reading: Reading, counts: Counts) -> Block:
    """Rows of the right width, without those that are no data."""
    counts.read += len(block.rows)
    if not len(block.rows):
        return block
    if reading.comment:
        _refuse_comments(block.columns[0], reading)
    is_data = _has_value(block)
    if is_data is not None:
        counts.blank += len(block.rows) - is_data.true_count
        block = _kept(block, is_data)
    if reading.header_fields:
        is_header = _is_header(block, reading.header_fields)
        if is_header is not None:
            counts.headers += is_header.true_count
            counts.note("headers", block.rows.filter(is_header)[0].as_py())
            block = _kept(block, pc.invert(is_header))
    return block


def _refuse_comments(column: pa.StringArray, reading: Reading) -> None:
    # Whether it stood in quotes is not known any more.
    trimmed = pc.utf8_ltrim_whitespace(column)
    if pc.any(pc.starts_with(trimmed, pattern=reading.comment)).as_py():
        raise NeedsCareError


def _has_value(block: Block) -> Any:
    """Which rows have a value; None when all have."""
    if any(not column.null_count for column in block.columns):
        return None
    has_value = pc.is_valid(block.columns[0])
    for column in block.columns[1:]:
        has_value = pc.or_(has_value, pc.is_valid(column))
    return has_value if has_value.false_count else None


def _is_header(block: Block, fields: tuple[str | None, ...]) -> Any:
    """Which rows are the header once more; None when none is."""
    found: Any = None
    for column, name in zip(block.columns, fields, strict=True):
        same: Any = pc.is_null(column)
        if name is not None:
            same = pc.fill_null(pc.equal(column, pa.scalar(name)), False)
        found = same if found is None else pc.and_(found, same)
        if not found.true_count:
            return None
    return found


def _kept(block: Block, mask: Any) -> Block:
    columns = [column.filter(mask) for column in block.columns]
    return Block(block.rows.filter(mask), columns, block.rescued.filter(mask))


def _stream(reading: Reading) -> Utf8Stream:
    return Utf8Stream(
        reading.path,
        reading.scan.encoding,
        start_byte=reading.start_byte,
        stop_byte=reading.stop_byte,
    )


def _open(reading: Reading, stream: Utf8Stream, misfits: _Misfits) -> Any:
    csv: Any = pyarrow.csv
    return csv.open_csv(stream, **csv_options(reading, reading.block_bytes, misfits))


def csv_options(
    reading: Reading, block_bytes: int, on_misfit: Callable[[Any], str] | None = None
) -> dict[str, Any]:
    """Arrow's options to read a table without its header, every column as text."""
    csv: Any = pyarrow.csv
    names = [str(position) for position in range(reading.width)]
    form = reading.form
    has_quotes = bool(form.quote) and reading.scan.has_quotes(form.quote)
    return {
        # One thread: only then does the reader know the number of a row that does not fit.
        "read_options": csv.ReadOptions(
            use_threads=False, block_size=block_bytes, column_names=names
        ),
        "parse_options": csv.ParseOptions(
            delimiter=form.delimiter or _NO_DELIMITER,
            quote_char=form.quote or False,
            newlines_in_values=has_quotes,
            ignore_empty_lines=False,
            invalid_row_handler=on_misfit,
        ),
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=False,
            check_utf8=False,
        ),
    }
