"""The demo's evidence: two groups, five engagements, dropped in two steps.

The same group and step give the same bytes on every machine. Nothing that lies in the landing
place already is overwritten, except a file that the second drop changes on purpose, and that only
while it still has the first drop's content: a repeated demo, and your own edits, stay as they are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from kmflow_orchestration.demo import acme_evidence, globex_evidence
from kmflow_orchestration.demo.demo_file import DemoFile
from kmflow_orchestration.demo.dirt import Dirt
from kmflow_orchestration.errors import UnknownGroup
from kmflow_orchestration.names import EngagementId, GroupId

_EVIDENCE = {"acme": acme_evidence, "globex": globex_evidence}

GROUPS: tuple[GroupId, ...] = tuple(GroupId(group) for group in _EVIDENCE)
ENGAGEMENTS: dict[GroupId, tuple[EngagementId, ...]] = {
    GroupId(group): tuple(EngagementId(name) for name in evidence.ENGAGEMENTS)
    for group, evidence in _EVIDENCE.items()
}


@dataclass(frozen=True, slots=True)
class KnownDirt:
    """A defect that is really in the evidence; `drop` is 1 or 2."""

    group: GroupId
    path: str
    dirt: Dirt
    drop: int


DIRT: tuple[KnownDirt, ...] = tuple(
    KnownDirt(GroupId(group), file.path, dirt, number)
    for group, evidence in _EVIDENCE.items()
    for number, files in ((1, evidence.FIRST), (2, evidence.SECOND))
    for file in files
    for dirt in file.dirt
)


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """One file of a drop; `written` is False when it was there already."""

    path: str
    size_bytes: int
    written: bool
    dirt: tuple[Dirt, ...] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """What a drop consists of; side files and links are not counted as evidence files."""

    group: GroupId
    number: int
    files: tuple[DroppedFile, ...]

    @property
    def written(self) -> int:
        return sum(file.written for file in self.files)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def formats(self) -> Counter[str]:
        """Files by suffix."""
        return Counter(PurePosixPath(file.path).suffix for file in self.files)


def first_drop(landing_root: Path, group: str) -> Drop:
    """Lay the group's first evidence below its landing place.

    Raises:
        UnknownGroup: none of `GROUPS`.
        MissingDependency: the extra `demo` is not installed.
    """
    return _drop(landing_root, group, 1)


def second_drop(landing_root: Path, group: str) -> Drop:
    """Add the group's later evidence: new files, one changed, one copy under another name.

    Raises:
        UnknownGroup, MissingDependency: as `first_drop`.
    """
    return _drop(landing_root, group, 2)


def _drop(landing_root: Path, group: str, number: int) -> Drop:
    if group not in _EVIDENCE:
        raise UnknownGroup(f"the demo has no group {group!r}", hint=f"one of {', '.join(GROUPS)}")
    evidence = _EVIDENCE[group]
    before = {file.path: file for file in evidence.FIRST} if number == 2 else {}
    files = evidence.FIRST if number == 1 else evidence.SECOND
    dropped = tuple(_place(landing_root, group, file, before.get(file.path)) for file in files)
    return Drop(GroupId(group), number, dropped)


def _place(root: Path, group: str, file: DemoFile, former: DemoFile | None) -> DroppedFile:
    target = root / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.link_to:
        return DroppedFile(file.path, 0, _link(target, file.link_to), file.dirt)
    if file.side_file is not None:
        side = yaml.safe_dump(dict(file.side_file), sort_keys=False).encode()
        _write_absent(target.with_name(f"{target.name}.meta.yaml"), side)
    written = _is_due(target, group, former)
    if written:
        _write(target, file.content(group))
    return DroppedFile(file.path, target.stat().st_size, written, file.dirt)


def _is_due(target: Path, group: str, former: DemoFile | None) -> bool:
    if not target.exists():
        return True
    return former is not None and target.read_bytes() == former.content(group)


def _write_absent(target: Path, content: bytes) -> None:
    if not target.exists():
        _write(target, content)


def _write(target: Path, content: bytes) -> None:
    """Whole or not at all. The part's name is fixed, so that what a kill left is used up."""
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    part.replace(target)


def _link(target: Path, link_to: str) -> bool:
    if target.is_symlink() or target.exists():
        return False
    target.symlink_to(link_to)
    return True
