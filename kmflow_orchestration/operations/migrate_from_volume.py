"""Evidence out of the group's Volume to a local tree: `<target>/<engagement>/<day>/<name>` (B24).

The tree is laid out as the local store lays out its own: put where that keeps them, files are read
by it at once, and their items lie there from then on. Nothing in the workspace is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    StorageUnavailable,
    UnsafePath,
)
from kmflow_orchestration.identity import item_id, stored_name
from kmflow_orchestration.intake.moved_evidence import Move, MovedEvidence
from kmflow_orchestration.names import GroupId, VolumePath
from kmflow_orchestration.operations.metadata_rows import MetadataRow, known_rows
from kmflow_orchestration.operations.migration_plan import estimated_s
from kmflow_orchestration.operations.migration_report import (
    Migration,
    MovedFile,
    Outcome,
    clashes,
)
from kmflow_orchestration.operations.moved_bytes import MovedBytes
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.operations.take_inventory import OnBytes
from kmflow_orchestration.storage.evidence_paths import FOLDER, is_stored_name, original_name
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageMetadata
from kmflow_orchestration.storage.verified_reading import hash_of
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration.storage.whole_files import below, corrupt_name, put_whole

# So many failures in a row mean that the disk or the workspace is away: the rest is not tried.
_HOPELESS = 32
# What a request takes, when nobody has measured it.
_LATENCY_S = 0.1


class OwnStore(Protocol):
    """The group's store on this machine's disk."""

    name: str

    def local_path(self, path: str) -> Path: ...

    def confirm(self, written: Sequence[StorageMetadata]) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A stored file: where it lies, where it goes, and what it should be; '' if nobody knows."""

    stored_path: str
    parts: tuple[str, ...]
    file_name: str
    size_bytes: int | None
    content_hash: str

    @property
    def engagement_id(self) -> str:
        return self.parts[0]


def migrate_from_volume(
    group: str,
    target_dir: Path,
    *,
    caller: Caller,
    store: VolumeStore,
    lakehouse: Lakehouse,
    config: GroupConfig,
    moved: MovedEvidence,
    clock: Clock,
    own_store: OwnStore | None = None,
    engagement: str | None = None,
    since: datetime | None = None,
    workers: int = 4,
    dry_run: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnBytes | None = None,
) -> Migration:
    """Fetch stored files, each checked by size and hash against its row.

    A file that is there and right is not fetched again; `resume` takes one of the right size for
    right, since files appear whole or not at all. One that differs stays without `overwrite`.
    Bytes that are not what their row says are kept with `.corrupt` in their name and FAILED. With
    `since` only files stored from then on, and those without a row.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
        AccessRefused, RemoteFault: files or rows cannot be listed.
    """
    own = caller.require(Role.ADMIN, group)
    begun = clock.monotonic()
    fetching = _Fetching(own, target_dir, store, resume=resume, overwrite=overwrite)
    engagements = None if engagement is None else [engagement]
    rows = known_rows(own, lakehouse=lakehouse, config=config, engagements=engagements)
    wanted = fetching.wanted(config.volume, rows, engagement, since)
    fetching.run(wanted, workers=workers, dry_run=dry_run, on_progress=on_progress)
    count = 0
    if own_store is not None and not dry_run:
        taking = _TakingOver(own, own_store, moved, caller.group_email, clock)
        count = taking.take(target_dir, fetching.good)
    outcomes = fetching.outcomes()
    left = [one.size_bytes for one in outcomes if one.outcome is Outcome.FETCHED]
    return Migration(
        group=own,
        source=config.volume.text,
        target=str(target_dir),
        files=outcomes,
        is_dry_run=dry_run,
        way=Outcome.FETCHED,
        clashes=clashes(outcomes),
        moved_items=count,
        seconds=clock.monotonic() - begun,
        estimated_s=estimated_s(len(left), sum(left), workers=workers, latency_s=_LATENCY_S)
        if dry_run
        else 0.0,
    )


