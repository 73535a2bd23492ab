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
