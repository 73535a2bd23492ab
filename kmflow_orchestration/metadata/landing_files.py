"""Landing files and folders of a group, as the ledger knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy import Row as RowOf
from sqlalchemy.orm import Session

from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import (
    Changes,
    FailedFile,
    FileChange,
    FolderState,
    KnownFile,
    LandingFile,
    LandingLine,
    Quarantine,
    State,
)
from kmflow_orchestration.metadata.intake_tables import LandingFileRow as Row
from kmflow_orchestration.metadata.intake_tables import LandingFolderRow as Folder
from kmflow_orchestration.names import GroupId

_FORGETTABLE = (State.WAITING, State.QUARANTINED)
_NEVER_PUT_OFF_SO_LONG = timedelta(hours=2)
# A size no file has: whatever appears at the path again counts as changed.
_NO_SIZE = -1


class LandingFiles:
    """Statements about landing files, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def folders(self, group: GroupId, names: Sequence[str] | None = None) -> dict[str, FolderState]:
        """Known folders, or those of them that are named, as they were last looked at."""
        query = select(Folder.folder, Folder.mtime_ns, Folder.fingerprint)
        query = query.where(Folder.group_id == group)
        if names is None:
            return {name: FolderState(*seen) for name, *seen in self._session.execute(query)}
        found: dict[str, FolderState] = {}
        for some in slices(names):
            rows = self._session.execute(query.where(Folder.folder.in_(some)))
            found.update({name: FolderState(*seen) for name, *seen in rows})
        return found

    def waiting_folders(self, group: GroupId) -> set[str]:
        """Folders in which a file is still waiting to be complete."""
        query = select(Row.folder).where(Row.group_id == group, Row.state == State.WAITING)
        # Not `distinct()`, for which SQLite goes through all files of the group, folder by folder.
        return set(self._session.scalars(query))

    def save_folders(self, group: GroupId, folders: Mapping[str, FolderState | None]) -> None:
        """Remember looks at folders; None forgets one."""
        for names in slices(list(folders)):
            self._session.execute(
                delete(Folder).where(Folder.group_id == group, Folder.folder.in_(names))
            )
        rows = [
            {
                "group_id": group,
                "folder": folder,
                "mtime_ns": seen.mtime_ns,
                "fingerprint": seen.fingerprint,
            }
            for folder, seen in folders.items()
            if seen is not None
        ]
        if rows:
            self._session.execute(insert(Folder), rows)

    def in_folders(self, group: GroupId, folders: Sequence[str]) -> Iterator[KnownFile]:
        """All known files that lie directly in one of the folders."""
        query = select(
            Row.path,
            Row.folder,
            Row.size_bytes,
            Row.mtime_ns,
            Row.inode,
            Row.problem,
            Row.state,
            Row.changed_at,
            Row.first_seen_at,
            Row.item_id,
        )
        for names in slices(folders):
            found = query.where(Row.group_id == group, Row.folder.in_(names))
            for (
                path,
                folder,
                size,
                mtime,
                inode,
                problem,
                state,
                at,
                first,
                item,
            ) in self._session.execute(found):
                signature = (size, mtime, inode, problem)
                yield KnownFile(path, folder, signature, State(state), at, first, item is not None)

    def line(self, group: GroupId, path: str) -> LandingLine | None:
        """All that is known of one path, None when it was never seen."""
        query = select(_FILES).where(_C.group_id == group, _C.path == path)
        row = self._session.execute(query).one_or_none()
        return None if row is None else _landing_line(row)

    def paths_of(self, group: GroupId, item_ids: Sequence[str]) -> list[str]:
        """Paths that last became one of these items, sorted."""
        query = select(Row.path).where(Row.group_id == group)
        return sorted(
            path
            for some in slices(item_ids)
            for path in self._session.scalars(query.where(Row.item_id.in_(some)))
        )

    def apply(self, group: GroupId, changes: Changes, now: datetime) -> None:
        """Write what a look changed."""
        new = [_new(group, change, now) for change in changes.files if change.is_new]
        old = [_changed(group, change, now) for change in changes.files if not change.is_new]
        if new:
            self._session.execute(insert(Row), new)
        if old:
            self._session.execute(_CHANGE, old)
        self._set(group, changes.ripe, State.WAITING, state=State.PENDING)
        for paths in slices(changes.gone):
            gone = (Row.group_id == group, Row.path.in_(paths), Row.state.in_(_FORGETTABLE))
            self._session.execute(delete(Row).where(*gone, Row.item_id.is_(None)))
            self._session.execute(
                update(Row)
                .where(*gone)
                .values(state=State.STORED, size_bytes=_NO_SIZE, version=Row.version + 1)
            )

    def claim(
        self, group: GroupId, day: date, batch_id: str, *, now: datetime, max_files: int
    ) -> int:
        """Give a day's due files to a batch, oldest first; how many."""
        chosen = (
            select(Row.path)
            .where(Row.group_id == group, Row.received_on == day, _due(now))
            .order_by(Row.first_seen_at, Row.path)
            .limit(max_files)
        )
        result = self._session.execute(
            update(Row)
            .where(Row.group_id == group, Row.path.in_(chosen))
            .values(state=State.CLAIMED, batch_id=batch_id, version=Row.version + 1)
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]

    def due_by_day(self, group: GroupId, now: datetime) -> dict[date, int]:
        """Number of files to store, by the day they were first seen."""
        query = (
            select(Row.received_on, func.count())
            .where(Row.group_id == group, _due(now))
            .group_by(Row.received_on)
        )
        return dict(self._session.execute(query).all())

    def claimed(self, group: GroupId, batch_id: str) -> list[LandingFile]:
        """Files of a batch that have no outcome yet, in the order of arrival."""
        query = (
            # Rows of the table, not objects of the mapped class: those take five times as long.
            select(_FILES)
            .where(_C.group_id == group, _C.batch_id == batch_id, _C.state == State.CLAIMED)
            .order_by(_C.first_seen_at, _C.path)
        )
        return [_landing_file(row) for row in self._session.execute(query)]

    def sources(
        self, group: GroupId, *, paths: Sequence[str] = (), item_ids: Sequence[str] = ()
    ) -> dict[str, str]:
        """Item each path last became: of these paths, and of all paths of these items."""
        found: dict[str, str] = {}
        query = select(Row.path, Row.item_id).where(Row.group_id == group)
        for some in slices(paths):
            found.update(self._pairs(query.where(Row.path.in_(some))))
        for some in slices(item_ids):
            found.update(self._pairs(query.where(Row.item_id.in_(some))))
        return found

    def _pairs(self, query: Select[str, str | None]) -> Iterator[tuple[str, str]]:
        for path, item_id in self._session.execute(query):
            if item_id is not None:
                yield path, item_id

    def claimed_names(self, group: GroupId, engagement: str) -> set[str]:
        """Names of an engagement's files that a run is storing now."""
        query = select(Row.path).where(
            Row.group_id == group, Row.engagement_id == engagement, Row.state == State.CLAIMED
        )
        return {path.rpartition("/")[2] for path in self._session.scalars(query)}

    def forget_item(self, group: GroupId, item_id: str) -> None:
        """Sources of an item that is deleted have become nothing: their content would be new."""
        self._session.execute(
            update(Row)
            .where(Row.group_id == group, Row.item_id == item_id)
            .values(item_id=None, content_hash=None, version=Row.version + 1)
            .execution_options(synchronize_session=False)
        )

    def settle(self, group: GroupId, batch_id: str, items: Mapping[str, tuple[str, str]]) -> None:
        """Mark claimed files stored; `items` maps each path to its item's id and content hash."""
        rows = [
            {"g": group, "b": batch_id, "p": path, "item": item_id, "hash": content_hash}
            for path, (item_id, content_hash) in items.items()
        ]
        if rows:
            self._session.execute(_SETTLE, rows)

    def release(
        self, group: GroupId, batch_id: str, outcomes: Iterable[Mapping[str, object]]
    ) -> None:
        """Take claimed files out of a batch.

        Each outcome has `path` and the new `state`, `code`, `message`, `attempts`, `retry_at`, and
        `size_bytes` or None; a size of None keeps the known one.
        """
        rows = [
            {**{f"n_{name}": value for name, value in outcome.items()}, "g": group, "b": batch_id}
            for outcome in outcomes
        ]
        if rows:
            self._session.execute(_RELEASE, rows)

    def counts(self, group: GroupId) -> dict[State, int]:
        """Number of landing files in each state."""
        query = select(Row.state, func.count()).where(Row.group_id == group).group_by(Row.state)
        return {State(state): count for state, count in self._session.execute(query)}

    def quarantined(self, group: GroupId, day: date | None = None) -> list[Quarantine]:
        """Files that were refused before storing, by path, of one day when asked so."""
        query = (
            select(Row.path, Row.code, Row.message)
            .where(Row.group_id == group, Row.state == State.QUARANTINED)
            .where(true() if day is None else Row.received_on == day)
            .order_by(Row.path)
        )
        return [Quarantine(path, code, text) for path, code, text in self._session.execute(query)]

    def failed(self, group: GroupId) -> list[FailedFile]:
        """Files whose upload failed, by path."""
        query = (
            select(Row.path, Row.code, Row.message, Row.attempts, Row.retry_at)
            .where(Row.group_id == group, Row.state == State.FAILED)
            .order_by(Row.path)
        )
        return [FailedFile(*found) for found in self._session.execute(query)]

    def _set(self, group: GroupId, paths: Sequence[str], present: State, **values: object) -> None:
        for some in slices(paths):
            self._session.execute(
                update(Row)
                .where(Row.group_id == group, Row.path.in_(some), Row.state == present)
                .values(**values, version=Row.version + 1)
                .execution_options(synchronize_session=False)
            )


