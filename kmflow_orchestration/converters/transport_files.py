"""SAS transport files (.xpt): which tables lie in one, and numbers missing for a reason (D41).

The library reads the first table alone, takes the next for rows of it, and knows one kind of
missing number, of which there are 28.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.errors import CorruptInput

_RECORD = 80
_MARK = b"HEADER RECORD*******"
_MEMBER, _NAMES, _ROWS = (b"MEMB",), (b"NAMESTR", b"NAMSTV8"), (b"OBS",)
# The library's own three records come first.
_LIBRARY_BYTES = 3 * _RECORD
_CHUNK_BYTES = _RECORD << 14
_NAME_BYTES_AT, _COUNT_AT, _ROWS_TOLD_AT = slice(74, 78), slice(54, 58), slice(48, 63)
_KIND_AT, _WIDTH_AT, _PLACE_AT = slice(0, 2), slice(4, 6), slice(84, 88)
_NUMBER = 1
_MOST_COLUMNS = 16_384
# `.` alone is a number that is missing without a reason.
_REASONS = b"_ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Member:
    """One table: where it lies, its rows begin and how long each is; of its numbers, by position
    of their column, the place in a row and the width. `told_rows` is 0 where nobody counted them.
    """

    start: int
    end: int
    rows_at: int
    row_bytes: int
    numbers: Mapping[int, tuple[int, int]]
    told_rows: int

    def missing(self, path: Path, rows: int) -> str:
        """Why there must be more rows than were read, '' if there need not be.

        The older layout fills its last record with blanks: rows that lie before it are rows, be
        they blank or not.
        """
        length = self.end - self.rows_at
        least = -(-max(length - _RECORD + 1, 0) // self.row_bytes) if self.row_bytes else 0
        if self.told_rows > rows:
            return f"{rows} rows are there, and the table counts {self.told_rows}"
        with path.open("rb") as stream:
            stream.seek(self.rows_at + rows * self.row_bytes)
            behind = stream.read(min(max(self.end - stream.tell(), 0), self.row_bytes))
        if length % _RECORD or behind.strip(b" \0"):
            return f"the file breaks off behind {rows} rows"
        if not self.told_rows and least > rows:
            return f"{rows} rows can be told apart from what fills the file, of at least {least}"
        return ""

    def write_alone(self, path: Path, copy: Path) -> None:
        """A file with this table only."""
        with path.open("rb") as source, copy.open("wb") as target:
            target.write(source.read(_LIBRARY_BYTES))
            source.seek(self.start)
            left = self.end - self.start
            while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
                target.write(chunk)
                left -= len(chunk)

    def reasons(self, path: Path, first: int, count: int) -> Mapping[int, Mapping[int, str]]:
        """Of rows from `first` on, by position: columns, and the letter a number is missing by."""
        import numpy as np

        with path.open("rb") as stream:
            stream.seek(self.rows_at + first * self.row_bytes)
            content = stream.read(min(count * self.row_bytes, self.end - stream.tell()))
        count = min(count, len(content) // self.row_bytes)
        cells = np.frombuffer(content, np.uint8, count * self.row_bytes)
        cells = cells.reshape(count, self.row_bytes)
        found: dict[int, dict[int, str]] = {}
        for column, (place, width) in self.numbers.items():
            marks = cells[:, place]
            is_told = np.isin(marks, list(_REASONS)) & ~cells[:, place + 1 : place + width].any(1)
            for row in np.flatnonzero(is_told):
                found.setdefault(int(row), {})[column] = chr(marks[row]).lower()
        return found


def members_of(path: Path) -> tuple[Member, ...]:
    """Raises CorruptInput for a file without a table, or one whose columns cannot be told."""
    headers = list(_headers(path))
    starts = [at for at, head in headers if _is(head, _MEMBER)]
    if not starts:
        raise CorruptInput("there is no table in the transport file")
    ends = [*starts[1:], path.stat().st_size]
    pairs = zip(starts, ends, strict=True)
    return tuple(_member(path, start, end, headers) for start, end in pairs)


def _headers(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as stream:
        base = 0
        while chunk := stream.read(_CHUNK_BYTES):
            at = chunk.find(_MARK)
            while at >= 0:
                if at % _RECORD == 0:
                    yield base + at, chunk[at : at + _RECORD]
                at = chunk.find(_MARK, at + 1)
            base += len(chunk)


def _is(head: bytes, kinds: Sequence[bytes]) -> bool:
    return head[len(_MARK) :].startswith(tuple(kinds))


def _member(path: Path, start: int, end: int, headers: Sequence[tuple[int, bytes]]) -> Member:
    own = [(at, head) for at, head in headers if start <= at < end]
    names = next(((at, head) for at, head in own if _is(head, _NAMES)), None)
    rows = next(((at, head) for at, head in own if _is(head, _ROWS)), None)
    if names is None or rows is None:
        raise CorruptInput("a table of the transport file does not say where its rows lie")
    width, count = _digits(own[0][1][_NAME_BYTES_AT]), _digits(names[1][_COUNT_AT])
    if not 88 <= width <= 1024 or count > _MOST_COLUMNS:
        raise CorruptInput(f"a transport file of {count} columns, {width} bytes each, cannot be")
    with path.open("rb") as stream:
        stream.seek(names[0] + _RECORD)
        told = stream.read(width * count)
    if len(told) < width * count:
        raise CorruptInput("the transport file breaks off")
    columns = [told[at : at + width] for at in range(0, len(told), width)]
    row_bytes = sum(_integer(column[_WIDTH_AT]) for column in columns)
    numbers = {
        number: (_integer(column[_PLACE_AT]), _integer(column[_WIDTH_AT]))
        for number, column in enumerate(columns)
        if _integer(column[_KIND_AT]) == _NUMBER
    }
    if any(not length or place + length > row_bytes for place, length in numbers.values()):
        raise CorruptInput("a column of the transport file lies outside of its row")
    told = rows[1][_ROWS_TOLD_AT].strip()
    told_rows = int(told) if told.isdigit() else 0
    return Member(start, end, rows[0] + _RECORD, row_bytes, numbers, told_rows)


def _integer(content: bytes) -> int:
    return int.from_bytes(content, "big")


def _digits(content: bytes) -> int:
    if not content.isdigit():
        raise CorruptInput("a header of the transport file is damaged")
    return int(content)
