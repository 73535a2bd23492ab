"""An item's file as another backend than its own stores it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.storage.evidence_paths import stored_place
from kmflow_orchestration.storage.interfaces import EvidenceFile

# engagement store, engagement, day, file: the same below the root of every backend.
_PARTS = 4
# For those who only ask for the path.
_NOWHERE = Path()


def mirrored_file(item: Item, source: Path = _NOWHERE) -> EvidenceFile:
    """An item's file as any backend stores it: below its root all have the same path.

    Raises:
        UnsafePath: the item's path is not in the form we give.
    """
    place = stored_place(PurePosixPath(item.stored_path).parts[-_PARTS:])
    if place is None:
        raise UnsafePath(f"{item.stored_path!r} is no stored path")
    return EvidenceFile(
        source=source,
        engagement_id=place.engagement_id,
        received_on=place.received_on,
        item_id=place.digits,
        file_name=place.file_name,
        content_hash=item.content_hash,
        size_bytes=item.size_bytes,
    )
