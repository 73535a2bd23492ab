"""What waits for a person: files and items that were refused, and rows that were left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

ROWS_REJECTED = "rows_rejected"


class Held(StrEnum):
    """What is kept back: a landing file, one whose storing failed, a stored item, rows of one."""

    FILE = "file"
    FAILED = "failed"
    ITEM = "item"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That somebody said that it is fine as it is."""

    reason: str
    accepted_by: str
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """One thing that is kept back. `path` is its landing path, `code` the stable reason.

    `version` tells a later refusal of the same from this one: what was accepted holds for one of
    them alone. `rows` is how many rows of a live item were left out.
    """

    kind: Held
    path: str
    code: str
    message: str
    engagement_id: str
    size_bytes: int
    received_on: date
    since: datetime
    version: int
    item_id: str = ""
    batch_id: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    rows: int = 0
    acceptance: Acceptance | None = None

    @property
    def subject(self) -> str:
        """What it is called by: an item's id, else its landing path."""
        return self.item_id or self.path

    @property
    def is_open(self) -> bool:
        return self.acceptance is None
