"""Inventory of a tree of evidence: every file with its size and hash, and what has none (B36)."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.intake.source_tree import (
    SourceFile,
    SourceProblem,
    content_hash,
    walk,
)
from kmflow_orchestration.operations.side_by_side import side_by_side

COLUMNS = ("path", "engagement", "bytes", "sha256")
# What hears of progress: files and bytes that are done with, and how many files there are.
OnBytes = Callable[[int, int, int], None]
# So many files are hashed before the next are looked at: what a walk of a million holds at once.
_LOT = 1000


@dataclass(frozen=True, slots=True, order=True)
class InventoryFile:
    """A file of the tree; `path` is below its root, with `/`."""

    path: str
    engagement: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is of something."""

    files: int
    size_bytes: int

    @classmethod
    def of(cls, sizes: Iterable[int]) -> Totals:
        listed = list(sizes)
        return cls(len(listed), sum(listed))

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.files + other.files, self.size_bytes + other.size_bytes)


NOTHING = Totals(0, 0)


@dataclass(frozen=True, slots=True)
class Inventory:
    """All files, sorted by path; `folders` counts the engagement folders one level down."""

    source_dir: str
    files: tuple[InventoryFile, ...]
    problems: tuple[SourceProblem, ...]
    folders: int

    @property
    def totals(self) -> Totals:
        return Totals.of(file.size_bytes for file in self.files)

    def by_engagement(self) -> dict[str, Totals]:
        """How much each engagement has, by its id."""
        sizes = defaultdict[str, list[int]](list)
        for file in self.files:
            sizes[file.engagement].append(file.size_bytes)
        return {name: Totals.of(sizes[name]) for name in sorted(sizes)}

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "source_dir": self.source_dir,
            "files": [file_fields(file) for file in self.files],
            "problems": [problem_fields(one) for one in self.problems],
            "totals": totals_fields(self.by_engagement(), self.folders),
        }

    def as_csv(self) -> str:
        """The files alone, with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_cells(file) for file in self.files)
        return text.getvalue()

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"


def take_inventory(
    source_dir: Path, *, workers: int = 4, on_progress: OnBytes | None = None
) -> Inventory:
    """Read every file below a folder; what cannot be read is a problem and the others go on.

    Raises:
        ConfigurationError: there is no such folder.
    """
    tree = walk(source_dir)
    files, problems, size = list[InventoryFile](), list(tree.problems), 0
    for file, found in hashed(tree.files, workers=workers):
        if isinstance(found, SourceProblem):
            problems.append(found)
        else:
            files.append(found)
        size += file.size_bytes
        if on_progress is not None:
            on_progress(len(files) + len(problems) - len(tree.problems), size, len(tree.files))
    return Inventory(str(tree.root), tuple(sorted(files)), tuple(sorted(problems)), tree.folders)


def inventoried(
    found: Iterable[SourceFile | SourceProblem], *, workers: int
) -> Iterator[InventoryFile | SourceProblem]:
    """A walk's entries with the hashes of its files, in the walk's order, a lot at a time."""
    entries = iter(found)
    while lot := list(islice(entries, _LOT)):
        files = [one for one in lot if isinstance(one, SourceFile)]
        read = {file.path: one for file, one in hashed(files, workers=workers)}
        yield from (read[one.path] if isinstance(one, SourceFile) else one for one in lot)


def hashed(
    files: Iterable[SourceFile], *, workers: int
) -> Iterator[tuple[SourceFile, InventoryFile | SourceProblem]]:
    """Files with their SHA-256, or why they could not be read, in no order."""

    def attempt(file: SourceFile) -> InventoryFile | SourceProblem:
        try:
            digest = content_hash(file)
        except QuarantinedFile as error:
            return SourceProblem(file.path, error.reason, error.message)
        return InventoryFile(file.path, file.engagement_id, file.size_bytes, digest)

    return side_by_side(attempt, files, workers=workers)


def problem_fields(problem: SourceProblem) -> dict[str, str]:
    """A problem as reports tell it."""
    return {"path": problem.path, "code": problem.code, "message": problem.message}


def file_fields(file: InventoryFile) -> dict[str, str | int]:
    """A file as reports tell it."""
    return dict(zip(COLUMNS, _cells(file), strict=True))


def _cells(file: InventoryFile) -> tuple[str, str, int, str]:
    return (file.path, file.engagement, file.size_bytes, file.sha256)


def totals_fields(by_engagement: Mapping[str, Totals], folders: int) -> dict[str, Any]:
    """The totals as reports tell them."""
    return {
        **_told(sum(by_engagement.values(), NOTHING)),
        "engagement_folders": folders,
        "engagements": {name: _told(by_engagement[name]) for name in sorted(by_engagement)},
    }


def _told(totals: Totals) -> dict[str, int]:
    return {"files": totals.files, "bytes": totals.size_bytes}
