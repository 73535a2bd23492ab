"""How dataset tables of a group changed their columns, and what made them (row CD-N5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import Index, String, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

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
        change = (self.kind, self.column_name, self.old_type, self.new_type)
        return drift_id(self.table_name, self.batch_id, self.item_id, *change)


@dataclass(frozen=True, slots=True)
class DriftLog:
    """Repository of changes; every query is within one group, and nothing is ever changed."""

    sessions: SessionFactory

    def record(self, group: GroupId, found: Sequence[DatasetDrift]) -> None:
        """Note changes, but for those that are noted already."""
        if not found:
            return
        try:
            self._record(group, found)
        except IntegrityError:  # another process noted one of them just now
            self._record(group, found)

    def _record(self, group: GroupId, found: Sequence[DatasetDrift]) -> None:
        by_id = {one.drift_id: one for one in found}
        with guarded(self.sessions) as session:
            for some in slices(sorted(by_id)):
                query = select(DatasetDriftRow.drift_id).where(
                    DatasetDriftRow.group_id == group, DatasetDriftRow.drift_id.in_(some)
                )
                for known in session.scalars(query):
                    del by_id[known]
            session.add_all(
                DatasetDriftRow(group_id=group, drift_id=key, **asdict(one))
                for key, one in by_id.items()
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


def _drift(row: DatasetDriftRow) -> DatasetDrift:
    return DatasetDrift(**{one.name: getattr(row, one.name) for one in fields(DatasetDrift)})
