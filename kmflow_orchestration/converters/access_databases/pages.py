"""Pages of an Access database: which belong to a table, the rows on them, and values too long."""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from kmflow_orchestration.converters.access_databases.file_header import (
    HEADER_BYTES,
    Engine,
    FileHeader,
    rc4,
    read_header,
)
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.errors import CorruptInput, PasswordRequiredError

_DATA_PAGE, _MAP_PAGE = 0x01, 0x05
_INLINE_MAP, _PAGES_OF_MAP = 0, 1
_DELETED, _ELSEWHERE, _PLACE = 0x8000, 0x4000, 0x1FFF
_HERE, _ON_ONE_PAGE = 0x80000000, 0x40000000
_LONG_HEAD, _HEAD_BYTES = 12, 8
_KEPT_PAGES = 64
# A cell beyond it is no document's, and all cells together may not be much more than the file.
_MOST_CELL_BYTES = 100 << 20
_MOST_RATIO, _RATIO_FROM_BYTES = 100, 256 << 20


class Pages:
    """The pages of one file; closed with this object."""

    def __init__(self, path: Path) -> None:
        """Opens it.

        Raises:
            CorruptInput: no Access database.
            PasswordRequiredError: it is encrypted.
        """
        self._file = path.open("rb")
        weakref.finalize(self, self._file.close)
        self.header = read_header(self._file.read(HEADER_BYTES))
        size = os.fstat(self._file.fileno()).st_size
        self.count = size // self.header.page_bytes
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self.encoding = self.header.encoding if self.header.is_old else ""
        """Of texts; '' where each says itself how it is encoded."""
        self._long_bytes = max(_RATIO_FROM_BYTES, _MOST_RATIO * size)
        if self.header.key and self.header.engine not in (Engine.JET3, Engine.JET4):
            raise PasswordRequiredError(
                "the database is encrypted, and Access databases are not unlocked here",
                hint="open it in Access, take the password off, and convert that copy",
            )

    @property
    def is_old(self) -> bool:
        return self.header.is_old

    def page(self, number: int) -> bytes:
        """Raises CorruptInput for a page that is not there."""
        found = self._kept.pop(number, None)
        if found is None:
            found = self._read(number)
            if len(self._kept) >= _KEPT_PAGES:
                self._kept.popitem(last=False)
        self._kept[number] = found
        return found

    def _read(self, number: int) -> bytes:
        header: FileHeader = self.header
        if not 0 < number < self.count:
            raise CorruptInput(f"page {number} is named, and there are {self.count}")
        found = os.pread(self._file.fileno(), header.page_bytes, number * header.page_bytes)
        if len(found) < header.page_bytes:
            raise CorruptInput(f"the file ends within page {number}")
        return self._open(number, found)

    def _open(self, number: int, content: bytes) -> bytes:
        """Of a page as it lies in the file, from its beginning on."""
        key = self.header.key
        return rc4((key ^ number).to_bytes(4, "little"), content) if key else content

    def chained(self, number: int, kind: int, what: str) -> bytes:
        """Content of a page and of those that continue it.

        Raises:
            CorruptInput: one of them is no page of that kind, or they go round in a circle.
        """
        parts: list[bytes] = []
        seen: set[int] = set()
        while number:
            page = self.page(number)
            if page[0] != kind or number in seen:
                raise CorruptInput(f"page {number} is no {what}")
            seen.add(number)
            parts.append(page if not parts else page[8:])
            number = _u32(page, 4)
        return b"".join(parts)

    def begun(self) -> Iterator[tuple[int, bytes]]:
        """Each page that is there in full, with its first eight bytes."""
        for number in range(1, self.count):
            head = os.pread(self._file.fileno(), _HEAD_BYTES, number * self.header.page_bytes)
            yield number, self._open(number, head)

    def owned(self, row: int, number: int) -> Iterator[int]:
        """Pages in the map of a table, in their order; `row` of page `number` is the map.

        Raises:
            CorruptInput: what should be a map is none.
        """
        content = self.row_at(row, number)
        if not content:
            raise CorruptInput("a table has no map of its pages")
        if content[0] == _INLINE_MAP:
            yield from _bits(content[5:], _u32(content, 1))
        elif content[0] == _PAGES_OF_MAP:
            of_one = (self.header.page_bytes - 4) * 8
            for at in range((len(content) - 1) // 4):
                page_number = _u32(content, 1 + 4 * at)
                if page_number:
                    page = self.page(page_number)
                    if page[0] != _MAP_PAGE:
                        raise CorruptInput(f"page {page_number} is no map of pages")
                    yield from _bits(page[4:], at * of_one)
        else:
            raise CorruptInput(f"a map of pages is of the unknown kind {content[0]}")

    def rows_of(self, table: int, number: int) -> Iterator[bytes]:
        """Rows on a page of a table that are not deleted, wherever they lie by now.

        Raises:
            CorruptInput: the page is another table's, or a place on it cannot be.
        """
        page = self.page(number)
        if page[0] != _DATA_PAGE or _u32(page, 4) != table:
            raise CorruptInput(f"page {number} is in the table's map and not the table's")
        for row in range(self._row_count(page)):
            place = self._place(page, row)
            if place & _DELETED:
                continue
            content = self._cut(page, row, number)
            if place & _ELSEWHERE:
                content = self._moved(content, number)
            yield content

    def _moved(self, pointer: bytes, number: int) -> bytes:
        seen: set[tuple[int, int]] = set()
        while True:
            if len(pointer) < 4:
                raise CorruptInput(f"a row that left page {number} does not say where it went")
            row, target = pointer[0], _u24(pointer, 1)
            page = self.page(target)
            is_there = page[0] == _DATA_PAGE and row < self._row_count(page)
            if not is_there or (target, row) in seen:
                raise CorruptInput(f"a row that left page {number} is not on page {target}")
            content = self._cut(page, row, target)
            if not self._place(page, row) & _ELSEWHERE:
                return content
            seen.add((target, row))
            pointer = content

    def row_at(self, row: int, number: int) -> bytes:
        """One row of a page, be it marked as deleted or not. Raises CorruptInput."""
        page = self.page(number)
        if page[0] != _DATA_PAGE or row >= self._row_count(page):
            raise CorruptInput(f"there is no row {row} on page {number}")
        return self._cut(page, row, number)

    def _row_count(self, page: bytes) -> int:
        at = 8 if self.is_old else 12
        count = _u16(page, at)
        if at + 2 + 2 * count > len(page):
            raise CorruptInput(f"{count} rows are more than fit on a page")
        return count

    def _place(self, page: bytes, row: int) -> int:
        return _u16(page, (10 if self.is_old else 14) + 2 * row)

    def _cut(self, page: bytes, row: int, number: int) -> bytes:
        start = self._place(page, row) & _PLACE
        end = len(page) if row == 0 else self._place(page, row - 1) & _PLACE
        if not 0 < start <= end <= len(page):
            raise CorruptInput(f"row {row} of page {number} lies outside of it")
        return page[start:end]

    def long_value(self, cell: bytes) -> bytes:
        """The content of a memo or an OLE object, which the cell has, or tells where it is.

        Raises:
            CorruptInput: it is not where it should be, or not as long as it should be, or too long
                (`too_large_inside`).
        """
        if len(cell) < _LONG_HEAD:
            raise CorruptInput("a long value does not say where it lies")
        told = _u32(cell, 0)
        length, row, number = told & 0x3FFFFFFF, cell[4], _u24(cell, 5)
        self._take(length)
        if told & _HERE:
            return cell[_LONG_HEAD : _LONG_HEAD + length]
        if told & _ON_ONE_PAGE:
            found = self.row_at(row, number)[:length]
        else:
            found = self._joined(row, number, length)
        if len(found) != length:
            raise CorruptInput(f"{len(found)} of {length} bytes of a long value are there")
        return found

    def _joined(self, row: int, number: int, length: int) -> bytes:
        found = bytearray()
        seen: set[tuple[int, int]] = set()
        while number and len(found) < length:
            piece = self.row_at(row, number)
            if len(piece) <= 4 or (row, number) in seen:
                raise CorruptInput(f"a long value breaks off on page {number}")
            seen.add((row, number))
            found += piece[4:]
            row, number = piece[0], _u24(piece, 1)
        return bytes(found[:length])

    def _take(self, length: int) -> None:
        """Rows may all name the same long value."""
        self._long_bytes -= length
        if length > _MOST_CELL_BYTES or self._long_bytes < 0:
            raise CorruptInput(f"a value of {length} bytes is more than is taken", reason=TOO_LARGE)


def _bits(content: bytes, first: int) -> Iterator[int]:
    for at, byte in enumerate(content):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield first + 8 * at + bit


def _u16(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 2], "little")


def _u24(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 3], "little")


def _u32(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "little")
