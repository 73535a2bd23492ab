"""What people corrected about how files become tables (row G18)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from kmflow_orchestration.metadata.intake_records import State

Value: TypeAlias = str | int | bool | list[str]

# Names of corrections that are no option of a reader.
TYPE, DATASET, IGNORE = "type", "dataset", "ignore"
# A reference to the password of an item, never the password.
PASSWORD = "password_ref"  # noqa: S105


class Scope(StrEnum):
    """What a correction is about: a table's files, one column, files by a pattern, one item."""

    TABLE = "table"
    COLUMN = "column"
    FILES = "files"
    ITEM = "item"


@dataclass(frozen=True, slots=True)
class Change:
    """A correction to be made, or with `value` None to be taken back.

    `target` is a table, `TABLE.COLUMN`, a pattern of landing paths below the engagement's folder,
    or an item's id. `name` is the type of a column, the dataset of files, that they are ignored,
    where the password of an item is kept, or an option of readers.
    """

    engagement_id: str
    scope: Scope
    target: str
    name: str
    value: Value | None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.engagement_id, self.scope, self.target, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction that holds. A later one has a greater `number`, which is never used again."""

    engagement_id: str
    scope: Scope
    target: str
    name: str
    value: Value
    number: int
    set_at: datetime
    set_by: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.engagement_id, self.scope, self.target, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An item that a correction may be about: live, or refused by a converter.

    `tables` are those that its rows were last written to.
    """

    item_id: str
    engagement_id: str
    file_name: str
    landing_path: str
    batch_id: str
    state: State
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """The corrections that hold now of those asked for, and the items to be converted again.

    `is_new` is False when everything was so before.
    """

    corrections: tuple[Correction, ...] = ()
    affected: tuple[Candidate, ...] = ()
    is_new: bool = False