class _Fetching:
    """One run; collects what happened to every file."""

    def __init__(
        self, group: GroupId, target: Path, store: VolumeStore, *, resume: bool, overwrite: bool
    ) -> None:
        self._group = group
        self._target = target
        self._store = store
        self._resume = resume
        self._overwrite = overwrite
        self._outcomes = list[MovedFile]()
        self._failures_in_a_row = 0
        self.good = list[_Wanted]()

    def outcomes(self) -> tuple[MovedFile, ...]:
        return tuple(sorted(self._outcomes, key=lambda one: one.path))

    def wanted(
        self,
        volume: VolumePath,
        rows: Sequence[MetadataRow],
        engagement: str | None,
        since: datetime | None,
    ) -> list[_Wanted]:
        """Files to be there in the end, by path: those that have rows, and those that have none."""
        boundary = volume.joined(FOLDER)
        # Duplicates have rows of their own and one file.
        by_path = {row.path: row for row in sorted(rows, key=lambda row: row.id)}
        sizes = self._listed(engagement)
        found = list[_Wanted]()
        for path, row in sorted(by_path.items()):
            if since is not None and _is_before(row.stored_at, since):
                continue
            parts = self._parts(path, boundary)
            if parts is not None:
                found.append(_Wanted(path, parts, row.file_name, row.size_bytes, row.content_hash))
        for path in sorted(sizes.keys() - by_path.keys()):
            parts = self._parts(path, boundary)
            if parts is not None:
                name = original_name(parts[-1]) if is_stored_name(parts[-1]) else parts[-1]
                found.append(_Wanted(path, parts, name, sizes[path], ""))
        return found

    def _listed(self, engagement: str | None) -> dict[str, int]:
        names = self._store.engagements() if engagement is None else [engagement]
        sizes = dict[str, int]()
        for name in names:
            try:
                sizes |= self._store.sizes(name)
            except UnsafePath as error:
                # Files with rows are fetched all the same; of the others nothing is known.
                self._refuse(f"{FOLDER}/{name}", error)
        return sizes

    def _parts(self, path: str, boundary: VolumePath) -> tuple[str, ...] | None:
        """Path below the folder of engagements; None for one that leads elsewhere."""
        try:
            parsed = VolumePath.parse(path)
        except UnsafePath as error:
            self._refuse(path, error)
            return None
        if boundary.contains(parsed) and len(parsed.parts) >= len(boundary.parts) + 2:
            return parsed.parts[len(boundary.parts) :]
        self._refuse(path, UnsafePath(f"{path!r} is outside the storage boundary"))
        return None

    def run(
        self,
        wanted: Sequence[_Wanted],
        *,
        workers: int,
        dry_run: bool,
        on_progress: OnBytes | None,
    ) -> None:
        def attempt(one: _Wanted) -> tuple[Outcome, KmflowError | OSError | None]:
            return self._attempt(one, progress, dry_run=dry_run)

        progress = MovedBytes(on_progress, len(wanted))
        for one, (outcome, error) in side_by_side(attempt, wanted, workers=workers):
            self._note(one, outcome, error)
            if outcome is not Outcome.FAILED:
                self.good.append(one)
            progress.done(one.stored_path, one.size_bytes or 0)

    def _attempt(
        self, one: _Wanted, progress: MovedBytes, *, dry_run: bool
    ) -> tuple[Outcome, KmflowError | OSError | None]:
        if self._failures_in_a_row >= _HOPELESS:
            text = f"not tried: {_HOPELESS} files in a row could not be fetched"
            return Outcome.FAILED, StorageUnavailable(text)
        try:
            target = below(self._target, one.parts, is_followed=False)
            if target.is_symlink() or target.exists():
                if self._is_right_there(target, one):
                    return Outcome.PRESENT, None
                if not self._overwrite:
                    return Outcome.FAILED, FileExistsError(
                        17, "another file is there; --overwrite replaces it"
                    )
            if not dry_run:
                self._fetch(one, target, progress)
        except AccessRefused:
            raise
        except (FileNotFoundError, UnsafePath) as error:
            return Outcome.FAILED, error
        except (KmflowError, OSError) as error:
            self._failures_in_a_row += 1
            return Outcome.FAILED, error
        self._failures_in_a_row = 0
        return Outcome.FETCHED, None

    def _fetch(self, one: _Wanted, target: Path, progress: MovedBytes) -> None:
        with self._store.open_read(one.stored_path) as stream:
            good = put_whole(
                target,
                stream,
                size_bytes=one.size_bytes,
                is_right=lambda digest: self._is_right(one, digest),
                on_bytes=partial(progress.arrived, one.stored_path),
            )
        if not good:
            raise _Corrupt(
                f"its bytes are not what its row, or its name, says; kept as "
                f"{corrupt_name(target).name}",
                hint="fetch it again, or store it anew from where it came",
            )

    def _is_right_there(self, target: Path, one: _Wanted) -> bool:
        if target.is_symlink() or not target.is_file():
            return False
        if one.size_bytes is not None and target.stat().st_size != one.size_bytes:
            return False
        if self._resume:
            return True
        with target.open("rb") as stream:
            return self._is_right(one, hash_of(stream))

    def _is_right(self, one: _Wanted, digest: str) -> bool:
        """By the row; without one by the id in its name, which the content decided."""
        if one.content_hash:
            return digest == one.content_hash
        own = item_id(self._group, one.engagement_id, digest, one.file_name)
        return stored_name(own, one.file_name) == one.parts[-1]

    def _note(self, one: _Wanted, outcome: Outcome, error: KmflowError | OSError | None) -> None:
        self._outcomes.append(
            MovedFile(
                path=one.stored_path,
                engagement_id=one.engagement_id,
                outcome=outcome,
                file_name=one.file_name,
                size_bytes=one.size_bytes or 0,
                content_hash=one.content_hash,
                target="/".join(one.parts),
                code="" if error is None else _code(error),
                message="" if error is None else _message(error),
            )
        )

    def _refuse(self, path: str, error: UnsafePath) -> None:
        self._outcomes.append(
            MovedFile(
                path=path,
                engagement_id="",
                outcome=Outcome.FAILED,
                code=_code(error),
                message=error.message,
            )
        )


