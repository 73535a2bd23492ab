"""What became of every version of every landing file: rows are added and never touched again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kmflow_orchestration.metadata.schema import Base, UtcDateTime
from kmflow_orchestration.names import GroupId

# A path that changes every minute must not fill a screen, nor the memory.
MAX_EVENTS = 1_000


class LandingEventRow(Base):
    """A decision on a landing path; the newest has the highest id."""

    __tablename__ = "landing_events"
    __table_args__ = (
        Index("ix_landing_events_path", "group_id", "path", "id"),
        Index("ix_landing_events_content", "group_id", "content_hash", "path"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    group_id: Mapped[str]
    path: Mapped[str]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    decision: Mapped[str]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    mtime_ns: Mapped[int | None] = mapped_column(BigInteger)
    content_hash: Mapped[str | None]
    code: Mapped[str] = mapped_column(default="")
    message: Mapped[str] = mapped_column(default="")
    item_id: Mapped[str | None]
    batch_id: Mapped[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingEvent:
    """A decision on a landing path. `size_bytes` and `mtime_ns` are of the version it is about;
    None where the decision is about no version, such as that a former one is superseded."""

    path: str
    decision: str
    at: datetime
    size_bytes: int | None = None
    mtime_ns: int | None = None
    content_hash: str | None = None
    code: str = ""
    message: str = ""
    item_id: str | None = None
    batch_id: str | None = None


class LandingHistory:
    """Statements about decisions, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, group: GroupId, events: Iterable[LandingEvent]) -> None:
        """Note decisions, in their order."""
        rows = [
            {"group_id": group, **{name: getattr(one, name) for name in _FIELDS}} for one in events
        ]
        if rows:
            self._session.execute(insert(LandingEventRow.__table__), rows)  # type: ignore[arg-type]

    def of_path(self, group: GroupId, path: str) -> list[LandingEvent]:
        """The newest decisions on a path, oldest first."""
        newest = (
            select(LandingEventRow)
            .where(LandingEventRow.group_id == group, LandingEventRow.path == path)
            .order_by(LandingEventRow.id.desc())
            .limit(MAX_EVENTS)
        )
        return [_event(row) for row in reversed(list(self._session.scalars(newest)))]

    def of_batch(self, group: GroupId, batch_id: str) -> list[LandingEvent]:
        """Decisions of a batch, oldest first. There is no index for it: asked when a run died."""
        query = (
            select(LandingEventRow)
            .where(LandingEventRow.group_id == group, LandingEventRow.batch_id == batch_id)
            .order_by(LandingEventRow.id)
        )
        return [_event(row) for row in self._session.scalars(query)]

    def paths_of(self, group: GroupId, content_hash: str) -> list[str]:
        """Paths at which a content was ever found, sorted."""
        query = (
            select(LandingEventRow.path)
            .where(LandingEventRow.group_id == group, LandingEventRow.content_hash == content_hash)
            .distinct()
            .limit(MAX_EVENTS)
        )
        return sorted(self._session.scalars(query))


_FIELDS = tuple(LandingEvent.__dataclass_fields__)


def _event(row: LandingEventRow) -> LandingEvent:
    fields: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    return LandingEvent(**fields)
