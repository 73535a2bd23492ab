"""Outputs of tasks that were written: the newest bytes at each path of a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, union, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.identity import output_id
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.output_tables import OutputFileRow, UploadFailureRow
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A task's output: where it is, or was to be, and what its reader needs.

    `place` is the configured place that `path` lies in; `shape` is that of `outputs.shapes`.
    """

    group_id: GroupId
    path: str
    place: str
    task_key: str
    partition_key: str
    file_format: str
    shape: Mapping[str, Any]
    sha256: str
    size_bytes: int
    dagster_run_id: str
    written_at: datetime


FILE_FIELDS = tuple(field.name for field in fields(OutputFile))


@dataclass(frozen=True, slots=True)
class OutputFiles:
    """Repository of written outputs; every query is within one group."""

    sessions: SessionFactory

    def find(self, group: GroupId, path: str) -> OutputFile | None:
        """What was last written to a path."""
        with guarded(self.sessions) as session:
            row = session.get(OutputFileRow, output_id(group, path))
            return None if row is None else to_file(row)

    def hash_at(self, group: GroupId, path: str) -> str | None:
        """SHA-256 of what was last written to a path."""
        found = self.find(group, path)
        return None if found is None else found.sha256

    def latest(
        self, group: GroupId, task_key: str, *, partition_key: str = "", dagster_run_id: str = ""
    ) -> OutputFile | None:
        """A task's newest output of a partition, of one run when asked so."""
        query = select(OutputFileRow).where(
            OutputFileRow.group_id == group,
            OutputFileRow.task_key == task_key,
            OutputFileRow.partition_key == partition_key,
        )
        if dagster_run_id:
            query = query.where(OutputFileRow.dagster_run_id == dagster_run_id)
        newest = query.order_by(OutputFileRow.written_at.desc()).limit(1)
        with guarded(self.sessions) as session:
            row = session.scalars(newest).one_or_none()
            return None if row is None else to_file(row)

    def written(self, group: GroupId, file: OutputFile) -> tuple[str, ...]:
        """Record what now lies at a path; ids of the failed uploads that this makes good.

        Raises:
            GroupMismatch: the file is another group's.
        """
        if file.group_id != group:
            raise GroupMismatch(f"an output of {file.group_id} cannot be recorded for {group}")
        try:
            return self._record(group, file)
        except IntegrityError:  # another process recorded the path's first output just now
            return self._record(group, file)

    def _record(self, group: GroupId, file: OutputFile) -> tuple[str, ...]:
        key = output_id(group, file.path)
        with guarded(self.sessions) as session:
            row = session.get(OutputFileRow, key)
            if row is None:
                session.add(OutputFileRow(output_id=key, **_values(file)))
            else:
                for name, value in _values(file).items():
                    setattr(row, name, value)
            session.flush()
            return _ended(session, group, key, file.written_at)

    def places(self, group: GroupId) -> list[str]:
        """Places that outputs of the group went to, or were to go to, sorted."""
        written = select(OutputFileRow.place).where(OutputFileRow.group_id == group)
        failed = select(UploadFailureRow.place).where(UploadFailureRow.group_id == group)
        with guarded(self.sessions) as session:
            return sorted(session.scalars(union(written, failed)))

    def forget(self, group: GroupId, path: str) -> None:
        """The file at a path was deleted; nothing happens if it was never recorded."""
        with guarded(self.sessions) as session:
            session.execute(
                delete(OutputFileRow).where(
                    OutputFileRow.group_id == group,
                    OutputFileRow.output_id == output_id(group, path),
                )
            )


def _ended(session: Session, group: GroupId, key: str, at: datetime) -> tuple[str, ...]:
    """End the open failures of a path: older bytes must never be sent over newer ones."""
    is_open = (
        UploadFailureRow.group_id == group,
        UploadFailureRow.output_id == key,
        UploadFailureRow.ended_at.is_(None),
    )
    ended = tuple(session.scalars(select(UploadFailureRow.failure_id).where(*is_open)))
    if ended:
        session.execute(update(UploadFailureRow).where(*is_open).values(ended_at=at))
    return ended


def to_file(row: OutputFileRow | UploadFailureRow) -> OutputFile:
    """The file that a row of either table describes."""
    return OutputFile(**{name: getattr(row, name) for name in FILE_FIELDS})


def _values(file: OutputFile) -> dict[str, Any]:
    return {**asdict(file), "shape": dict(file.shape)}
