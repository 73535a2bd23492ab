"""Small files of which every value is known."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """A file, what is special about it, and the texts that a faithful result holds."""

    what: str
    how: str
    file_name: str
    content: bytes
    values: tuple[str | None, ...]


def _dbf(fields: tuple[tuple[str, str, int, int], ...], rows: list[bytes], page: int = 3) -> bytes:
    header_bytes = 32 + 32 * len(fields) + 1
    record_bytes = 1 + sum(length for _, _, length, _ in fields)
    header = struct.pack("<4BIHH17xBxx", 3, 126, 1, 5, len(rows), header_bytes, record_bytes, page)
    described = b"".join(
        struct.pack("<11sc4xBB14x", name.encode(), kind.encode(), length, decimals)
        for name, kind, length, decimals in fields
    )
    return header + described + b"\r" + b"".join(b" " + row for row in rows) + b"\x1a"


PROBES = (
    Probe(
        *("CSV: blanks within fields", "as they stand", "blanks.csv"),
        b"name,place\n  a,b  \nc,d\n",
        ("  a", "b  ", "c", "d"),
    ),
    Probe(
        *("CSV: no value and empty text", "two things", "empty.csv"),
        b'name,place\nx,\ny,""\n',
        ("x", None, "y", ""),
    ),
    Probe(
        *("CSV: names that are numbers", "are a header", "years.csv"),
        b"2019,2020\n1,2\n3,4\n",
        ("1", "2", "3", "4"),
    ),
    Probe(
        *("CSV: one late byte that is no UTF-8", "one file of two encodings", "late.csv"),
        b"name\n" + b"plain\n" * 3 + b"caf\xe9\n",
        ("plain", "plain", "plain", "caf\xe9"),
    ),
    Probe(
        *("XML: a child that is there twice", "both", "twice.xml"),
        b"<r><p><n>1</n><t>red</t><t>blue</t></p><p><n>2</n><t>green</t></p></r>",
        ("1", "2", "red", "blue", "green"),
    ),
    Probe(
        *("XML: text around elements", "in order", "mixed.xml"),
        b"<r><p><n>1</n><t>before <b>bold</b> behind</t></p><p><n>2</n><t>plain</t></p></r>",
        ("1", "2", "bold", "plain"),
    ),
    Probe(
        *("XML: what lies beside the records", "in the result", "beside.xml"),
        b"<r><made>2026-11-30</made><p><n>1</n></p><p><n>2</n></p></r>",
        ("2026-11-30", "1", "2"),
    ),
    Probe(
        *("DBF: six decimals", "exact", "exact.dbf"),
        _dbf((("X", "N", 10, 6),), [b"  1.234567", b"  0.933554"]),
        ("1.234567", "0.933554"),
    ),
    Probe(
        *("DBF: text of code page 437", "named in its header", "page.dbf"),
        _dbf((("NAME", "C", 6, 0),), ["Zo\xeb   ".encode("cp437"), "\xdcber  ".encode("cp437")], 1),
        ("Zo\xeb", "\xdcber"),
    ),
)