def _due(now: datetime) -> ColumnElement[bool]:
    # Nothing is put off for so long: the clock was ahead then, and would keep it from us for ever.
    is_time = or_(Row.retry_at <= now, Row.retry_at > now + _NEVER_PUT_OFF_SO_LONG)
    # That only two states can be due is said for the database: alternatives find no index.
    may_be = Row.state.in_((State.PENDING, State.FAILED))
    return and_(may_be, or_(Row.state == State.PENDING, is_time))


def _look(change: FileChange, now: datetime) -> dict[str, object]:
    seen = change.seen
    return {
        "size_bytes": seen.size_bytes,
        "mtime_ns": seen.mtime_ns,
        "inode": seen.inode,
        "problem": seen.problem,
        "changed_at": now,
        "first_seen_at": change.first_seen_at,
        "received_on": utc_day(change.first_seen_at),
        "state": change.state,
        "code": seen.problem,
        "message": seen.message,
    }


def _new(group: GroupId, change: FileChange, now: datetime) -> dict[str, object]:
    seen = change.seen
    return {
        "group_id": group,
        "path": seen.path,
        "folder": seen.folder,
        "engagement_id": seen.engagement_id,
        **_look(change, now),
    }


def _changed(group: GroupId, change: FileChange, now: datetime) -> dict[str, object]:
    look = {f"n_{name}": value for name, value in _look(change, now).items()}
    return {"g": group, "p": change.seen.path, **look}


