"""Uploads of outputs that were given up, until they are made good (row A16)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select, update

from kmflow_orchestration.config.group_config import VerifyMode
from kmflow_orchestration.errors import GroupMismatch, KmflowError
from kmflow_orchestration.identity import output_id
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.output_files import OutputFile, to_file
from kmflow_orchestration.metadata.output_tables import UploadFailureRow as Row
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadFailure:
    """An upload that was given up `tries` times; its bytes wait under `failure_id`."""

    failure_id: str
    file: OutputFile
    verify: VerifyMode
    tries: int
    last_tried_at: datetime
    error_code: str
    error_message: str


@dataclass(frozen=True, slots=True)
class UploadFailures:
    """Repository of failed uploads; every query is within one group."""

    sessions: SessionFactory

    def add(self, group: GroupId, failure: UploadFailure) -> None:
        """Record a failure. Raises GroupMismatch for another group's."""
        if failure.file.group_id != group:
            raise GroupMismatch(
                f"an upload of {failure.file.group_id} cannot be recorded for {group}"
            )
        row = Row(
            **{**asdict(failure.file), "shape": dict(failure.file.shape)},
            failure_id=failure.failure_id,
            output_id=output_id(group, failure.file.path),
            verify=failure.verify,
            tries=failure.tries,
            last_tried_at=failure.last_tried_at,
            error_code=failure.error_code,
            error_message=failure.error_message,
        )
        with guarded(self.sessions) as session:
            session.add(row)

    def open(self, group: GroupId, ids: Collection[str] = ()) -> list[UploadFailure]:
        """Failures that were not made good, oldest first; only those of `ids` when given."""
        query = select(Row).where(Row.group_id == group, Row.ended_at.is_(None))
        if ids:
            query = query.where(Row.failure_id.in_(list(ids)))
        with guarded(self.sessions) as session:
            rows = session.scalars(query.order_by(Row.written_at, Row.failure_id)).all()
        return [_failure(row) for row in rows]

    def open_of(
        self, group: GroupId, task_key: str, *, partition_key: str = "", dagster_run_id: str = ""
    ) -> list[UploadFailure]:
        """Those of one task and partition, oldest first; of one run when asked so."""
        return [
            failure
            for failure in self.open(group)
            if (failure.file.task_key, failure.file.partition_key) == (task_key, partition_key)
            and dagster_run_id in {"", failure.file.dagster_run_id}
        ]

    def tried(self, group: GroupId, failure_id: str, error: KmflowError, *, at: datetime) -> None:
        """Another try failed, with this error."""
        of_failure = (Row.group_id == group, Row.failure_id == failure_id, Row.ended_at.is_(None))
        with guarded(self.sessions) as session:
            session.execute(
                update(Row)
                .where(*of_failure)
                .values(
                    tries=Row.tries + 1,
                    last_tried_at=at,
                    error_code=error.code,
                    error_message=str(error),
                )
            )


def _failure(row: Row) -> UploadFailure:
    return UploadFailure(
        failure_id=row.failure_id,
        file=to_file(row),
        verify="hash" if row.verify == "hash" else "size",
        tries=row.tries,
        last_tried_at=row.last_tried_at,
        error_code=row.error_code,
        error_message=row.error_message,
    )
