"""Where a file of evidence lies below its store's root (design AD5), and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.identity import stored_name
from kmflow_orchestration.names import check_path_part, is_id
from kmflow_orchestration.storage.interfaces import EvidenceFile

FOLDER = "evidence_store"
_ID_DIGITS = 16
_SURROGATE = re.compile("[\ud800-\udfff]")


def evidence_parts(file: EvidenceFile) -> tuple[str, ...]:
    """Components of a file's stored path: `evidence_store, engagement, day, id_name`.

    Raises:
        UnsafePath: the engagement is no id, or the name cannot stand in a path.
    """
    name = check_path_part(file.file_name)
    if _SURROGATE.search(name):
        raise UnsafePath(f"a name that is no UTF-8: {name!r}")
    stored = check_path_part(stored_name(file.item_id, name))
    return (*engagement_parts(file.engagement_id), file.received_on.isoformat(), stored)


def engagement_parts(engagement_id: str) -> tuple[str, str]:
    """Folder of an engagement. Raises UnsafePath for what is no engagement's id."""
    if not is_id(engagement_id):
        raise UnsafePath(f"{engagement_id!r} is no engagement id")
    return (FOLDER, engagement_id)


def original_name(stored: str) -> str:
    """The file's own name, out of the last part of its stored path."""
    return stored[_ID_DIGITS + 1 :]


def is_stored_name(name: str) -> bool:
    """Whether a name is one we gave: 16 hex digits, `_`, something."""
    head = name[:_ID_DIGITS]
    return (
        len(name) > _ID_DIGITS + 1
        and name[_ID_DIGITS] == "_"
        and all(char in "0123456789abcdef" for char in head)
    )


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """What a stored path says about its file; `digits` are the first of its item's id."""

    engagement_id: str
    received_on: date
    digits: str
    file_name: str


def stored_place(parts: Sequence[str]) -> StoredPlace | None:
    """A path's components read back, None where they are not in the form we give."""
    if len(parts) != 4 or parts[0] != FOLDER or not is_id(parts[1]):
        return None
    if not is_day(parts[2]) or not is_stored_name(parts[3]) or _SURROGATE.search(parts[3]):
        return None
    day, stored = date.fromisoformat(parts[2]), parts[3]
    return StoredPlace(parts[1], day, stored[:_ID_DIGITS], original_name(stored))


def is_day(name: str) -> bool:
    """Whether a folder's name is a day."""
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def text_values(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Metadata as texts, the only thing every backend can keep."""
    return {str(key): str(value) for key, value in (metadata or {}).items()}
