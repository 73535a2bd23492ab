"""An inventory into a file, as it is taken: of a million files no more is held than a lot (B36)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from kmflow_orchestration.intake.source_tree import SourceProblem, TreeWalk
from kmflow_orchestration.operations.take_inventory import (
    NOTHING,
    InventoryFile,
    Totals,
    file_fields,
    inventoried,
    problem_fields,
    totals_fields,
)
from kmflow_orchestration.redaction import redacted
from kmflow_orchestration.storage.disk_faults import disk_fault
from kmflow_orchestration.storage.whole_files import replacing

# Problems are told in full in the file, and so many of them at hand.
SHOWN_PROBLEMS = 50
_SPOOLED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class WrittenInventory:
    """What an inventory came to; `shown` are the first of its `problems`."""

    file: Path
    by_engagement: Mapping[str, Totals]
    problems: int
    shown: tuple[SourceProblem, ...]

    @property
    def totals(self) -> Totals:
        return sum(self.by_engagement.values(), NOTHING)


def write_inventory(source_dir: Path, file: Path, *, workers: int = 4) -> WrittenInventory:
    """Take the inventory of a folder into a JSON file, which appears whole or not at all.

    It says the same as `take_inventory(source_dir).as_json()`, but for the line breaks.

    Raises:
        ConfigurationError: there is no such folder.
        StorageUnavailable: the file cannot be written; the one of before is still there.
    """
    looking = TreeWalk(source_dir)
    try:
        counted = _write_whole(file, looking, workers)
    except OSError as error:
        raise disk_fault(file, error) from error
    return WrittenInventory(file, counted.by_engagement, counted.problems, tuple(counted.shown))


@dataclass(slots=True)
class _Counted:
    """Grows while the inventory is written."""

    by_engagement: dict[str, Totals] = field(default_factory=dict)
    problems: int = 0
    shown: list[SourceProblem] = field(default_factory=list)

    def file(self, one: InventoryFile) -> None:
        before = self.by_engagement.get(one.engagement, NOTHING)
        self.by_engagement[one.engagement] = before + Totals(1, one.size_bytes)

    def problem(self, one: SourceProblem) -> None:
        self.problems += 1
        if len(self.shown) < SHOWN_PROBLEMS:
            self.shown.append(one)


def _write_whole(file: Path, looking: TreeWalk, workers: int) -> _Counted:
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary, temporary.open("x", encoding="utf-8") as stream:
        return _write(stream, looking, workers)


def _write(stream: IO[str], looking: TreeWalk, workers: int) -> _Counted:
    counted = _Counted()
    stream.write(f'{{"source_dir": {_json(str(looking.root))},\n"files": [')
    # Problems come among the files, and stand behind them.
    with SpooledTemporaryFile(_SPOOLED_BYTES, "w+", encoding="utf-8") as aside:
        for one in inventoried(looking.entries(), workers=workers):
            if isinstance(one, SourceProblem):
                aside.write(_item(problem_fields(one), first=counted.problems == 0))
                counted.problem(one)
            else:
                stream.write(_item(file_fields(one), first=not counted.by_engagement))
                counted.file(one)
        stream.write('\n],\n"problems": [')
        aside.seek(0)
        for line in aside:
            stream.write(line)
    totals = totals_fields(counted.by_engagement, looking.engagement_folders)
    stream.write(f'\n],\n"totals": {_json(totals)}}}\n')
    return counted


def _item(fields: Mapping[str, Any], *, first: bool) -> str:
    return ("\n" if first else ",\n") + _json(fields)


def _json(value: Any) -> str:
    return json.dumps(redacted(value), ensure_ascii=False)
