"""Why a landing file is, or is not, in the tables: its whole history, and what comes next (H21)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.intake.decisions import Kind
from kmflow_orchestration.intake.file_history import FileHistory, FileRecord
from kmflow_orchestration.intake.file_rules import rule_of
from kmflow_orchestration.intake.landing import shown
from kmflow_orchestration.intake.ledger import Item, State
from kmflow_orchestration.intake.outlook import Landing, Outlook, outlook
from kmflow_orchestration.intake.volume_landing import VolumeLanding
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.metadata.landing_history import LandingEvent
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.correction_plans import (
    CorrectionPlan,
    FilePlan,
    correction_plan,
    correction_sentence,
)

# A content may lie at any number of paths.
MAX_PATHS = 20
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_SAME = frozenset({Kind.UNCHANGED, Kind.SAME_ITEM})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """One decision on one version; `state` and `tables` say where its item stands today.

    `tables` are names with the rows that the item has in each; `run` is the Dagster run, if any.
    """

    at: datetime
    decision: str
    size_bytes: int | None
    modified_at: datetime | None
    content_hash: str
    code: str
    message: str
    rule: str
    setting: str
    item_id: str
    state: str
    batch_id: str
    run: str
    tables: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class FileStory:
    """A path's decisions in order, what the ledger says now, and what would happen now."""

    path: str
    state: str
    steps: tuple[FileStep, ...]
    outlook: Outlook

    @property
    def was_seen(self) -> bool:
        return bool(self.state or self.steps)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer about a path, or about every path of a content; `left_out` of the latter."""

    group: GroupId
    asked: str
    stories: tuple[FileStory, ...]
    left_out: int = 0


def explain_file(
    group: str,
    asked: str,
    *,
    caller: Caller,
    history: FileHistory,
    registry: DatasetTables,
    corrections: CorrectionStore,
    landing: Landing,
    clock: Clock,
) -> Explanation:
    """Explain a landing path, relative to the landing folder or absolute, or a content's SHA-256.

    Raises:
        CallerRefused: the group is none of the caller's.
        UnsafePath: an absolute path outside the group's landing folder, or one that climbs.
    """
    own = caller.require(Role.VIEWER, group)
    if _SHA256.fullmatch(asked):
        found = history.paths_of(own, asked.lower())
        paths, left_out = found[:MAX_PATHS], max(len(found) - MAX_PATHS, 0)
    else:
        paths, left_out = [_relative(asked, landing.root)], 0
    plan = correction_plan(corrections.all(own), own, registry)
    stories = tuple(
        _story(own, path, plan, history=history, registry=registry, landing=landing, clock=clock)
        for path in paths
    )
    return Explanation(own, asked, stories, left_out)


def _relative(asked: str, root: Path | VolumeLanding) -> str:
    """A path as the ledger has it. What climbs out is refused before any file is looked at."""
    if not isinstance(root, Path):
        asked, root = asked.rstrip("/"), Path(root.directory.text)
    path = Path(asked)
    if path.is_absolute():
        base = next((one for one in (root.absolute(), root.resolve()) if _within(path, one)), None)
        if base is None:
            raise UnsafePath(f"{asked} lies outside the landing folder {root}")
        path = path.relative_to(base)
    if ".." in path.parts:
        raise UnsafePath(f"{asked} climbs out of a folder", hint="name the path itself")
    return path.as_posix()


def _within(path: Path, base: Path) -> bool:
    return path.is_relative_to(base)


def _story(
    group: GroupId,
    path: str,
    plan: CorrectionPlan,
    *,
    history: FileHistory,
    registry: DatasetTables,
    landing: Landing,
    clock: Clock,
) -> FileStory:
    record = history.of_path(group, shown(path))
    tables: dict[str, list[tuple[str, int]]] = {}
    for part in registry.of_items(group, record.items):
        tables.setdefault(part.item_id, []).append((part.table_name, part.row_count))
    next_step = outlook(
        path,
        landing,
        record.line,
        now=clock.now(),
        decide_on=lambda content: history.decision_on(group, path, content),
    )
    state = "" if record.line is None else str(record.line.state)
    return FileStory(record.path, state, _steps(record, tables, plan), next_step)


def _steps(
    record: FileRecord, tables: Mapping[str, Sequence[tuple[str, int]]], plan: CorrectionPlan
) -> tuple[FileStep, ...]:
    steps = [_step(event, record, tables, plan) for event in record.events]
    line = record.line
    if line is not None and line.item_id and not any(one.item_id for one in record.events):
        # From before histories were kept: the ledger knows what became of it last, and no more.
        item = record.items.get(line.item_id)
        event = LandingEvent(
            path=record.path,
            decision=str(item.state if item else line.state),
            at=item.stored_at if item else line.changed_at,
            size_bytes=item.size_bytes if item else None,
            content_hash=line.content_hash,
            item_id=line.item_id,
            batch_id=line.batch_id,
        )
        steps.insert(0, _step(event, record, tables, plan))
    return tuple(steps)


def _step(
    event: LandingEvent,
    record: FileRecord,
    tables: Mapping[str, Sequence[tuple[str, int]]],
    plan: CorrectionPlan,
) -> FileStep:
    item = record.items.get(event.item_id or "")
    rule = rule_of(event.decision, event.code)
    return FileStep(
        at=event.at,
        decision=_word(event, item, record),
        size_bytes=event.size_bytes,
        modified_at=_moment(event.mtime_ns),
        content_hash=event.content_hash or "",
        code=event.code or _item_code(item),
        message=event.message or ("" if item is None else item.message),
        rule=rule.text,
        setting=rule.setting,
        item_id=event.item_id or "",
        state="" if item is None else _state(item, record, plan),
        batch_id=event.batch_id or "",
        run=record.runs.get(event.batch_id or "", ""),
        tables=tuple(tables.get(event.item_id or "", ())),
    )


def _word(event: LandingEvent, item: Item | None, record: FileRecord) -> str:
    if event.decision in _SAME:
        return "same"
    if event.decision == Kind.DUPLICATE:
        original = record.items.get((item and item.duplicate_of_id) or "")
        return f"duplicate of {original.landing_path}" if original else "duplicate"
    return event.decision


def _item_code(item: Item | None) -> str:
    return item.reason if item is not None and item.state is State.QUARANTINED else ""


def _state(item: Item, record: FileRecord, plan: CorrectionPlan) -> str:
    if item.deleted_at is not None:
        return f"{item.state} by {item.deleted_by} at {item.deleted_at:%Y-%m-%d %H:%M} UTC"
    # A content has rows once, as the file it came as first.
    original = record.items.get(item.duplicate_of_id or "", item)
    corrected = plan.of(original) if original.is_live else FilePlan()
    if corrected.is_ignored:
        (why,) = corrected.applied
        return f"{item.state}, its rows stay out of tables: correction {correction_sentence(why)}"
    return str(item.state)


def _moment(mtime_ns: int | None) -> datetime | None:
    """A modification time; one that no calendar has is told as none."""
    if mtime_ns is None:
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=mtime_ns // 1000)
    except OverflowError:
        return None
