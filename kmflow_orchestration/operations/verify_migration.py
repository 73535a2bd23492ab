"""Is what a tree or an inventory lists what the group's Volume holds (row B25)?

Compared by what a file is: engagement, own name and content, since its place in the Volume tells
its day as well. A count of folders is no count of files (AB-S5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.identity import item_id, stored_name
from kmflow_orchestration.intake.former_names import former_name
from kmflow_orchestration.intake.source_tree import SourceProblem
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.metadata_rows import MetadataRow, known_rows
from kmflow_orchestration.operations.read_inventory import UNKNOWN_SIZE, read_inventory
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.operations.take_inventory import (
    Inventory,
    InventoryFile,
    OnBytes,
    take_inventory,
)
from kmflow_orchestration.storage.evidence_paths import is_stored_name, original_name
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.storage.verified_reading import hash_of
from kmflow_orchestration.storage.volume_store import VolumeStore


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A file that is not the same on both sides: where it is listed, where it lies, and why."""

    path: str
    stored_path: str
    why: str


@dataclass(frozen=True, slots=True)
class Verification:
    """`missing` are listed paths, `extra` and `without_row` stored ones.

    The numbers of folders count engagements one level down, never files.
    """

    source: str
    target: str
    source_files: dict[str, int]
    stored_files: dict[str, int]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    different: tuple[Difference, ...]
    without_row: tuple[str, ...]
    problems: tuple[SourceProblem, ...]
    source_folders: int
    stored_folders: int

    @property
    def is_equal(self) -> bool:
        return not (
            self.missing or self.extra or self.different or self.without_row or self.problems
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {
            "source": self.source,
            "target": self.target,
            "equal": self.is_equal,
            "engagements": {
                name: {
                    "source_files": self.source_files.get(name, 0),
                    "stored_files": self.stored_files.get(name, 0),
                }
                for name in sorted({*self.source_files, *self.stored_files})
            },
            "missing": list(self.missing),
            "extra": list(self.extra),
            "different": [
                {"path": one.path, "stored_path": one.stored_path, "why": one.why}
                for one in self.different
            ],
            "without_row": list(self.without_row),
            "problems": [
                {"path": one.path, "code": one.code, "message": one.message}
                for one in self.problems
            ],
            "engagement_folders": {"source": self.source_folders, "stored": self.stored_folders},
        }


def verify_migration(
    group: str,
    *,
    caller: Caller,
    store: VolumeStore,
    lakehouse: Lakehouse,
    config: GroupConfig,
    source_dir: Path | None = None,
    inventory: Path | None = None,
    engagement: str | None = None,
    workers: int = 4,
    keep_names: bool = False,
    read_back: bool = True,
    on_progress: OnBytes | None = None,
) -> Verification:
    """Compare a tree, or an inventory of one, with the group's Volume; nothing is changed.

    Without `read_back` the stored content is judged by size and by the id in its name.

    Raises:
        CallerRefused: the group is none of the caller's.
        ConfigurationError: there is no such folder, or no such inventory.
        AccessRefused, RemoteFault: the Volume or its rows cannot be read: that is no agreement.
    """
    own = caller.require(Role.VIEWER, group)
    if inventory is not None:
        listed = read_inventory(inventory)
    else:
        listed = take_inventory(source_dir or Path(), workers=workers, on_progress=on_progress)
    wanted = [one for one in listed.files if engagement in {None, one.engagement}]
    folders = store.engagements()
    stored = {
        name: store.sizes(name)
        for name in sorted({*folders, *(one.engagement for one in wanted)})
        if engagement in {None, name}
    }
    rows = known_rows(own, lakehouse=lakehouse, config=config, engagements=stored)
    comparing = _Comparing(own, store, stored, rows, keep_names=keep_names)
    comparing.match(wanted)
    if read_back:
        comparing.read_back(workers, on_progress)
    return comparing.result(listed, config.volume.text, folders=len(folders), only=engagement)


@dataclass(frozen=True, slots=True)
class _Pair:
    listed: InventoryFile
    stored_path: str


class _Comparing:
    """One comparison; collects what does not agree."""

    def __init__(
        self,
        group: GroupId,
        store: VolumeStore,
        stored: dict[str, dict[str, int]],
        rows: Iterable[MetadataRow],
        *,
        keep_names: bool,
    ) -> None:
        self._group = group
        self._store = store
        self._stored = stored
        self._keep_names = keep_names
        self._rows = {row.path: row for row in rows}
        self._by_key = {row.key: row.path for row in self._rows.values()}
        self._by_name = defaultdict[tuple[str, str], list[str]](list)
        self._by_stored_name = dict[tuple[str, str], str]()
        self._left = set[str]()
        for engagement, files in stored.items():
            for path in sorted(files):
                name = path.rpartition("/")[2]
                self._left.add(path)
                self._by_stored_name[(engagement, name)] = path
                own = original_name(name) if is_stored_name(name) else name
                self._by_name[(engagement, own)].append(path)
        self._pairs = list[_Pair]()
        self._missing = list[str]()
        self._different = list[Difference]()
        self._listed = dict[str, int]()

    def match(self, files: Iterable[InventoryFile]) -> None:
        """Find each listed file's stored one: first by what it is, the rest by name."""
        unmatched = list[tuple[InventoryFile, str]]()
        for file in files:
            self._listed[file.engagement] = self._listed.get(file.engagement, 0) + 1
            name = former_name(
                self._group,
                file.engagement,
                file.sha256,
                file.path.rpartition("/")[2],
                keep_names=self._keep_names,
            ).file_name
            path = self._found(file, name)
            if path is None:
                unmatched.append((file, name))
            else:
                self._left.discard(path)
                self._judge(file, path)
        for file, name in unmatched:
            path = next(
                (one for one in self._by_name[(file.engagement, name)] if one in self._left), None
            )
            if path is None:
                self._missing.append(file.path)
                continue
            self._left.discard(path)
            if file.sha256:
                self._different.append(Difference(file.path, path, "content"))
            else:
                self._judge(file, path)

    def _found(self, file: InventoryFile, name: str) -> str | None:
        if not file.sha256:
            return None
        stored = stored_name(item_id(self._group, file.engagement, file.sha256, name), name)
        path = self._by_stored_name.get((file.engagement, stored))
        if path is None:
            path = self._by_key.get((file.engagement, name, file.sha256))
        return path if path in self._stored.get(file.engagement, {}) else None

    def _judge(self, file: InventoryFile, path: str) -> None:
        size = self._stored[file.engagement][path]
        if file.size_bytes not in {size, UNKNOWN_SIZE}:
            self._different.append(
                Difference(file.path, path, f"{file.size_bytes} bytes, stored are {size}")
            )
        else:
            self._pairs.append(_Pair(file, path))

    def read_back(self, workers: int, on_progress: OnBytes | None) -> None:
        """Read every stored file that has a hash to be compared with."""

        def stored_hash(pair: _Pair) -> str | None:
            try:
                with self._store.open_read(pair.stored_path) as stream:
                    return hash_of(stream)
            except FileNotFoundError:
                return None

        wanted = [pair for pair in self._pairs if pair.listed.sha256]
        size = 0
        read = side_by_side(stored_hash, wanted, workers=workers)
        for count, (pair, digest) in enumerate(read, start=1):
            if digest is None:
                self._missing.append(pair.listed.path)
            elif digest != pair.listed.sha256:
                self._different.append(Difference(pair.listed.path, pair.stored_path, "content"))
            size += max(0, pair.listed.size_bytes)
            if on_progress is not None:
                on_progress(count, size, len(wanted))

    def result(
        self, listed: Inventory, target: str, *, folders: int, only: str | None
    ) -> Verification:
        paths = {path for files in self._stored.values() for path in files}
        problems = [one for one in listed.problems if only in {None, one.path.split("/")[0]}]
        return Verification(
            source=listed.source_dir,
            target=target,
            source_files=dict(sorted(self._listed.items())),
            stored_files={name: len(files) for name, files in self._stored.items() if files},
            missing=tuple(sorted(self._missing)),
            extra=tuple(sorted(self._left)),
            different=tuple(sorted(self._different)),
            without_row=tuple(sorted(paths - self._rows.keys())),
            problems=tuple(problems),
            source_folders=listed.folders,
            stored_folders=folders,
        )
