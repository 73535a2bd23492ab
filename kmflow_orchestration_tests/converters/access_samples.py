"""The Access databases that tests read; access_files/README.md says where they are from."""

from __future__ import annotations

import gzip
import struct
from functools import cache
from pathlib import Path

from kmflow_orchestration.converters.access_databases.catalogue import read_catalogue
from kmflow_orchestration.converters.access_databases.definition import read_definition
from kmflow_orchestration.converters.access_databases.file_header import rc4
from kmflow_orchestration.converters.access_databases.pages import Pages

_FOLDER = Path(__file__).with_name("access_files")
_PAGE = 4096
_HIDING_KEY = bytes((0xC7, 0xDA, 0x39, 0x6B))
_HIDDEN = slice(0x18, 0x18 + 128)


@cache
def access_file(name: str) -> bytes:
    """Such as `jet4.mdb`."""
    return gzip.decompress((_FOLDER / f"{name}.gz").read_bytes())


def page_of(path: Path, table: str) -> int:
    """Where the definition of a table begins."""
    return next(one.page for one in read_catalogue(Pages(path)).tables if one.name == table)


def with_type(path: Path, table: str, column: str, old: int, new: int) -> None:
    """Say that a column is of another type, of which its bytes are values as well."""
    content = bytearray(path.read_bytes())
    start = page_of(path, table) * _PAGE
    count = struct.unpack_from("<H", content, start + 45)[0]
    indexes = struct.unpack_from("<I", content, start + 51)[0]
    blocks = start + 63 + 12 * indexes
    at = blocks + 25 * count
    for number in range(count):
        length = struct.unpack_from("<H", content, at)[0]
        if content[at + 2 : at + 2 + length].decode("utf-16-le") == column:
            place = blocks + 25 * number
            assert content[place] == old
            content[place] = new
            path.write_bytes(content)
            return
        at += 2 + length
    raise AssertionError(f"{table} has no column {column}")


def with_entry(path: Path, table: str, column: str, value: bytes) -> None:
    """Say something else of a table in the list of tables; the column has a fixed length."""
    content = bytearray(path.read_bytes())
    pages = Pages(path)
    own = read_definition(pages, 2)
    place = next(one.place for one in own.columns if one.name == column)
    number = struct.pack("<I", page_of(path, table))
    for page in pages.owned(own.map_row, own.map_page):
        for row in pages.rows_of(own.page, page):
            if row[2:6] == number:
                at = content.index(row, page * _PAGE) + 2 + place
                content[at : at + len(value)] = value
                path.write_bytes(content)
                return
    raise AssertionError(f"{table} has no entry")


def with_key(content: bytes, key: int, *, encode: bool = True) -> bytes:
    """A database whose header names a key, and whose pages are encoded with it."""
    hidden = bytearray(rc4(_HIDING_KEY, content[_HIDDEN]))
    struct.pack_into("<I", hidden, 0x3E - 0x18, key)
    found = bytearray(content)
    found[_HIDDEN] = rc4(_HIDING_KEY, bytes(hidden))
    for number in range(1, len(content) // _PAGE if encode else 0):
        place = slice(number * _PAGE, (number + 1) * _PAGE)
        found[place] = rc4(struct.pack("<I", key ^ number), content[place])
    return bytes(found)
