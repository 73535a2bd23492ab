"""Evidence files as intake describes them, for tests of what comes after."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

from kmflow_orchestration.identity import item_id
from kmflow_orchestration.storage.interfaces import EvidenceFile


def evidence_file(
    folder: Path,
    name: str,
    content: bytes,
    *,
    group: str = "acme",
    engagement: str = "e1",
    received_on: date = date(2026, 11, 20),
) -> EvidenceFile:
    """Writes a file into a landing folder and says about it what intake found."""
    content_hash = hashlib.sha256(content).hexdigest()
    source = folder / engagement / f"{content_hash[:8]}-{len(name)}.bin"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(content)
    return EvidenceFile(
        source=source,
        engagement_id=engagement,
        received_on=received_on,
        item_id=item_id(group, engagement, content_hash, name),
        file_name=name,
        content_hash=content_hash,
        size_bytes=len(content),
    )


def executable() -> bytes:
    """The beginning of a program for Windows."""
    return b"MZ".ljust(0x3C, b"\0") + (0x40).to_bytes(4, "little") + b"PE\0\0" + bytes(64)


def ole(stream: str, *, before: int = 504) -> bytes:
    """A container of old office files whose directory names one stream."""
    name = stream.encode("utf-16-le")
    entry = name.ljust(64, b"\0") + (len(name) + 2).to_bytes(2, "little") + b"\x02" + bytes(61)
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(before) + entry
