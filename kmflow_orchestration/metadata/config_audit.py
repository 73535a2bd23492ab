"""The audit trail of group settings and secrets (row A19). It can be added to and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.orm import Session

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.metadata.audit_tables import ConfigAuditRow
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.names import GroupId, group_id

_INSERT = insert(cast("Table", ConfigAuditRow.__table__))


class AuditAction(StrEnum):
    """What was done, or tried."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    READ_SECRET = "read_secret"  # noqa: S105 - the name of a deed
    UPLOAD = "upload"
    GRANT = "grant"
    DELETE_EVIDENCE = "delete_evidence"
    DOWNLOAD_EVIDENCE = "download_evidence"
    MOVE_EVIDENCE = "move_evidence"
    CORRECT_DATASET = "correct_dataset"
    RETRY_QUARANTINE = "retry_quarantine"
    ACCEPT_QUARANTINE = "accept_quarantine"
    CREATE_TOKEN = "create_token"  # noqa: S105
    REVOKE_TOKEN = "revoke_token"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What is to be noted. `before` and `after` are JSON without secrets; `error_code` is empty
    for what succeeded."""

    action: AuditAction
    actor_email: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    error_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A deed as it was noted. Ids grow with time."""

    id: int
    group_id: GroupId
    at: datetime
    deed: Deed


class ConfigAudit:
    """The trail of one group at a time; there is no way to change or remove a record."""

    def __init__(self, sessions: SessionFactory, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    def note(self, group: GroupId, deed: Deed) -> None:
        """Add a record, in a transaction of its own.

        Raises:
            MissingGroup: an empty or blank group.
            StorageUnavailable: the record could not be written.
        """
        with guarded(self._sessions) as session:
            add_deed(session, group, deed, at=self._clock.now())

    def entries(self, group: GroupId, *, limit: int = 1000) -> list[AuditEntry]:
        """The newest records of a group, newest first."""
        query = (
            select(ConfigAuditRow)
            .where(ConfigAuditRow.group_id == group_id(group))
            .order_by(ConfigAuditRow.id.desc())
            .limit(limit)
        )
        with guarded(self._sessions) as session:
            return [_entry(row) for row in session.scalars(query)]


class AuditRecords:
    """Records of deeds inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, group: GroupId, deed: Deed, *, at: datetime) -> None:
        """Add a record, which is written together with the deed or not at all."""
        add_deed(self._session, group, deed, at=at)


def add_deed(
    transaction: Session | Connection, group: GroupId, deed: Deed, *, at: datetime
) -> None:
    """Add a record to a transaction, so that deed and record are written together or not at all."""
    transaction.execute(
        _INSERT,
        {
            "group_id": group_id(group),
            "actor_email": deed.actor_email[:255],
            "action": deed.action.value,
            "at": at,
            "before_json": None if deed.before is None else dict(deed.before),
            "after_json": None if deed.after is None else dict(deed.after),
            "error_code": deed.error_code or None,
        },
    )


def _entry(row: ConfigAuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        group_id=GroupId(row.group_id),
        at=row.at,
        deed=Deed(
            action=AuditAction(row.action),
            actor_email=row.actor_email,
            before=row.before_json,
            after=row.after_json,
            error_code=row.error_code or "",
        ),
    )
