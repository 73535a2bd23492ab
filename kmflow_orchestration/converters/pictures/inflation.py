"""What a picture unpacks to, known before a library unpacks it (row D22)."""

from __future__ import annotations

import zlib
from pathlib import Path

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.errors import CorruptInput

# The library's own limits, which it cannot tell from other damage.
_MAX_CHUNK = 1 << 20
_MAX_ALL = 64 << 20
_MAX_PACKED = 16 << 20
_PACKED = frozenset({b"zTXt", b"iTXt", b"iCCP"})


def check_chunks(path: Path) -> None:
    """Raises CorruptInput (`too_large_inside`) for a text that unpacks beyond measure."""
    total = 0
    with path.open("rb") as stream:
        stream.seek(8)
        while len(header := stream.read(8)) == 8:
            length, name = int.from_bytes(header[:4], "big"), header[4:]
            if name in _PACKED and length <= _MAX_PACKED:
                total += _unpacked_size(stream.read(length))
                stream.seek(4, 1)
            else:
                stream.seek(length + 4, 1)
            if name == b"IEND":
                return
            if total > _MAX_ALL:
                break
        else:
            return
    raise CorruptInput("its texts unpack to more than 64 MiB", reason=TOO_LARGE)


def _unpacked_size(content: bytes) -> int:
    """Raises CorruptInput for more than one text may be."""
    # After the keyword and its NUL come one to three more bytes, and in iTXt two more texts.
    start = content.find(b"\x78", content.find(b"\0") + 1)
    if start < 0:
        return 0
    try:
        size = len(zlib.decompressobj().decompress(content[start:], _MAX_CHUNK + 1))
    except zlib.error:
        return 0
    if size > _MAX_CHUNK:
        raise CorruptInput("one of its texts unpacks to more than 1 MiB", reason=TOO_LARGE)
    return size


def check_canvas(head: bytes, most: int) -> None:
    """A WebP's canvas: the library takes memory for all of it when it opens one.

    Raises:
        CorruptInput: it has more than `most` pixels (`too_large_inside`).
    """
    width, height = _canvas(head)
    if width * height > most:
        raise CorruptInput(f"a canvas of {width} x {height} pixels", reason=TOO_LARGE)


def _canvas(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8X":
        sides = int.from_bytes(head[24:27], "little"), int.from_bytes(head[27:30], "little")
        return sides[0] + 1, sides[1] + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    sides = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
    return sides[0] & 0x3FFF, sides[1] & 0x3FFF
