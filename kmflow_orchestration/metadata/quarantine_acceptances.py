"""Refusals that a person accepted; each holds for one version of what was refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import BigInteger, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kmflow_orchestration.metadata.quarantine_records import Acceptance, HeldBack
from kmflow_orchestration.metadata.schema import Base, UtcDateTime
from kmflow_orchestration.names import GroupId

Key = tuple[str, str, int]
"""Kind, subject and version."""


class QuarantineAcceptanceRow(Base):
    """What was last accepted about a file or an item."""

    __tablename__ = "quarantine_acceptances"

    group_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    code: Mapped[str]
    reason: Mapped[str]
    accepted_by: Mapped[str]
    accepted_at: Mapped[datetime] = mapped_column(UtcDateTime)


Row = QuarantineAcceptanceRow


class QuarantineAcceptances:
    """Statements about acceptances, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, group: GroupId) -> dict[Key, Acceptance]:
        """Acceptances of a group; one whose version is over is of no use any more."""
        query = select(Row).where(Row.group_id == group)
        return {
            (row.kind, row.subject, row.version): Acceptance(
                row.reason, row.accepted_by, row.accepted_at
            )
            for row in self._session.scalars(query)
        }

    def put(self, group: GroupId, accepted: Iterable[HeldBack], acceptance: Acceptance) -> None:
        """Accept some, in the place of what was accepted about them before."""
        for one in accepted:
            self._session.merge(
                Row(
                    group_id=group,
                    kind=one.kind.value,
                    subject=one.subject,
                    version=one.version,
                    code=one.code,
                    reason=acceptance.reason,
                    accepted_by=acceptance.accepted_by,
                    accepted_at=acceptance.accepted_at,
                )
            )
        self._session.flush()

    def forget(self, group: GroupId, held: Iterable[HeldBack]) -> None:
        """Take acceptances back."""
        for one in held:
            row = self._session.get(Row, (group, one.kind.value, one.subject))
            if row is not None:
                self._session.delete(row)
        self._session.flush()
