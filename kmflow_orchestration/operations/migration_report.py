"""What a migration did, or would do, with every file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kmflow_orchestration.operations.take_inventory import Totals


class Outcome(StrEnum):
    """What became of one file; in a dry run, what would."""

    SENT = "sent"
    FETCHED = "fetched"
    ROW_ADDED = "row_added"
    PRESENT = "present"
    SAME = "same"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedFile:
    """One file. SAME is the content and name of another file of its engagement, which is there.

    `code` and `message` tell why a file FAILED.
    """

    path: str
    engagement_id: str
    outcome: Outcome
    file_name: str = ""
    size_bytes: int = 0
    content_hash: str = ""
    target: str = ""
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Clash:
    """Files of one engagement that get in each other's way, or seem to.

    `kind` is same_file (equal name and content: one file is stored), same_name (equal name, other
    content: both are stored) or case_only (names that a disk without cases takes for one).
    """

    kind: str
    engagement_id: str
    file_name: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The whole of it, files by path. `way` is SENT into a Volume or FETCHED out of one.

    `estimated_s` is of what a dry run would send or fetch. `moved_items` counts items of the
    control database whose bytes lie in the new place now.
    """

    group: str
    source: str
    target: str
    files: tuple[MovedFile, ...]
    is_dry_run: bool
    way: Outcome = Outcome.SENT
    clashes: tuple[Clash, ...] = ()
    moved_items: int = 0
    seconds: float = 0.0
    estimated_s: float = 0.0

    @property
    def doing(self) -> str:
        """What is done, or would be, in a word or two."""
        words = {Outcome.SENT: "to send", Outcome.FETCHED: "to fetch"}
        return words[self.way] if self.is_dry_run else str(self.way)

    @property
    def failed(self) -> tuple[MovedFile, ...]:
        return tuple(file for file in self.files if file.outcome is Outcome.FAILED)

    def totals(self, outcome: Outcome | None = None) -> Totals:
        """Files and bytes of an outcome, or of all."""
        return Totals.of(file.size_bytes for file in self.files if outcome in {None, file.outcome})

    def by_engagement(self) -> dict[str, dict[str, int]]:
        """Files, bytes and outcomes of each engagement, by its id."""
        found = dict[str, Counter[str]]()
        for file in self.files:
            counts = found.setdefault(file.engagement_id, Counter())
            counts.update({"files": 1, "bytes": file.size_bytes, str(file.outcome): 1})
        other_way = {Outcome.SENT, Outcome.FETCHED} - {self.way}
        kinds = [str(one) for one in Outcome if one not in other_way]
        zeros = dict.fromkeys(("files", "bytes", *kinds), 0)
        return {name: {**zeros, **found[name]} for name in sorted(found)}

    def as_dict(self) -> dict[str, Any]:
        """The summary, ready for JSON."""
        return {
            "group": self.group,
            "source": self.source,
            "target": self.target,
            "dry_run": self.is_dry_run,
            "engagements": self.by_engagement(),
            "files": len(self.files),
            "bytes": self.totals().size_bytes,
            self.doing.replace(" ", "_"): _told(self.totals(self.way)),
            "failed": [_file(file) for file in self.failed],
            "clashes": [
                {
                    "kind": one.kind,
                    "engagement": one.engagement_id,
                    "file_name": one.file_name,
                    "paths": list(one.paths),
                }
                for one in self.clashes
            ],
            "moved_items": self.moved_items,
            "seconds": round(self.seconds, 3),
            "estimated_seconds": round(self.estimated_s, 1),
        }

    def report(self) -> dict[str, Any]:
        """The summary with every file."""
        return {**self.as_dict(), "all_files": [_file(file) for file in self.files]}


def clashes(files: Iterable[MovedFile]) -> tuple[Clash, ...]:
    """Clashes among files that could be read, by engagement and name."""
    by_name = defaultdict[tuple[str, str], list[MovedFile]](list)
    for file in files:
        if file.content_hash:
            by_name[(file.engagement_id, file.file_name)].append(file)
    found = [*_of_one_name(by_name), *_of_one_spelling(by_name)]
    return tuple(sorted(found, key=lambda one: (one.engagement_id, one.file_name, one.kind)))


def _of_one_name(by_name: Mapping[tuple[str, str], list[MovedFile]]) -> Iterable[Clash]:
    for (engagement, name), files in by_name.items():
        contents = Counter(file.content_hash for file in files)
        for content, count in contents.items():
            if count > 1:
                same = tuple(sorted(file.path for file in files if file.content_hash == content))
                yield Clash("same_file", engagement, name, same)
        if len(contents) > 1:
            yield Clash("same_name", engagement, name, tuple(sorted(file.path for file in files)))


def _of_one_spelling(by_name: Mapping[tuple[str, str], list[MovedFile]]) -> Iterable[Clash]:
    spellings = defaultdict[tuple[str, str], list[str]](list)
    for engagement, name in by_name:
        spellings[(engagement, name.casefold())].append(name)
    for (engagement, _), names in spellings.items():
        if len(names) > 1:
            paths = sorted(file.path for name in names for file in by_name[(engagement, name)])
            yield Clash("case_only", engagement, min(names), tuple(paths))


def _file(file: MovedFile) -> dict[str, Any]:
    told = {
        "path": file.path,
        "engagement": file.engagement_id,
        "file_name": file.file_name,
        "bytes": file.size_bytes,
        "sha256": file.content_hash,
        "target": file.target,
        "outcome": str(file.outcome),
    }
    return {**told, "code": file.code, "message": file.message} if file.code else told


def _told(totals: Totals) -> dict[str, int]:
    return {"files": totals.files, "bytes": totals.size_bytes}
