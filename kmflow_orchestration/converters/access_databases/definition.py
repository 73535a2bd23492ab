"""What a table of an Access database says of itself: columns, indexes, how many rows (D29)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from kmflow_orchestration.converters.access_databases.pages import Pages
from kmflow_orchestration.errors import CorruptInput

DEFINITION_PAGE = 0x02
_FIXED, _CALCULATED = 0x01, 0xC0
_UNIQUE, _PRIMARY, _FOREIGN = 0x01, 1, 2
_COLUMNS_OF_INDEX, _NO_COLUMN = 10, 0xFFFF
_MOST_COLUMNS, _MOST_INDEXES, _MOST_DIGITS = 255, 1024, 38


class Form(IntEnum):
    """Types of columns by their numbers in the file."""

    BOOLEAN = 0x01
    BYTE = 0x02
    INTEGER = 0x03
    LONG = 0x04
    CURRENCY = 0x05
    SINGLE = 0x06
    DOUBLE = 0x07
    MOMENT = 0x08
    BINARY = 0x09
    TEXT = 0x0A
    OLE = 0x0B
    MEMO = 0x0C
    GUID = 0x0F
    NUMERIC = 0x10
    COMPLEX = 0x12
    """Attachments and columns of several values: a number that stands for rows of another table."""
    BIGINT = 0x13
    MOMENT_EXTENDED = 0x14
    """Of Access 2019: from the year 1 on, in steps of 100 nanoseconds."""


@dataclass(frozen=True, slots=True)
class AccessColumn:
    """`number` is its bit in a row's mask, `place` where its bytes lie among the fixed ones, or
    which of the others they are; `length` is what a text or bytes of a fixed length take.
    """

    name: str
    form: Form
    number: int
    place: int
    is_fixed: bool
    precision: int = 0
    scale: int = 0
    is_calculated: bool = False
    length: int = 0


@dataclass(frozen=True, slots=True)
class AccessIndex:
    """Names of the columns that an index sorts by."""

    name: str
    columns: tuple[str, ...]
    is_primary: bool
    is_unique: bool


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """`page` is the first of it, which every page of rows names; `rows` is its own count."""

    page: int
    rows: int
    columns: tuple[AccessColumn, ...]
    indexes: tuple[AccessIndex, ...]
    map_row: int
    map_page: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things stand; the older engine has shorter ones."""

    rows: int
    counts: int
    maps: int
    indexes: int
    index_count_bytes: int
    column: struct.Struct
    index_columns: struct.Struct
    index: struct.Struct


# A column: type, number, place among the variable ones, precision, scale, flags, more flags,
# place among the fixed ones, length.
_OLD = _Layout(
    12, 21, 35, 43, 8,
    struct.Struct("<BHH6xBBBHH"), struct.Struct("<30sIIB"), struct.Struct("<IIBIIBBB"),
)  # fmt: skip
_NEW = _Layout(
    16, 41, 55, 63, 12,
    struct.Struct("<B4xHH2xBB2xBB4xHH"), struct.Struct("<4x30sII4xB5x"),
    struct.Struct("<4xIIBIIBBB4x"),
)  # fmt: skip


class _Reader:
    """Takes one thing after the other; nothing is there behind the end."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at

    def take(self, length: int) -> bytes:
        found = self._content[self._at : self._at + length]
        if len(found) < length:
            raise CorruptInput("the definition of a table breaks off")
        self._at += length
        return found

    def name(self, encoding: str) -> str:
        if encoding:
            return self.take(self.take(1)[0]).decode(encoding, "backslashreplace")
        length = int.from_bytes(self.take(2), "little")
        return self.take(length).decode("utf-16-le", "backslashreplace")


def read_definition(pages: Pages, page: int) -> TableDefinition:
    """The definition that begins on a page. Raises CorruptInput."""
    layout = _OLD if pages.is_old else _NEW
    content = pages.chained(page, DEFINITION_PAGE, "definition of a table")
    if len(content) < layout.indexes:
        raise CorruptInput("the definition of a table breaks off")
    rows = struct.unpack_from("<I", content, layout.rows)[0]
    _, _, count = struct.unpack_from("<HHH", content, layout.counts)
    slots, indexes = struct.unpack_from("<II", content, layout.counts + 6)
    if count > _MOST_COLUMNS or max(slots, indexes) > _MOST_INDEXES:
        raise CorruptInput(f"a table of {count} columns and {indexes} indexes cannot be")
    reader = _Reader(content, layout.indexes + indexes * layout.index_count_bytes)
    raw = [layout.column.unpack(reader.take(layout.column.size)) for _ in range(count)]
    names = [reader.name(pages.encoding) for _ in range(count)]
    pairs = zip(raw, names, strict=True)
    columns = [_column(one, name, is_old=pages.is_old) for one, name in pairs]
    found = _indexes(reader, layout, slots, indexes, columns, encoding=pages.encoding)
    return TableDefinition(
        page,
        rows,
        tuple(sorted(columns, key=lambda column: column.number)),
        found,
        content[layout.maps],
        int.from_bytes(content[layout.maps + 1 : layout.maps + 4], "little"),
    )


def _column(raw: tuple[int, ...], name: str, *, is_old: bool) -> AccessColumn:
    kind, number, variable, precision, scale, flags, *rest = raw
    more, fixed, length = (0, *rest) if is_old else rest
    try:
        form = Form(kind)
    except ValueError as error:
        raise CorruptInput(f"column {name} is of type {kind:#04x}, which nobody knows") from error
    if form is Form.NUMERIC and not scale <= precision <= _MOST_DIGITS:
        raise CorruptInput(
            f"column {name} cannot have {precision} digits, {scale} behind the point"
        )
    is_fixed = bool(flags & _FIXED)
    place = fixed if is_fixed else variable
    is_calculated = more & _CALCULATED == _CALCULATED
    return AccessColumn(
        *(name, form, number, place, is_fixed, precision, scale, is_calculated, length)
    )


def _indexes(
    reader: _Reader,
    layout: _Layout,
    slots: int,
    count: int,
    columns: list[AccessColumn],
    *,
    encoding: str,
) -> tuple[AccessIndex, ...]:
    names = {column.number: column.name for column in columns}
    sorting = []
    for _ in range(count):
        block, *_, flags = layout.index_columns.unpack(reader.take(layout.index_columns.size))
        numbers = (struct.unpack_from("<H", block, 3 * at)[0] for at in range(_COLUMNS_OF_INDEX))
        own = tuple(names.get(number, "") for number in numbers if number != _NO_COLUMN)
        sorting.append((own, flags))
    told = [layout.index.unpack(reader.take(layout.index.size)) for _ in range(slots)]
    called = [reader.name(encoding) for _ in range(slots)]
    found = []
    for (_, data, *_, kind), name in zip(told, called, strict=True):
        # One of kind 2 belongs to a relation, which is told as such.
        if kind != _FOREIGN and data < len(sorting):
            own, flags = sorting[data]
            is_primary = kind == _PRIMARY
            found.append(AccessIndex(name, own, is_primary, is_primary or bool(flags & _UNIQUE)))
    return tuple(found)
