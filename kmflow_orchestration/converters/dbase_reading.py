"""Records of a DBF file read in blocks, each field a column of texts."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.dbase_header import Field, Header
from kmflow_orchestration.converters.dbase_memo import MemoFile
from kmflow_orchestration.converters.dbase_values import (
    UTF8,
    Bytes,
    Decoder,
    Texts,
    arrow_of,
    as_texts,
)
from kmflow_orchestration.errors import CorruptInput

pc: Any = pyarrow.compute
MISSING_MEMO = "missing_memo"
_BLOCK_BYTES, _BLOCK_RECORDS, _MEMO_RECORDS = 8 << 20, 32_768, 512
_DELETED, _LAST_ASCII = 0x2A, 0x7F
_FALLBACK = "cp1252"


@dataclass(frozen=True, slots=True)
class DbaseReading:
    """A table's file, and all that was decided about reading it.

    `memo` is its memo file, None without one; then records that point into it fail, unless
    `ignores_missing_memo`.
    """

    path: Path
    header: Header
    content_hash: str
    encoding: str
    memo: Path | None
    ignores_missing_memo: bool = False
    includes_deleted: bool = False

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(one for one in self.header.fields if not one.is_system)

    @property
    def headers(self) -> tuple[str, ...]:
        decoder = Decoder(self.encoding)
        return tuple(decoder.text(one.name) for one in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        return column_names(self.headers)


@dataclass(frozen=True, slots=True)
class Block:
    """Records in file order: numbers from 1, whether deleted, and a column for each field."""

    numbers: pa.Int64Array
    deleted: pa.BooleanArray
    columns: list[Texts]

    def as_batch(self) -> pa.RecordBatch:
        arrays: list[Any] = [self.numbers, self.deleted, *self.columns]
        return pa.RecordBatch.from_arrays(arrays, names=[str(at) for at in range(len(arrays))])

    @classmethod
    def of_batch(cls, batch: Any) -> Self:
        return cls(batch.column(0), batch.column(1), batch.columns[2:])


@dataclass(slots=True)
class Tally:
    """Counts of one pass; mutable while it runs. `problems` are by code."""

    read: int = 0
    deleted: int = 0
    problems: dict[str, int] = field(default_factory=dict)


def read_blocks(reading: DbaseReading, tally: Tally) -> Iterator[Block]:
    """Every record that is wanted. Raises CorruptInput for a memo that cannot be had."""
    decoder = Decoder(reading.encoding)
    with ExitStack() as stack:
        memo = None
        if reading.memo is not None:
            stream = stack.enter_context(reading.memo.open("rb"))
            memo = MemoFile(stream, reading.header.memo_kind)
        columns = _Columns(reading, decoder, memo)
        for first, records in raw_records(reading.path, reading.header):
            is_deleted = records[:, 0] == _DELETED
            tally.read += len(records)
            tally.deleted += int(is_deleted.sum())
            numbers = np.arange(first, first + len(records))
            if not reading.includes_deleted:
                records, numbers = records[~is_deleted], numbers[~is_deleted]  # noqa: PLW2901
                is_deleted = is_deleted[~is_deleted]
            if len(records):
                yield Block(
                    arrow_of(numbers, pa.int64()),
                    arrow_of(is_deleted, pa.bool_()),
                    columns.of(records),
                )
    tally.problems = dict(+decoder.problems)


def raw_records(path: Path, header: Header) -> Iterator[tuple[int, Bytes]]:
    """Blocks of records as rows of bytes, each with the number of its first one."""
    most = _MEMO_RECORDS if any(one.is_memo for one in header.fields) else _BLOCK_RECORDS
    at_once = max(1, min(most, _BLOCK_BYTES // header.record_bytes))
    with path.open("rb") as stream:
        stream.seek(header.header_bytes)
        for first in range(0, header.record_count, at_once):
            count = min(at_once, header.record_count - first)
            content = stream.read(count * header.record_bytes)
            if len(content) < count * header.record_bytes:
                raise CorruptInput(f"the file ends within the records from {first + 1} on")
            block = np.frombuffer(content, np.uint8).reshape(count, header.record_bytes)
            yield first + 1, block


class _Columns:
    """Fields of records as columns: null flags, lengths and memos looked up."""

    def __init__(self, reading: DbaseReading, decoder: Decoder, memo: MemoFile | None) -> None:
        self._reading = reading
        self._decoder = decoder
        self._memo = memo
        self._flags = next((one for one in reading.header.fields if one.type == "0"), None)
        self._null_bits, self._length_bits = _flag_bits(reading.header)

    def of(self, records: Bytes) -> list[Texts]:
        return [self._column(records, one) for one in self._reading.fields]

    def _column(self, records: Bytes, one: Field) -> Texts:
        raw = records[:, one.offset : one.offset + one.length]
        if one.is_memo:
            values = self._memos(raw, one)
        elif one.type in "VQ":
            values = self._varying(records, raw, one)
        else:
            is_dbase_7 = self._reading.header.is_dbase_7
            values = as_texts(raw, one, self._decoder, is_dbase_7=is_dbase_7)
        bit = self._null_bits.get(one.offset)
        if bit is None:
            return values
        # Where the table knows NULL, blank is an empty text.
        if one.type in "CVM":
            values = pc.fill_null(values, "")
        is_null = arrow_of(self._flag(records, bit), pa.bool_())
        return pc.if_else(is_null, pa.scalar(None, pa.string()), values)  # type: ignore[no-any-return]

    def _flag(self, records: Bytes, bit: int) -> Any:
        if self._flags is None or bit >= 8 * self._flags.length:
            return np.zeros(len(records), dtype=bool)
        return (records[:, self._flags.offset + bit // 8] >> (bit % 8)) & 1 == 1

    def _varying(self, records: Bytes, raw: Bytes, one: Field) -> Texts:
        """Texts and bytes of varying length: the last byte says it where the value is shorter."""
        is_short = self._flag(records, self._length_bits[one.offset])
        lengths = np.where(is_short, np.minimum(raw[:, -1], one.length), one.length)
        if one.type == "Q":
            pairs = zip(raw, lengths.tolist(), strict=True)
            return pa.array(
                [base64.b64encode(bytes(value[:size])).decode() for value, size in pairs],
                pa.string(),
            )
        filled = np.where(np.arange(one.length) < lengths[:, None], raw, 0).astype(np.uint8)
        return as_texts(filled, one, self._decoder, is_dbase_7=False)

    def _memos(self, raw: Bytes, one: Field) -> Texts:
        return pa.array([self._memo_text(block, one) for block in _pointers(raw)], pa.string())

    def _memo_text(self, block: int, one: Field) -> str | None:
        if not block:
            return None
        if self._memo is None:
            if self._reading.ignores_missing_memo:
                self._decoder.problems[MISSING_MEMO] += 1
                return None
            raise CorruptInput(
                f"field {self._decoder.text(one.name)} points into a memo file that is not there",
                reason=MISSING_MEMO,
                hint="keep it beside the table, or convert with ignore_missing_memo",
            )
        content = self._memo.read(block)
        if one.is_binary:
            return base64.b64encode(content).decode()
        return self._decoder.text(content)


def _flag_bits(header: Header) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Bits of the null flags by field offset: is it NULL, is it shorter than its field."""
    nulls: dict[int, int] = {}
    lengths: dict[int, int] = {}
    bit = 0
    for one in header.fields:
        if one.type in "VQ":
            lengths[one.offset] = bit
            bit += 1
        if one.is_nullable and not one.is_system:
            nulls[one.offset] = bit
            bit += 1
    return nulls, lengths


