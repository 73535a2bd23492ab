"""Outputs of tasks that were written: the newest bytes at each path of a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Executable, Table, bindparam, delete, select, union, update
from sqlalchemy.dialects import postgresql, sqlite

from kmflow_orchestration.errors import GroupMismatch
from kmflow_orchestration.identity import output_id
from kmflow_orchestration.metadata.config_audit import Deed, add_deed
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded, guarded_connection
from kmflow_orchestration.metadata.output_tables import OutputFileRow, UploadFailureRow
from kmflow_orchestration.names import GroupId

_FILES = cast("Table", OutputFileRow.__table__)
_FAILURES = cast("Table", UploadFailureRow.__table__)


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
        query = select(OutputFileRow).where(
            OutputFileRow.group_id == group, OutputFileRow.output_id == output_id(group, path)
        )
        with guarded(self.sessions) as session:
            row = session.scalars(query).one_or_none()
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

    def written(self, group: GroupId, file: OutputFile, deed: Deed) -> tuple[str, ...]:
        """Record what now lies at a path, and the deed; ids of failed uploads that it makes good.

        Raises:
            GroupMismatch: the file is another group's.
        """
        if file.group_id != group:
            raise GroupMismatch(f"an output of {file.group_id} cannot be recorded for {group}")
        key = output_id(group, file.path)
        with guarded_connection(self.sessions) as connection:
            upsert = _UPSERTS[connection.dialect.name]
            connection.execute(upsert, {"output_id": key, **_values(file)})
            add_deed(connection, group, deed, at=file.written_at)
            ended = {"of_group": group, "of_output": key, "ended_at": file.written_at}
            return tuple(connection.execute(_MADE_GOOD, ended).scalars())

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


def _upsert_of(insert: Any) -> Executable:
    """Insert a row, or replace the one of the same path, in one statement of this dialect."""
    statement = insert(_FILES)
    changed = {name: statement.excluded[name] for name in FILE_FIELDS}
    upsert: Executable = statement.on_conflict_do_update(index_elements=["output_id"], set_=changed)
    return upsert


_UPSERTS = {"sqlite": _upsert_of(sqlite.insert), "postgresql": _upsert_of(postgresql.insert)}


# Ends the open failures of a path: older bytes must never be sent over newer ones.
_MADE_GOOD = (
    update(_FAILURES)
    .where(
        _FAILURES.c.group_id == bindparam("of_group"),
        _FAILURES.c.output_id == bindparam("of_output"),
        _FAILURES.c.ended_at.is_(None),
    )
    .values(ended_at=bindparam("ended_at"))
    .returning(_FAILURES.c.failure_id)
)


def to_file(row: OutputFileRow | UploadFailureRow) -> OutputFile:
    """The file that a row of either table describes."""
    return OutputFile(**{name: getattr(row, name) for name in FILE_FIELDS})


def _values(file: OutputFile) -> dict[str, Any]:
    return {name: getattr(file, name) for name in FILE_FIELDS} | {"shape": dict(file.shape)}
