"""What the intake ledger hands out: records of files, items and batches (design AD3, AD5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where something on its way from landing to the tables stands (design AD5).

    A landing file is waiting, pending, claimed, stored, quarantined or failed; an evidence item is
    stored, converted, published, duplicate, superseded, quarantined, deleting or deleted. An item
    is `deleting` from when somebody asked for it until its bytes and metadata row are gone.
    """

    WAITING = "waiting"
    PENDING = "pending"
    CLAIMED = "claimed"
    STORED = "stored"
    CONVERTED = "converted"
    PUBLISHED = "published"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


LIVE = frozenset({State.STORED, State.CONVERTED, State.PUBLISHED})
GONE = frozenset({State.DELETING, State.DELETED})


class Step(StrEnum):
    """What happens to a batch, in order."""

    STORED = "stored"
    BRONZE = "bronze"
    DATASETS = "datasets"
    FRAGMENTS = "fragments"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class SideFile:
    """What a file's `<name>.meta.yaml` says about it; empty where it says nothing usable.

    `warnings` are about the side file, and about a name that promises another type of content.
    """

    source_type: str = ""
    source_date: date | None = None
    author: str = ""
    source_system: str = ""
    category: str = ""
    classification: str = ""
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """What it says, without what it leaves open, ready for JSON."""
        fields = {
            "source_type": self.source_type,
            "source_date": self.source_date.isoformat() if self.source_date else "",
            "author": self.author,
            "source_system": self.source_system,
            "category": self.category,
            "classification": self.classification,
            "warnings": list(self.warnings),
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> SideFile:
        """The inverse of `as_dict`."""
        day = fields.get("source_date")
        return cls(
            **{
                **fields,
                "source_date": date.fromisoformat(day) if day else None,
                "warnings": tuple(fields.get("warnings", ())),
            }
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """Quality of an item, each number in [0, 1] (rows B15, B16)."""

    completeness: float
    reliability: float
    freshness: float
    consistency: float
    composite: float
    weights_json: str | None = None
    """The engagement's own weights behind the composite, as JSON; None for the usual ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An evidence item: one content under one name in one engagement.

    `received_on` is the UTC day its first file was first seen and part of `stored_path`; a revived
    item keeps it. `reason` is the quarantine code, `message` its sentence; a
    deleted item keeps both. `fragment_count` is None until its batch's text was written.
    """

    item_id: str
    group_id: str
    engagement_id: str
    file_name: str
    content_hash: str
    size_bytes: int
    stored_path: str
    media_type: str
    category: str
    format: str
    state: State
    received_on: date
    first_seen_at: datetime
    stored_at: datetime
    landing_path: str
    backend: str
    batch_id: str
    duplicate_of_id: str | None = None
    supersedes_id: str | None = None
    side: SideFile = field(default_factory=SideFile)
    scores: Scores | None = None
    scores_at: datetime | None = None
    converter_version: str = ""
    no_converter: bool = False
    fragment_count: int | None = None
    reason: str = ""
    message: str = ""
    deleted_at: datetime | None = None
    deleted_by: str = ""
    version: int = 1

    @property
    def is_live(self) -> bool:
        """Whether its rows belong into datasets and silver."""
        return self.state in LIVE

    @property
    def is_gone(self) -> bool:
        """Whether somebody deleted it, be the deletion finished or not."""
        return self.state in GONE


@dataclass(frozen=True, slots=True)
class TakenIn:
    """How much of a batch became items; copies have no bytes of their own."""

    items: int
    copies: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch of a group's day. `finished` maps each finished step to when it was first finished.

    `replaced_item_ids` are the items whose dataset and silver rows go when the batch is written;
    `moved_item_ids` those of them that the batch brings back (revived, promoted).
    """

    batch_id: str
    group_id: str
    day: date
    number: int
    replaced_item_ids: tuple[str, ...] = ()
    moved_item_ids: tuple[str, ...] = ()
    finished: Mapping[Step, datetime] = field(default_factory=dict)

    def is_finished(self, step: Step) -> bool:
        return step in self.finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file as a scan saw it; `problem` is a quarantine code, '' when it may enter.

    `path` and `folder` are relative to the landing root, with `/`; the root's folder is ''.
    """

    path: str
    folder: str
    engagement_id: str
    size_bytes: int
    mtime_ns: int
    inode: int
    problem: str = ""
    message: str = ""

    @property
    def file_name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def signature(self) -> tuple[int, int, int, str]:
        """What must differ for the file to count as changed."""
        return (self.size_bytes, self.mtime_ns, self.inode, self.problem)


@dataclass(frozen=True, slots=True)
class FolderLook:
    """A folder as a scan saw it. `mtime_ns` is 0 when the next quick tick must look again.

    `fingerprint` stands for names, sizes, times and rights of all its files; 0 says that the look
    can not be told from a later one by it. `unchanged` counts the files of a folder whose
    fingerprint is the one of its last look: `files` is empty then.
    """

    folder: str
    mtime_ns: int
    files: tuple[Seen, ...]
    engagement_id: str = ""
    is_gone: bool = False
    fingerprint: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class FolderState:
    """What is remembered of the last look at a folder; 0 asks for another look."""

    mtime_ns: int
    fingerprint: int = 0


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What comparing a look with the ledger needs to know of a landing file.

    `changed_at` is when its present signature was first seen.
    """

    path: str
    folder: str
    signature: tuple[int, int, int, str]
    state: State
    changed_at: datetime
    first_seen_at: datetime
    has_item: bool


@dataclass(frozen=True, slots=True)
class FileChange:
    """A landing file that is new or changed, and the state it enters."""

    seen: Seen
    state: State
    first_seen_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What a look changes: files, waiting files now complete, entries to be forgotten."""

    files: tuple[FileChange, ...] = ()
    ripe: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.ripe or self.gone)


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingFile:
    """A file of the landing place as the ledger knows it."""

    path: str
    engagement_id: str
    file_name: str
    size_bytes: int
    mtime_ns: int
    inode: int
    state: State
    first_seen_at: datetime
    received_on: date
    attempts: int
    version: int
    item_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingLine:
    """All that the ledger knows of one landing path now; times are in UTC."""

    path: str
    signature: tuple[int, int, int, str]
    state: State
    first_seen_at: datetime
    changed_at: datetime
    code: str
    message: str
    attempts: int
    retry_at: datetime | None
    batch_id: str | None
    item_id: str | None
    content_hash: str | None


@dataclass(frozen=True, slots=True)
class Observation:
    """Counts of one look, each file once."""

    seen: int = 0
    waiting: int = 0
    pending: int = 0
    unchanged: int = 0
    quarantined: int = 0

    def __add__(self, other: Observation) -> Observation:
        return Observation(
            self.seen + other.seen,
            self.waiting + other.waiting,
            self.pending + other.pending,
            self.unchanged + other.unchanged,
            self.quarantined + other.quarantined,
        )


@dataclass(frozen=True, slots=True)
class DueDay:
    """A day with work. `pending` counts files to store; `unfinished` says a batch is half-way.

    `next_batch_no` differs from that of every run asked for before: the end of its run key.
    """

    day: date
    next_batch_no: int
    pending: int
    unfinished: bool


@dataclass(frozen=True, slots=True, order=True)
class Quarantine:
    """A file that did not enter: `code` is stable, `message` for people."""

    path: str
    code: str
    message: str = ""
    item_id: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class FailedFile:
    """A file that could not be stored yet and when it is tried again."""

    path: str
    code: str
    message: str
    attempts: int
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class IntakeSummary:
    """Where a group's evidence stands. `stored` counts live items, duplicates not included."""

    stored: int
    duplicates: int
    superseded: int
    waiting: int
    pending: int
    quarantined: tuple[Quarantine, ...]
    failed: tuple[FailedFile, ...]
    stored_by_engagement: Mapping[str, int]
    deleted: int = 0

    @property
    def items(self) -> int:
        """All items that ever entered and are neither quarantined nor deleted."""
        return self.stored + self.duplicates + self.superseded
