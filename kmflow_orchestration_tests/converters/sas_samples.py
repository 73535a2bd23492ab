"""A SAS data set written by hand: no library writes one. 32 bits, little-endian, UTF-8."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_MAGIC = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
_PAGE, _HEADER = 8192, 1024
_MIXED_PAGE = 0x0200


@dataclass(frozen=True)
class SasColumn:
    """`width` 0 is a number; else a text of so many bytes."""

    name: str
    width: int = 0
    format: str = ""
    label: str = ""


def sas_data_set(columns: Sequence[SasColumn], rows: Sequence[Sequence[float | str]]) -> bytes:
    """All on one page. Texts are filled with blanks."""
    texts = _Texts()
    names = b"".join(texts.reference(one.name) + bytes(2) for one in columns)
    told = [(texts.reference(one.format), texts.reference(one.label)) for one in columns]
    widths = [one.width or 8 for one in columns]
    packed = [_row(columns, row) for row in rows]
    sizes = _counted(0xF7F7F7F7, 480, {20: sum(widths), 24: len(rows), 60: len(rows)})
    attributes = b"".join(
        struct.pack("<IIHBx", sum(widths[:at]), widths[at], 0, 2 if one.width else 1)
        for at, one in enumerate(columns)
    )
    parts = [
        sizes,
        _counted(0xF6F6F6F6, 12, {4: len(columns)}),
        texts.part,
        _listed(0xFFFFFFFF, names),
        _listed(0xFFFFFFFC, attributes),
        *(
            struct.pack("<I", 0xFFFFFBFE) + bytes(30) + shown + label + bytes(6)
            for shown, label in told
        ),
    ]
    return _file_header() + _page(parts, packed)


class _Texts:
    """The names, formats and labels of a file, one after the other."""

    def __init__(self) -> None:
        self._content = bytearray(struct.pack("<I", 0xFFFFFFFD) + bytes(12))

    def reference(self, text: str) -> bytes:
        """Where a text lies, counted from behind the signature; empty ones lie nowhere."""
        start = len(self._content) - 4 if text else 0
        content = text.encode()
        self._content += content + bytes(-len(content) % 4)
        return struct.pack("<HHH", 0, start, len(content))

    @property
    def part(self) -> bytes:
        content = bytes(self._content) + bytes(8)
        return content[:4] + struct.pack("<H", len(content) - 12) + content[6:]


def _counted(signature: int, size: int, numbers: dict[int, int]) -> bytes:
    part = bytearray(size)
    for at, number in {0: signature, **numbers}.items():
        part[at : at + 4] = struct.pack("<I", number)
    return bytes(part)


def _listed(signature: int, entries: bytes) -> bytes:
    size = 12 + len(entries) + 8
    return struct.pack("<IH", signature, size - 12) + bytes(6) + entries + bytes(8)


def _row(columns: Sequence[SasColumn], cells: Sequence[float | str]) -> bytes:
    return b"".join(
        str(cell).encode().ljust(one.width) if one.width else _number(cell)
        for one, cell in zip(columns, cells, strict=True)
    )


def _number(cell: float | str) -> bytes:
    """A text stands for a missing number: '' for one without a reason, 'A' for reason A."""
    if isinstance(cell, float):
        return struct.pack("<d", cell)
    tag = ~(ord(cell) if cell else ord(".")) & 0xFF
    return bytes(5) + bytes([tag]) + b"\xff\xff"


def _file_header() -> bytes:
    header = bytearray(_HEADER)
    header[: len(_MAGIC)] = _MAGIC
    header[32], header[35], header[37], header[39], header[70] = 0x22, 0x22, 1, ord("1"), 20
    header[84:92], header[92:97], header[156:164] = b"SAS FILE", b"LOANS", b"DATA    "
    header[164:196] = struct.pack("<dddd", 2e9, 2e9, 0, 0)
    header[196:208] = struct.pack("<III", _HEADER, _PAGE, 1)
    header[216:224] = b"9.0401M6"
    return bytes(header)


def _page(parts: Sequence[bytes], rows: Sequence[bytes]) -> bytes:
    page = bytearray(_PAGE)
    page[16:22] = struct.pack("<HHH", _MIXED_PAGE, len(parts) + len(rows), len(parts))
    end = _PAGE
    for at, part in enumerate(parts):
        end -= len(part)
        page[end : end + len(part)] = part
        page[24 + 12 * at : 36 + 12 * at] = struct.pack("<IIBBH", end, len(part), 0, 0, 0)
    start = 24 + 12 * len(parts)
    start += start % 8
    content = b"".join(rows)
    page[start : start + len(content)] = content
    return bytes(page)
