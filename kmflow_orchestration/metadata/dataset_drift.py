"""How dataset tables of a group changed their columns, and what made them (row CD-N5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import Index, String, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from kmflow_orchestration.identity import drift_id
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.schema import Base, UtcDateTime
from kmflow_orchestration.names import GroupId

_ID = String(64)


class DatasetDriftRow(Base):
    """One change of one column of a dataset table."""

    __tablename__ = "dataset_drift"
    __table_args__ = (
        Index("ix_dataset_drift_at", "group_id", "at"),
        Index("ix_dataset_drift_batch", "group_id", "batch_id"),
    )

    group_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    drift_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    engagement_id: Mapped[str] = mapped_column(_ID)
    table_name: Mapped[str] = mapped_column(String(255))
    item_id: Mapped[str] = mapped_column(_ID)
    file_name: Mapped[str] = mapped_column(String(1024))
    batch_id: Mapped[str] = mapped_column(_ID)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(16))
    column_name: Mapped[str] = mapped_column(String(1024))
    old_type: Mapped[str] = mapped_column(String(64))
    new_type: Mapped[str] = mapped_column(String(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDrift:
    """A change of a column, in SQL types; '' for none.

    `item_id` is whose arrival or going made it, '' where nobody can tell; `at` is when it was first
    noted.
    """

    table_name: str
    engagement_id: str
    item_id: str
    file_name: str
    batch_id: str
    at: datetime
    kind: str
    column_name: str
    old_type: str = ""
    new_type: str = ""

    def __str__(self) -> str:
        by = f" by {self.file_name}" if self.file_name else ""
        types = {
            "added": f"was added ({self.new_type})",
            "removed": f"is gone ({self.old_type})",
        }
        what = types.get(self.kind, f"was {self.old_type} and is {self.new_type}")
        return f"{self.table_name}: column {self.column_name} {what}{by}"

    @property
    def drift_id(self) -> str:
        """The same for the same change by the same batch."""
        return self._id()

    def again(self, times: int) -> str:
        """Its id when the same batch did the same so many times before, and it was undone."""
        return self._id(str(times)) if times else self.drift_id

    def _id(self, *more: str) -> str:
        change = (self.kind, self.column_name, self.old_type, self.new_type)
        return drift_id(self.table_name, self.batch_id, self.item_id, *change, *more)


@dataclass(frozen=True, slots=True)
class DriftLog:
    """Repository of changes; every query is within one group, and nothing is ever changed."""

    sessions: SessionFactory

    def record(self, group: GroupId, found: Sequence[DatasetDrift]) -> None:
        """Note changes, but for those that were the last to be noted of their columns."""
        if not found:
            return
        try:
            self._record(group, found)
        except IntegrityError:  # another process noted one of them just now
            self._record(group, found)

    def _record(self, group: GroupId, found: Sequence[DatasetDrift]) -> None:
        with guarded(self.sessions) as session:
            news = dict[str, DatasetDrift]()
            for table in sorted({one.table_name for one in found}):
                own = [one for one in found if one.table_name == table]
                known = _of_columns(session, group, table, {one.column_name for one in own})
                news |= _not_noted(own, known)
            session.add_all(
                DatasetDriftRow(group_id=group, drift_id=key, **asdict(one))
                for key, one in news.items()
            )

    def of_batches(self, group: GroupId, batch_ids: Sequence[str]) -> list[DatasetDrift]:
        """What batches changed, by table and column."""
        found: list[DatasetDrift] = []
        with guarded(self.sessions) as session:
            for some in slices(batch_ids):
                query = select(DatasetDriftRow).where(
                    DatasetDriftRow.group_id == group, DatasetDriftRow.batch_id.in_(some)
                )
                found.extend(map(_drift, session.scalars(query)))
        return sorted(found, key=lambda one: (one.table_name, one.column_name, one.at, one.kind))

    def newest(
        self, group: GroupId, *, table_name: str | None = None, limit: int = 100
    ) -> list[DatasetDrift]:
        """Changes of a group's tables, or of one of them, newest first."""
        query = (
            select(DatasetDriftRow)
            .where(
                DatasetDriftRow.group_id == group,
                true() if table_name is None else DatasetDriftRow.table_name == table_name,
            )
            .order_by(
                DatasetDriftRow.at.desc(),
                DatasetDriftRow.table_name,
                DatasetDriftRow.column_name,
                DatasetDriftRow.drift_id,
            )
            .limit(limit)
        )
        with guarded(self.sessions) as session:
            return [_drift(row) for row in session.scalars(query)]


def _of_columns(
    session: Session, group: GroupId, table: str, columns: Collection[str]
) -> list[DatasetDrift]:
    found: list[DatasetDrift] = []
    for some in slices(sorted(columns)):
        query = select(DatasetDriftRow).where(
            DatasetDriftRow.group_id == group,
            DatasetDriftRow.table_name == table,
            DatasetDriftRow.column_name.in_(some),
        )
        found.extend(map(_drift, session.scalars(query)))
    return found


def _not_noted(
    found: Iterable[DatasetDrift], known: Sequence[DatasetDrift]
) -> dict[str, DatasetDrift]:
    """By id those of one table that are not the last that is known of their columns.

    A batch that is written again by other corrections may do what it did before: that is told
    again if something else came in between.
    """
    last: dict[str, datetime] = {}
    for one in known:
        last[one.column_name] = max(last.get(one.column_name, one.at), one.at)
    news: dict[str, DatasetDrift] = {}
    for one in found:
        same = [other for other in known if other.drift_id == one.drift_id]
        if not any(other.at == last[other.column_name] for other in same):
            news[one.again(len(same))] = one
    return news


def _drift(row: DatasetDriftRow) -> DatasetDrift:
    return DatasetDrift(**{one.name: getattr(row, one.name) for one in fields(DatasetDrift)})