def _landing_file(row: RowOf[Any]) -> LandingFile:
    return LandingFile(
        path=row.path,
        engagement_id=row.engagement_id,
        file_name=row.path.rpartition("/")[2],
        size_bytes=row.size_bytes,
        mtime_ns=row.mtime_ns,
        inode=row.inode,
        state=State(row.state),
        first_seen_at=row.first_seen_at,
        received_on=row.received_on,
        attempts=row.attempts,
        version=row.version,
        item_id=row.item_id,
    )


def _landing_line(row: RowOf[Any]) -> LandingLine:
    return LandingLine(
        path=row.path,
        signature=(row.size_bytes, row.mtime_ns, row.inode, row.problem),
        state=State(row.state),
        first_seen_at=row.first_seen_at,
        changed_at=row.changed_at,
        code=row.code,
        message=row.message,
        attempts=row.attempts,
        retry_at=row.retry_at,
        batch_id=row.batch_id,
        item_id=row.item_id,
        content_hash=row.content_hash,
    )


_LOOKED = ("size_bytes", "mtime_ns", "inode", "problem", "changed_at", "first_seen_at")
_ENTERED = ("received_on", "state", "code", "message")
_FILES = cast("Table", Row.__table__)
_C = _FILES.c
_CHANGE = (
    update(_FILES)
    .where(_C.group_id == bindparam("g"), _C.path == bindparam("p"), _C.state != State.CLAIMED)
    .values(
        {
            **{name: bindparam(f"n_{name}") for name in (*_LOOKED, *_ENTERED)},
            "attempts": 0,
            "retry_at": None,
            "batch_id": None,
            "version": _C.version + 1,
        }
    )
)
_IN_BATCH = (
    _C.group_id == bindparam("g"),
    _C.batch_id == bindparam("b"),
    _C.state == State.CLAIMED,
)
_SETTLE = (
    update(_FILES)
    .where(*_IN_BATCH, _C.path == bindparam("p"))
    .values(
        state=State.STORED,
        item_id=bindparam("item"),
        content_hash=bindparam("hash"),
        code="",
        message="",
        attempts=0,
        retry_at=None,
        version=_C.version + 1,
    )
)
_RELEASE = (
    update(_FILES)
    .where(*_IN_BATCH, _C.path == bindparam("n_path"))
    .values(
        state=bindparam("n_state"),
        code=bindparam("n_code"),
        message=bindparam("n_message"),
        attempts=bindparam("n_attempts"),
        retry_at=bindparam("n_retry_at"),
        size_bytes=func.coalesce(bindparam("n_size_bytes", type_=BigInteger), _C.size_bytes),
        batch_id=None,
        version=_C.version + 1,
    )
)
