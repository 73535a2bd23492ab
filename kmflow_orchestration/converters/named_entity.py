"""The kinds of things that a document may name (row B14)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EntityType(StrEnum):
    """What an entity is."""

    ACTIVITY = "activity"
    DECISION = "decision"
    ROLE = "role"
    SYSTEM = "system"
    DOCUMENT = "document"
    DATA_OBJECT = "data_object"
    EVENT = "event"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class NamedEntity:
    """A name as it stands in a text; `confidence` from 0 to 1."""

    type: EntityType
    name: str
    confidence: float
