"""Evidence from a tree on disk into the group's Volume: every file, its row, its item (row B21).

Portion by portion: hash what is not hashed yet, see by one listing per folder what is there, send
the rest, confirm it, merge the rows that are missing in one statement. What is true is asked each
time, of the table and the Volume; the manifest only saves reading a file again. So a run that is
killed, or a second one, sends what is not there, and ends like one that was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    QuarantinedFile,
    RemoteNotFound,
    StorageUnavailable,
)
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.intake.moved_evidence import MovedEvidence
from kmflow_orchestration.intake.source_tree import SourceFile, SourceTree, hash_and_state, walk
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.metadata_rows import MetadataRow, known_rows
from kmflow_orchestration.operations.migration_plan import PlannedFile, Planner, estimated_s
from kmflow_orchestration.operations.migration_report import (
    Migration,
    MovedFile,
    Outcome,
    clashes,
)
from kmflow_orchestration.operations.migration_settling import Settling
from kmflow_orchestration.operations.moved_bytes import MovedBytes
from kmflow_orchestration.operations.side_by_side import side_by_side
from kmflow_orchestration.operations.take_inventory import OnBytes
from kmflow_orchestration.storage.interfaces import Lakehouse, StorageBackend, StorageMetadata
from kmflow_orchestration.storage.migration_manifest import (
    DONE,
    FAILED,
    SENT,
    ManifestLine,
    MigrationManifest,
)
from kmflow_orchestration.storage.unchanged_files import FileState
from kmflow_orchestration.storage.verified_reading import SMALL_BYTES, hash_of

# One statement each: ten thousand files take two.
_PORTION = 5000
# So many failures in a row mean that the store is away: the rest is not even tried.
_HOPELESS = 32
Verify = Literal["size", "hash"]


def migrate_to_volume(
    group: str,
    source_dir: Path,
    *,
    caller: Caller,
    store: StorageBackend,
    lakehouse: Lakehouse,
    config: GroupConfig,
    moved: MovedEvidence,
    manifest: Path,
    clock: Clock,
    engagement: str | None = None,
    workers: int = 4,
    dry_run: bool = False,
    resume: bool = False,
    verify: Verify = "size",
    keep_names: bool = False,
    on_progress: OnBytes | None = None,
) -> Migration:
    """Bring a tree `<engagement>/<any folders>/<file>` into the group's Volume.

    A file that cannot be read or sent is FAILED and the others go on. `resume` takes hashes of
    files that have not changed from the manifest of the run before. `on_progress` is told of bytes
    as they arrive, from any thread.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
        ConfigurationError: there is no such folder.
        LeaseHeld: another process is at the same migration.
        AccessRefused: the workspace refuses to store or list; nothing is gained by going on.
        RemoteFault: rows could not be merged, or what was sent not be confirmed; `resume` goes on.
    """
    own = caller.require(Role.ADMIN, group)
    begun = clock.monotonic()
    tree = walk(source_dir).of(engagement)
    rows = _rows_there(own, tree, lakehouse, config, dry_run=dry_run)
    planner = Planner(own, store, boundary=config.volume.text, rows=rows, keep_names=keep_names)
    settling = Settling(own, store, lakehouse, config, moved, caller.group_email, clock)
    lines = MigrationManifest(manifest)
    migrating = _Migrating(
        tree,
        planner=planner,
        settling=settling,
        manifest=lines,
        workers=workers,
        on_progress=on_progress,
    )
    if dry_run:
        migrating.run(dry_run=True, verify=verify)
    else:
        with lines:
            lines.begin(resume=resume)
            migrating.run(dry_run=False, verify=verify)
    outcomes = migrating.outcomes()
    to_send = [one for one in outcomes if one.outcome is Outcome.SENT]
    return Migration(
        group=own,
        source=str(tree.root),
        target=config.volume.text,
        files=outcomes,
        is_dry_run=dry_run,
        clashes=clashes(outcomes),
        moved_items=settling.moved_items,
        seconds=clock.monotonic() - begun,
        estimated_s=estimated_s(
            len(to_send),
            sum(one.size_bytes for one in to_send),
            workers=workers,
            latency_s=migrating.latency_s,
        )
        if dry_run
        else 0.0,
    )


def _rows_there(
    group: GroupId, tree: SourceTree, lakehouse: Lakehouse, config: GroupConfig, *, dry_run: bool
) -> Sequence[MetadataRow]:
    engagements = {file.engagement_id for file in tree.files}
    try:
        return known_rows(group, lakehouse=lakehouse, config=config, engagements=engagements)
    except RemoteNotFound:
        if dry_run:  # a group that is not provisioned yet has no rows
            return ()
        raise


class _Migrating:
    """One run over a tree; collects what happened to every file."""

    def __init__(
        self,
        tree: SourceTree,
        *,
        planner: Planner,
        settling: Settling,
        manifest: MigrationManifest,
        workers: int,
        on_progress: OnBytes | None,
    ) -> None:
        self._tree = tree
        self._planner = planner
        self._settling = settling
        self._store = settling.store
        self._manifest = manifest
        self._workers = workers
        self._progress = MovedBytes(on_progress, len(tree.files))
        self._states = dict[str, FileState]()
        self._outcomes = [
            MovedFile(
                path=one.path,
                engagement_id=one.path.split("/")[0] if "/" in one.path else "",
                outcome=Outcome.FAILED,
                code=one.code,
                message=one.message,
            )
            for one in tree.problems
        ]
        self._first_paths = dict[str, str]()
        self._failures_in_a_row = 0
        self.latency_s = 0.0

    def outcomes(self) -> tuple[MovedFile, ...]:
        return tuple(sorted(self._outcomes, key=lambda one: one.path))

    def run(self, *, dry_run: bool, verify: Verify) -> None:
        files = self._tree.files
        for start in range(0, len(files), _PORTION):
            self._portion(files[start : start + _PORTION], dry_run=dry_run, verify=verify)

    def _portion(self, files: Sequence[SourceFile], *, dry_run: bool, verify: Verify) -> None:
        hashes = dict(self._hashed(files))
        items = self._settling.items(list(hashes.values()))
        there, missing = self._divided(list(self._planned(hashes, items)))
        if dry_run:
            self._take(there, missing)
            return
        if verify == "hash":
            wrong = self._wrong(there)
            for file in wrong:
                # Its name says what it should be: whoever relies on it has the wrong bytes.
                self._store.delete(file.target)
            there = [file for file in there if file not in wrong]
            missing += [file.to_send() for file in wrong]
        sent, lost = self._divided(self._sent(missing))
        for file in lost:
            self._fail(file, StorageUnavailable("it was sent and is not there"))
        if verify == "hash":
            wrong = self._wrong(sent)
            for file in wrong:
                self._fail(file, StorageUnavailable("other bytes are there than were sent"))
            sent = [file for file in sent if file not in wrong]
        self._settling.settle([*there, *sent], items)
        self._manifest.add(_line(file, DONE) for file in (*there, *sent))
        self._manifest.sync()
        self._take(there, sent)

    def _divided(self, files: Sequence[PlannedFile]) -> tuple[list[PlannedFile], list[PlannedFile]]:
        """Files that are there in full size, and those to be sent."""
        targets = self._confirmed(files)
        there = [file for file in files if file.target in targets]
        left = [file for file in files if file.target not in targets]
        # A row may name a place where the file is no more, and sending puts it into another.
        moved = [file.to_send() for file in left if file.target != file.own_target]
        again = self._confirmed(moved)
        missing = [file.to_send() for file in left if file.own_target not in again]
        return [*there, *(file for file in moved if file.target in again)], missing

    def _hashed(self, files: Sequence[SourceFile]) -> Iterator[tuple[SourceFile, str]]:
        """Files with their hash; those that cannot be read have their outcome."""

        def attempt(file: SourceFile) -> str | QuarantinedFile:
            line = self._manifest.known(file.path)
            if line is not None and (line.size_bytes, line.mtime_ns) == (
                file.size_bytes,
                file.mtime_ns,
            ):
                return line.sha256
            now = self._settling.clock.now() if file.size_bytes > SMALL_BYTES else None
            try:
                digest, state = hash_and_state(file, now)
            except QuarantinedFile as error:
                return error
            if state is not None:
                self._states[file.path] = state
            return digest

        for file, found in side_by_side(attempt, files, workers=self._workers):
            if isinstance(found, QuarantinedFile):
                self._refuse(file, found)
            else:
                yield file, found

    def _planned(
        self, hashes: Mapping[SourceFile, str], items: Mapping[str, list[Item]]
    ) -> Iterator[PlannedFile]:
        """What is to be there, each item once, by path."""
        for file, digest in sorted(hashes.items()):
            try:
                planned = self._planner.planned(file, digest, items)
            except KmflowError as error:
                self._refuse(file, error)
                continue
            first = self._first_paths.setdefault(planned.evidence.item_id, file.path)
            if first == file.path:
                yield planned
            else:
                self._note(planned, Outcome.SAME)

    def _confirmed(self, files: Sequence[PlannedFile]) -> set[str]:
        """Targets that are there in full size."""
        now, clock = self._settling.clock.now(), self._settling.clock
        expected = [
            StorageMetadata(file.target, now, file.evidence.content_hash, file.evidence.size_bytes)
            for file in files
        ]
        if not expected:
            return set()
        begun = clock.monotonic()
        found = set(self._store.confirm(expected))
        folders = len({one.path.rpartition("/")[0] for one in expected})
        self.latency_s = max(self.latency_s, (clock.monotonic() - begun) / folders)
        return found

    def _wrong(self, files: Sequence[PlannedFile]) -> list[PlannedFile]:
        """Files whose stored bytes are others than their names say."""
        read = side_by_side(self._is_right, files, workers=self._workers)
        return [file for file, is_right in read if not is_right]

    def _is_right(self, file: PlannedFile) -> bool:
        with self._store.open_read(file.target) as stream:
            return hash_of(stream) == file.evidence.content_hash

    def _sent(self, files: Sequence[PlannedFile]) -> list[PlannedFile]:
        """Send files; those that were."""
        sent = list[PlannedFile]()
        for file, error in side_by_side(self._attempt, files, workers=self._workers):
            if error is None:
                sent.append(file)
            else:
                self._fail(file, error)
        return sent

    def _attempt(self, file: PlannedFile) -> KmflowError | OSError | None:
        if self._failures_in_a_row >= _HOPELESS:
            return StorageUnavailable(f"not tried: {_HOPELESS} files in a row could not be stored")
        path = file.source.path
        evidence = replace(
            file.evidence,
            state=self._states.pop(path, None),
            on_sent=partial(self._progress.arrived, path),
        )
        try:
            self._store.write_from(evidence)
        except AccessRefused:
            raise
        except QuarantinedFile as error:
            return error
        except (KmflowError, OSError) as error:
            self._failures_in_a_row += 1
            return error
        self._failures_in_a_row = 0
        self._progress.whole(path, evidence.size_bytes)
        self._manifest.add([_line(file, SENT)])
        return None

    def _take(self, there: Sequence[PlannedFile], sent: Sequence[PlannedFile]) -> None:
        for file in there:
            self._note(file, Outcome.ROW_ADDED if file.needs_row else Outcome.PRESENT)
        for file in sent:
            self._note(file, Outcome.SENT)

    def _fail(self, file: PlannedFile, error: KmflowError | OSError) -> None:
        self._progress.failed(file.source.path)
        self._manifest.add([_line(file, FAILED, str(error))])
        self._note(file, Outcome.FAILED, code=_code(error), message=str(error))

    def _refuse(self, file: SourceFile, error: KmflowError) -> None:
        self._tell(
            MovedFile(
                path=file.path,
                engagement_id=file.engagement_id,
                outcome=Outcome.FAILED,
                size_bytes=file.size_bytes,
                code=_code(error),
                message=str(error),
            )
        )

    def _note(
        self, file: PlannedFile, outcome: Outcome, *, code: str = "", message: str = ""
    ) -> None:
        self._tell(
            MovedFile(
                path=file.source.path,
                engagement_id=file.source.engagement_id,
                outcome=outcome,
                file_name=file.evidence.file_name,
                size_bytes=file.evidence.size_bytes,
                content_hash=file.evidence.content_hash,
                target=file.target,
                code=code,
                message=message,
            )
        )

    def _tell(self, file: MovedFile) -> None:
        self._outcomes.append(file)
        self._progress.done(file.path, file.size_bytes)


def _line(file: PlannedFile, status: str, message: str = "") -> ManifestLine:
    return ManifestLine(
        file.source.path,
        file.source.size_bytes,
        file.source.mtime_ns,
        file.evidence.content_hash,
        file.target,
        status,
        message,
    )


def _code(error: KmflowError | OSError) -> str:
    if isinstance(error, QuarantinedFile):
        return error.reason
    return error.code if isinstance(error, KmflowError) else StorageUnavailable.code
