"""An Access 97 database, byte by byte: nothing that is kept up writes them any more."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kmflow_orchestration.converters.access_databases.file_header import rc4

_PAGE = 2048
_MAPS_PAGE, _CATALOGUE_PAGE, _FIRST_FREE = 3, 2, 4
_BYTES = {
    "long": (4, 4),
    "bool": (1, 0),
    "int": (3, 2),
    "text": (10, -1),
    "ole": (11, -1),
    "char": (10, 8),
    "extended": (20, 42),
}


@dataclass(frozen=True)
class OldTable:
    """Columns as name and kind; rows with a value for each."""

    name: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[object]]


def jet3_file(tables: Sequence[OldTable], encoding: str = "cp1252") -> bytes:
    """The file; a table's rows lie on one page."""
    pages: dict[int, bytes] = {0: _header()}
    owned: list[int] = []
    entries: list[tuple[object, ...]] = []
    number = _FIRST_FREE + 1
    for at, table in enumerate(tables, start=1):
        pages[number] = _definition(table, at, encoding)
        pages[number + 1] = _data_page(number, [_row(table, row, encoding) for row in table.rows])
        owned.append(number + 1)
        entries.append((number, table.name, 1, 0, None))
        number += 2
    columns = (("Id", "long"), ("Name", "text"), ("Type", "int"), ("Flags", "long"))
    catalogue = OldTable("MSysObjects", (*columns, ("LvProp", "ole")), entries)
    pages[_CATALOGUE_PAGE] = _definition(catalogue, 0, encoding)
    rows = [_row(catalogue, row, encoding) for row in catalogue.rows]
    pages[_FIRST_FREE] = _data_page(_CATALOGUE_PAGE, rows)
    pages[_MAPS_PAGE] = _data_page(0, [_map(page) for page in (_FIRST_FREE, *owned)])
    return b"".join(pages.get(at, b"").ljust(_PAGE, b"\0") for at in range(number))


def _header() -> bytes:
    head = b"\0\1\0\0Standard Jet DB\0" + bytes(4)
    return head + rc4(bytes((0xC7, 0xDA, 0x39, 0x6B)), bytes(126))


def _map(page: int) -> bytes:
    bits = bytearray(64)
    bits[page // 8] |= 1 << page % 8
    return b"\0" + struct.pack("<I", 0) + bytes(bits)


def _data_page(owner: int, rows: Sequence[bytes]) -> bytes:
    end, places, content = _PAGE, [], b""
    for row in rows:
        end -= len(row)
        places.append(end)
        content = row + content
    head = struct.pack("<BBHIH", 1, 1, 0, owner, len(rows)) + struct.pack(
        f"<{len(places)}H", *places
    )
    return head + bytes(end - len(head)) + content


def _definition(table: OldTable, map_row: int, encoding: str) -> bytes:
    fixed, variable, blocks = 0, 0, []
    for number, (_, kind) in enumerate(table.columns):
        code, width = _BYTES[kind]
        is_fixed = width >= 0
        flags = 1 if is_fixed else 2
        place = variable if not is_fixed else 0
        told = (code, number, place, number, 0, 0, 0, 0, flags, fixed, max(width, 0) or 255)
        blocks.append(struct.pack("<BHHHHHBBBHH", *told))
        fixed, variable = fixed + max(width, 0), variable + (not is_fixed)
    names = [name.encode(encoding) for name, _ in table.columns]
    count = len(table.columns)
    head = struct.pack("<BBHII", 2, 1, 0, 0, 0) + struct.pack("<II", len(table.rows), 0)
    head += struct.pack("<BHHHII", 0x4E, count, variable, count, 0, 0)
    pointer = struct.pack("<I", map_row | _MAPS_PAGE << 8)
    return head + 2 * pointer + b"".join(blocks) + b"".join(bytes((len(n),)) + n for n in names)


def _row(table: OldTable, row: Sequence[object], encoding: str) -> bytes:
    fixed, variable, mask = b"", [], 0
    for number, ((_, kind), value) in enumerate(zip(table.columns, row, strict=True)):
        _, width = _BYTES[kind]
        if value is not None and value is not False:
            mask |= 1 << number
        if kind in ("char", "extended"):
            fixed += str(value or "").encode(encoding).ljust(width)
        elif width > 0:
            fixed += int(str(value or 0)).to_bytes(width, "little", signed=True)
        elif width < 0:
            variable.append(str(value or "").encode(encoding))
    head = bytes((len(table.columns),)) + fixed
    places, at = [], len(head)
    for cell in (*variable, b""):
        places.append(at)
        at += len(cell)
    tail = bytes(place & 0xFF for place in reversed(places))
    body = head + b"".join(variable) + tail
    end = bytes((len(variable),)) + mask.to_bytes((len(table.columns) + 7) // 8, "little")
    # Where the first place behind byte 255 is.
    jumps = [number for number, place in enumerate(places) if place > 0xFF][:1]
    return body + bytes(jumps) + end
