"""DBF files byte by byte, for what no writer offers."""

from __future__ import annotations

import struct
from collections.abc import Sequence

FieldSpec = tuple[str, str, int]
"""Name, type and length."""


def dbf_bytes(
    fields: Sequence[FieldSpec],
    records: Sequence[bytes],
    *,
    version: int = 0x03,
    language: int = 0x03,
    flags: Sequence[int] = (),
    count: int | None = None,
) -> bytes:
    """A table of records, each with its deletion mark in front."""
    is_dbase_7 = version in {0x04, 0x8C}
    start, size = (68, 48) if is_dbase_7 else (32, 32)
    length = 1 + sum(width for _, _, width in fields)
    head = struct.pack(
        "<B3BIHH",
        *(version, 126, 11, 30, len(records) if count is None else count),
        *(start + size * len(fields) + 1, length),
    )
    head = head.ljust(29, b"\0") + bytes([language])
    entries = [
        _entry(field, flag, is_dbase_7=is_dbase_7)
        for field, flag in zip(fields, [*flags, *[0] * len(fields)], strict=False)
    ]
    assert all(len(record) == length for record in records)
    return head.ljust(start, b"\0") + b"".join(entries) + b"\r" + b"".join(records) + b"\x1a"


def _entry(field: FieldSpec, flag: int, *, is_dbase_7: bool) -> bytes:
    name, kind, width = field
    if is_dbase_7:
        return (name.encode().ljust(32, b"\0") + kind.encode() + bytes([width])).ljust(48, b"\0")
    low, high = width & 0xFF, width >> 8
    entry = name.encode().ljust(11, b"\0") + kind.encode() + bytes(4) + bytes([low, high, flag])
    return entry.ljust(32, b"\0")
