"""Corrections of a group's conversions in the control database; one taken back keeps its number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import JSON, BigInteger, UniqueConstraint, func, or_, select, true
from sqlalchemy.orm import Mapped, Session, mapped_column

from kmflow_orchestration.metadata.correction_records import Candidate, Change, Correction, Scope
from kmflow_orchestration.metadata.dataset_tables import DatasetPartRow
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import LIVE, State
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow as Item
from kmflow_orchestration.metadata.intake_tables import LandingFileRow
from kmflow_orchestration.metadata.schema import Base, UtcDateTime
from kmflow_orchestration.names import GroupId


class CorrectionRow(Base):
    """What was last said about one thing; `value` NULL: it was taken back."""

    __tablename__ = "dataset_corrections"
    __table_args__ = (UniqueConstraint("group_id", "number", name="uq_dataset_corrections_number"),)

    group_id: Mapped[str] = mapped_column(primary_key=True)
    engagement_id: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str | int | bool | list[str] | None] = mapped_column(JSON(none_as_null=True))
    number: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str]


Row = CorrectionRow


class DatasetCorrections:
    """Statements about corrections, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, group: GroupId, engagement: str | None = None) -> list[Correction]:
        """Corrections that hold, in the order they were made in."""
        query = (
            select(Row)
            .where(Row.group_id == group, Row.value.is_not(None))
            .where(true() if engagement is None else Row.engagement_id == engagement)
            .order_by(Row.number)
        )
        return [_correction(row) for row in self._session.scalars(query)]

    def last_number(self, group: GroupId) -> int:
        """Number of the group's last change, 0 before any."""
        query = select(func.max(Row.number)).where(Row.group_id == group)
        return self._session.scalar(query) or 0

    def put(
        self, group: GroupId, change: Change, *, number: int, actor: str, now: datetime
    ) -> None:
        """Put a change in the place of what was said before."""
        self._session.merge(
            Row(
                group_id=group,
                engagement_id=change.engagement_id,
                scope=change.scope.value,
                target=change.target,
                name=change.name,
                value=change.value,
                number=number,
                changed_at=now,
                changed_by=actor,
            )
        )
        self._session.flush()

    def candidates(self, group: GroupId, engagements: Iterable[str]) -> list[Candidate]:
        """Items of some engagements whose conversion may come out otherwise, by their paths."""
        found: list[Candidate] = []
        for engagement in sorted(set(engagements)):
            query = (
                select(Item.id, Item.name, Item.landing_path, Item.batch_id, Item.state)
                .where(Item.group_id == group, Item.engagement_id == engagement)
                .where(Item.state.in_(sorted({*LIVE, State.QUARANTINED})))
                .order_by(Item.landing_path, Item.id)
            )
            rows = self._session.execute(query).all()
            tables = self._tables(group, engagement)
            found += [
                Candidate(
                    item_id=row.id,
                    engagement_id=engagement,
                    file_name=row.name,
                    landing_path=row.landing_path,
                    batch_id=row.batch_id,
                    state=State(row.state),
                    tables=tuple(sorted(tables.get(row.id, ()))),
                )
                for row in rows
            ]
        return found

    def paths_of(self, group: GroupId, item_ids: Iterable[str]) -> list[str]:
        """Landing paths at which the content of some items, or of copies of them, was last seen."""
        found: set[str] = set()
        for some in slices(sorted(set(item_ids))):
            query = (
                select(LandingFileRow.path)
                .join(Item, Item.id == LandingFileRow.item_id)
                .where(LandingFileRow.group_id == group, Item.group_id == group)
                .where(or_(Item.id.in_(some), Item.duplicate_of_id.in_(some)))
            )
            found.update(self._session.scalars(query))
        return sorted(found)

    def _tables(self, group: GroupId, engagement: str) -> dict[str, set[str]]:
        query = select(DatasetPartRow.item_id, DatasetPartRow.table_name).where(
            DatasetPartRow.group_id == group, DatasetPartRow.engagement_id == engagement
        )
        found: dict[str, set[str]] = {}
        for item_id, table in self._session.execute(query):
            found.setdefault(item_id, set()).add(table)
        return found


def _correction(row: CorrectionRow) -> Correction:
    if row.value is None:
        raise ValueError(f"correction {row.number} was taken back")
    return Correction(
        engagement_id=row.engagement_id,
        scope=Scope(row.scope),
        target=row.target,
        name=row.name,
        value=row.value,
        number=row.number,
        set_at=row.changed_at,
        set_by=row.changed_by,
    )