def _pointers(raw: Bytes) -> list[int]:
    """Numbers of memo blocks: four bytes, or ten digits; 0 for none."""
    if raw.shape[1] == 4:
        return [int(block) for block in np.ascontiguousarray(raw).view("<u4")[:, 0]]
    texts = (bytes(one).strip(b" \0") for one in raw)
    return [_digits(text) for text in texts]


def _digits(text: bytes) -> int:
    if not text:
        return 0
    if not text.isdigit():
        raise CorruptInput(f"{text!r} points to no memo")
    return int(text)


def guessed_encoding(path: Path, header: Header) -> tuple[str, bool]:
    """UTF-8 where every text is, else a code page of the West; and whether it mattered."""
    texts = [one for one in header.fields if one.type in "CV" and not one.is_binary]
    is_ascii = True
    for _, records in raw_records(path, header):
        if int(records.max()) <= _LAST_ASCII:
            continue
        for one in texts:
            raw = records[:, one.offset : one.offset + one.length]
            for row in raw[(raw > _LAST_ASCII).any(axis=1)]:
                is_ascii = False
                try:
                    bytes(row).rstrip(b" \0").decode(UTF8)
                except UnicodeDecodeError:
                    return _FALLBACK, True
    return (_FALLBACK, False) if is_ascii else (UTF8, True)


def known_encoding(name: str) -> str:
    """The code page that a text such as `1252`, `ANSI 1251` or `UTF-8` names; '' for none."""
    text = name.strip().lower()
    digits = "".join(char for char in text if char.isdigit())
    for candidate in (text, text.replace(" ", "-"), f"cp{digits}"):
        try:
            info = codecs.lookup(candidate)
        except (LookupError, ValueError):
            continue
        # Only what turns bytes into text, unlike `hex` and its kind.
        if getattr(info, "_is_text_encoding", True):
            return info.name
    return ""
