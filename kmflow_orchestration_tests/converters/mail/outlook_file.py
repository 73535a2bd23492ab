"""Writes Outlook's .msg: a compound file of properties, as small as the format allows."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

Content: TypeAlias = "Mapping[str, bytes | Content]"
_SECTOR, _MINI = 512, 64
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def outlook(
    texts: Mapping[int, str],
    *,
    sent: datetime | None = None,
    html: bytes = b"",
    recipients: Sequence[Content] = (),
    attachments: Sequence[Content] = (),
) -> bytes:
    """A message with these text properties, by their ids."""
    return compound_file(
        message(texts, 32, sent=sent, html=html, recipients=recipients, attachments=attachments)
    )


def message(
    texts: Mapping[int, str],
    header_bytes: int = 24,
    *,
    sent: datetime | None = None,
    html: bytes = b"",
    recipients: Sequence[Content] = (),
    attachments: Sequence[Content] = (),
) -> Content:
    """A message's storage; those inside others have shorter headers."""
    fixed = []
    if sent is not None:
        ticks = int((sent - _EPOCH).total_seconds()) * 10_000_000
        fixed.append(struct.pack("<HHIQ", 0x0040, 0x0039, 6, ticks))
    found = dict(_properties(texts, {0x1013: html} if html else {}, fixed, header_bytes))
    found |= {f"__recip_version1.0_#{at:08X}": one for at, one in enumerate(recipients)}
    return found | {f"__attach_version1.0_#{at:08X}": one for at, one in enumerate(attachments)}


def recipient(name: str, address: str, kind: int = 1) -> Content:
    fixed = [struct.pack("<HHIII", 0x0003, 0x0C15, 6, kind, 0)]
    return _properties({0x3001: name, 0x39FE: address}, {}, fixed, 8)


def attached(name: str, content: bytes) -> Content:
    return _properties({0x3707: name, 0x370E: "text/csv"}, {0x3701: content}, [], 8)


def attached_message(inner: Content) -> Content:
    found = _properties({0x3001: "forwarded"}, {}, [], 8)
    return {**found, "__substg1.0_3701000D": inner}


def _properties(
    texts: Mapping[int, str],
    binaries: Mapping[int, bytes],
    fixed: Sequence[bytes],
    header_bytes: int,
) -> Content:
    values = {(pid, 0x001F): text.encode("utf-16-le") for pid, text in texts.items()}
    values |= {(pid, 0x0102): content for pid, content in binaries.items()}
    entries = [
        struct.pack("<HHIII", kind, pid, 6, len(value), 0) for (pid, kind), value in values.items()
    ]
    streams = {f"__substg1.0_{pid:04X}{kind:04X}": value for (pid, kind), value in values.items()}
    head = bytes(header_bytes) + b"".join([*entries, *fixed])
    return {"__properties_version1.0": head, **streams}


@dataclass
class _Entry:
    name: str
    kind: int
    content: bytes = b""
    child: int = _FREE
    sibling: int = _FREE
    start: int = _END


@dataclass
class _Writer:
    """Entries of the directory in order; all streams lie in the mini stream."""

    entries: list[_Entry] = field(default_factory=list)

    def add(self, name: str, content: bytes | Content, kind: int = 1) -> int:
        at = len(self.entries)
        if isinstance(content, bytes):
            self.entries.append(_Entry(name, 2, content))
            return at
        self.entries.append(_Entry(name, kind))
        last = _FREE
        for inner_name, inner in content.items():
            inner_at = self.add(inner_name, inner)
            if last == _FREE:
                self.entries[at].child = inner_at
            else:
                self.entries[last].sibling = inner_at
            last = inner_at
        return at


def compound_file(content: Content) -> bytes:
    writer = _Writer()
    writer.add("Root Entry", content, kind=5)
    mini, mini_fat = _mini_stream(writer.entries)
    directory_sectors = -(-len(writer.entries) // 4)
    mini_fat_bytes = _padded(b"".join(struct.pack("<I", one) for one in mini_fat), _SECTOR)
    mini_bytes = _padded(mini, _SECTOR)
    mini_fat_at = 1 + directory_sectors
    mini_at = mini_fat_at + len(mini_fat_bytes) // _SECTOR
    writer.entries[0].start = mini_at
    ends = [(1, mini_fat_at), (mini_fat_at, mini_at), (mini_at, mini_at + len(mini_bytes) // 512)]
    fat = [
        _FAT,
        *(at + 1 if at + 1 < end else _END for start, end in ends for at in range(start, end)),
    ]
    assert len(fat) <= _SECTOR // 4, "a sample this large needs a second sector"
    fat += [_FREE] * (_SECTOR // 4 - len(fat))
    directory = b"".join(_directory_entry(one, len(mini)) for one in writer.entries)
    return b"".join(
        [
            _header(mini_fat_at, len(mini_fat_bytes) // _SECTOR),
            struct.pack("<128I", *fat),
            _padded(directory, _SECTOR),
            mini_fat_bytes,
            mini_bytes,
        ]
    )


def _mini_stream(entries: Sequence[_Entry]) -> tuple[bytes, list[int]]:
    mini, fat = b"", []
    for one in entries:
        if one.kind == 2 and one.content:
            assert len(one.content) < 4096, "longer streams lie elsewhere"
            one.start = len(fat)
            padded = _padded(one.content, _MINI)
            count = len(padded) // _MINI
            fat += [*(len(fat) + at + 1 for at in range(count - 1)), _END]
            mini += padded
    return mini, fat


def _directory_entry(one: _Entry, mini_bytes: int) -> bytes:
    name = one.name.encode("utf-16-le")
    size = mini_bytes if one.kind == 5 else len(one.content)
    links = struct.pack("<III", _FREE, one.sibling, one.child)
    head = name.ljust(64, b"\0") + struct.pack("<HBB", len(name) + 2, one.kind, 1) + links
    return head + bytes(36) + struct.pack("<IQ", one.start, size)


def _header(mini_fat_at: int, mini_fat_sectors: int) -> bytes:
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<III", 0, 1, 1) + bytes(4)
    head += struct.pack("<IIIII", 4096, mini_fat_at, mini_fat_sectors, _END, 0)
    return head + struct.pack("<109I", 0, *[_FREE] * 108)


def _padded(content: bytes, to: int) -> bytes:
    return content + bytes(-len(content) % to)