class _Corrupt(StorageUnavailable):
    """What came is not what the row says."""


@dataclass(frozen=True, slots=True)
class _TakingOver:
    """Files that were fetched into the group's own store are that store's from now on."""

    group: GroupId
    own: OwnStore
    moved: MovedEvidence
    actor: str
    clock: Clock

    def take(self, target: Path, files: Sequence[_Wanted]) -> int:
        """How many items lie in the own store now; 0 when the files went elsewhere."""
        folder = self.own.local_path(f"{FOLDER}/x").parent
        if target.resolve() != folder or not files:
            return 0
        now = self.clock.now()
        places = {one.stored_path: "/".join((FOLDER, *one.parts)) for one in files}
        confirmed = self.own.confirm(
            [
                StorageMetadata(places[one.stored_path], now, one.content_hash, one.size_bytes or 0)
                for one in files
                if one.content_hash
            ]
        )
        moves = [
            Move(item, self.own.name, places[item.stored_path])
            for item in self.moved.of_content(
                self.group, {one.content_hash for one in files if one.content_hash}
            )
            if item.backend == VolumeStore.name and places.get(item.stored_path) in confirmed
        ]
        return self.moved.move(self.group, moves, actor=self.actor)


def _is_before(stored_at: str, since: datetime) -> bool:
    """Whether a row is older; one whose time nobody can read is not left out."""
    try:
        at = datetime.fromisoformat(stored_at)
    except ValueError:
        return False
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) < since


def _code(error: KmflowError | OSError) -> str:
    if isinstance(error, _Corrupt):
        return "corrupt"
    if isinstance(error, KmflowError):
        return error.code
    names: dict[type[OSError], str] = {FileExistsError: "exists", FileNotFoundError: "missing"}
    return names.get(type(error), StorageUnavailable.code)


def _message(error: KmflowError | OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "it has a row and is not in the Volume"
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)
