"""Bytes at hand as a file of evidence: what `StorageBackend.write` stores."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kmflow_orchestration.identity import item_id
from kmflow_orchestration.storage.interfaces import EvidenceFile


@dataclass(frozen=True, slots=True)
class NewEvidence:
    """Content that came without a landing file, such as by the service's upload."""

    group_id: str
    engagement_id: str
    file_name: str
    content: bytes

    def file(self, received_on: date) -> EvidenceFile:
        """The same identity a landing file of this name and content would get."""
        content_hash = hashlib.sha256(self.content).hexdigest()
        return EvidenceFile(
            source=Path(),
            engagement_id=self.engagement_id,
            received_on=received_on,
            item_id=item_id(self.group_id, self.engagement_id, content_hash, self.file_name),
            file_name=self.file_name,
            content_hash=content_hash,
            size_bytes=len(self.content),
        )
