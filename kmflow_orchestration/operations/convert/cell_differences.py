"""The cells in which a written file is not what its source says: row, column and both values."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.operations.convert.output_tables import Rows

_SHOWN_CHARACTERS = 80
_CHUNK_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was; values are cut to 80 characters.

    `row` counts from 1 in the table, `source_row` is its number in the source; 0 is no row.
    """

    file: str
    what: str
    column: str = ""
    row: int = 0
    source_row: int = 0
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        if not self.row:
            column = f", column {self.column}" if self.column else ""
            return f"{self.file}{column}: {self.what}"
        source = f" (row {self.source_row} of the source)" if self.source_row else ""
        return (
            f"{self.file}: row {self.row}{source}, column {self.column}: "
            f"{self.found} instead of {self.expected}"
        )


def parquet_differences(rows: Rows, path: Path) -> Iterator[Difference]:
    """Of a Parquet file from the rows it should hold. Raises OSError and pa.ArrowException."""
    name = path.name
    with pq.ParquetFile(path) as file:
        held = file.schema_arrow
        for column in rows.schema:
            at = held.get_field_index(column.name)
            if at < 0:
                yield Difference(name, "the column is not there", column.name)
            elif held.field(at).type != column.type:
                what = f"its type is {held.field(at).type} instead of {column.type}"
                yield Difference(name, what, column.name)
        for extra in set(held.names) - set(rows.schema.names):
            yield Difference(name, "no such column comes from the source", extra)
        yield from _cells(rows, file, name)


def _cells(rows: Rows, file: pq.ParquetFile, name: str) -> Iterator[Difference]:
    held = file.schema_arrow
    shared = [
        column.name
        for column in rows.schema
        if column.name in held.names and held.field(column.name).type == column.type
    ]
    expected, found = _Pieces(_numbered(rows)), _Pieces(_plain(file))
    begun = 0
    while (count := min(expected.ready(), found.ready())) > 0:
        numbers, wanted = expected.take(count)
        _, have = found.take(count)
        for column in shared:
            left, right = wanted.column(column), have.column(column)
            if left.equals(right):
                continue
            for at, (one, other) in enumerate(
                zip(left.to_pylist(), right.to_pylist(), strict=True)
            ):
                # NaN is no difference to NaN.
                if one != other and not (one != one and other != other):  # noqa: PLR0124
                    yield Difference(
                        name,
                        "the value differs",
                        column,
                        begun + at + 1,
                        numbers[at].as_py(),
                        _shown(one),
                        _shown(other),
                    )
        begun += count
    more, less = expected.rest(), found.rest()
    if more or less:
        what = f"{begun + less} rows instead of {begun + more}"
        yield Difference(name, what)


class _Pieces:
    """Batches from which as many rows are taken as are wanted."""

    def __init__(self, batches: Iterator[tuple[Any, pa.RecordBatch]]) -> None:
        self._batches = batches
        self._numbers: Any = None
        self._batch: pa.RecordBatch | None = None

    def ready(self) -> int:
        """Rows at hand; 0 at the end."""
        while self._batch is None or not self._batch.num_rows:
            following = next(self._batches, None)
            if following is None:
                return 0
            self._numbers, self._batch = following
        return int(self._batch.num_rows)

    def take(self, count: int) -> tuple[Any, pa.RecordBatch]:
        batch, numbers = self._batch, self._numbers
        assert batch is not None  # noqa: S101 - `ready` said so
        self._batch = batch.slice(count)
        self._numbers = numbers[count:] if numbers is not None else None
        return numbers, batch.slice(0, count)

    def rest(self) -> int:
        """How many rows are left, read to the end."""
        total = 0
        while count := self.ready():
            self.take(count)
            total += count
        return total


def _numbered(rows: Rows) -> Iterator[tuple[Any, pa.RecordBatch]]:
    return iter(rows.batches())


def _plain(file: pq.ParquetFile) -> Iterator[tuple[Any, pa.RecordBatch]]:
    for batch in file.iter_batches(batch_size=_CHUNK_ROWS):
        yield None, batch


def text_differences(wanted: Path, path: Path, file_format: str) -> Iterator[Difference]:
    """Of a text file from the one that the source gives now."""
    if wanted.read_bytes() == path.read_bytes():
        return
    name, found = path.name, False
    with (
        wanted.open(encoding="utf-8", newline="") as left,
        path.open(encoding="utf-8", errors="replace", newline="") as right,
    ):
        for difference in _RECORDS[file_format](left, right, name):
            found = True
            yield difference
    if not found:
        yield Difference(name, "its bytes are not those that the source gives")


def _delimited(left: Any, right: Any, name: str, delimiter: str) -> Iterator[Difference]:
    # A field of any length was written, and one may have become longer.
    csv.field_size_limit(1 << 31)
    pairs = zip_longest(
        csv.reader(left, delimiter=delimiter), csv.reader(right, delimiter=delimiter)
    )
    header: list[str] = []
    for at, (one, other) in enumerate(pairs):
        header = header or list(one or ())
        if one != other:
            yield from _fields(name, at, header, one, other)


def _fields(
    name: str, at: int, header: list[str], one: list[str] | None, other: list[str] | None
) -> Iterator[Difference]:
    if one is None or other is None:
        yield Difference(name, f"row {at} is {'not wanted' if one is None else 'not there'}")
        return
    for column, (left, right) in zip_longest(header, list(zip_longest(one, other))):
        if left != right:
            yield Difference(
                name, "the value differs", column or "", at, 0, _shown(left), _shown(right)
            )


def _lines_of_json(left: Any, right: Any, name: str) -> Iterator[Difference]:
    for at, (one, other) in enumerate(zip_longest(left, right), start=1):
        if one == other:
            continue
        if one is None or other is None:
            yield Difference(name, f"row {at} is {'not wanted' if one is None else 'not there'}")
            continue
        wanted = json.loads(one, parse_float=str, parse_int=str)
        try:
            have = json.loads(other, parse_float=str, parse_int=str)
        except ValueError:
            have = None
        if not isinstance(have, dict):
            yield Difference(name, f"row {at} is no JSON object")
            continue
        for column in dict.fromkeys([*wanted, *have]):
            left_value, right_value = wanted.get(column), have.get(column)
            if left_value != right_value:
                yield Difference(
                    name,
                    "the value differs",
                    column,
                    at,
                    0,
                    _shown(left_value),
                    _shown(right_value),
                )


def _lines(left: Any, right: Any, name: str) -> Iterator[Difference]:
    for at, (one, other) in enumerate(zip_longest(left, right), start=1):
        if one != other:
            yield Difference(name, "the text differs", "text", at, 0, _shown(one), _shown(other))


_RECORDS: dict[str, Any] = {
    "csv": lambda left, right, name: _delimited(left, right, name, ","),
    "tsv": lambda left, right, name: _delimited(left, right, name, "\t"),
    "jsonl": _lines_of_json,
    "text": _lines,
}


def _shown(value: object) -> str:
    text = "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
