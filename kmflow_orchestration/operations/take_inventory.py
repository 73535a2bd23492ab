"""Inventory of a tree of evidence: every file with its size and hash, and what has none (B36)."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.intake.source_tree import (
    SourceFile,
    SourceProblem,
    SourceTree,
    content_hash,
    walk,
)
from kmflow_orchestration.operations.side_by_side import side_by_side

COLUMNS = ("path", "engagement", "bytes", "sha256")
# What hears of progress: files and bytes that are done with, and how many files there are.
OnBytes = Callable[[int, int, int], None]


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
            "files": [dict(zip(COLUMNS, _cells(file), strict=True)) for file in self.files],
            "problems": [
                {"path": one.path, "code": one.code, "message": one.message}
                for one in self.problems
            ],
            "totals": {
                **_told(self.totals),
                "engagement_folders": self.folders,
                "engagements": {name: _told(one) for name, one in self.by_engagement().items()},
            },
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
    files, problems = hashed(tree, workers=workers, on_progress=on_progress)
    found = sorted(
        InventoryFile(file.path, file.engagement_id, file.size_bytes, digest)
        for file, digest in files
    )
    refused = sorted([*tree.problems, *problems])
    return Inventory(str(tree.root), tuple(found), tuple(refused), tree.folders)


def hashed(
    tree: SourceTree, *, workers: int, on_progress: OnBytes | None = None
) -> tuple[list[tuple[SourceFile, str]], list[SourceProblem]]:
    """The files of a tree with their SHA-256, in no order, and those that could not be read."""

    def attempt(file: SourceFile) -> str | QuarantinedFile:
        try:
            return content_hash(file)
        except QuarantinedFile as error:
            return error

    files, problems, size = list[tuple[SourceFile, str]](), list[SourceProblem](), 0
    for file, found in side_by_side(attempt, tree.files, workers=workers):
        if isinstance(found, QuarantinedFile):
            problems.append(SourceProblem(file.path, found.reason, found.message))
        else:
            files.append((file, found))
        size += file.size_bytes
        if on_progress is not None:
            on_progress(len(files) + len(problems), size, len(tree.files))
    return files, problems


def _cells(file: InventoryFile) -> tuple[str, str, int, str]:
    return (file.path, file.engagement, file.size_bytes, file.sha256)


def _told(totals: Totals) -> dict[str, int]:
    return {"files": totals.files, "bytes": totals.size_bytes}
