"""Whether a picture's file ends where it should: what a decoder that is content does not say."""

from __future__ import annotations

import struct
from pathlib import Path

_TAIL = 1 << 16
_PNG_END = b"IEND\xaeB`\x82"


def ends_early(path: Path, kind: str) -> str:
    """Why the file is not whole; '' where nothing tells."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(32)
        stream.seek(max(0, size - _TAIL))
        tail = stream.read()
    if kind == "png" and _PNG_END not in tail:
        return "it has no end"
    if kind == "gif" and b"\x3b" not in tail[-16:]:
        return "it has no end"
    promised = 0
    if kind == "webp":
        promised = 8 + int(struct.unpack("<I", head[4:8])[0])
    elif kind == "bmp":
        promised = int(struct.unpack("<I", head[2:6])[0])
    return f"{size} bytes of {promised}" if promised > size else ""
