"""Registry of dataset tables: which item's part went into which table, with what columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from typing import Any

from sqlalchemy import JSON, String, UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import BigInteger

from kmflow_orchestration.metadata.dataset_drift import DriftLog
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.in_lists import slices
from kmflow_orchestration.metadata.intake_records import GONE
from kmflow_orchestration.metadata.intake_tables import EvidenceItemRow
from kmflow_orchestration.metadata.schema import Base
from kmflow_orchestration.names import EngagementId, GroupId

_ID = String(64)
# No sheet's or member's name begins with it.
_LEFT = "\x1d"


class DatasetRow(Base):
    """A dataset of an engagement and the table name it was given for good."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("group_id", "table_name", name="uq_datasets_table_name"),)

    group_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    engagement_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    dataset_key: Mapped[str] = mapped_column(String(512), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(255))


class DatasetPartRow(Base):
    """One table of one evidence item, as it was last converted."""

    __tablename__ = "dataset_parts"

    group_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    item_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    part: Mapped[str] = mapped_column(String(255), primary_key=True)
    engagement_id: Mapped[str] = mapped_column(_ID)
    table_name: Mapped[str] = mapped_column(String(255), index=True)
    batch_id: Mapped[str] = mapped_column(_ID)
    received_on: Mapped[date]
    file_name: Mapped[str] = mapped_column(String(1024))
    media_type: Mapped[str] = mapped_column(String(255))
    content_hash: Mapped[str] = mapped_column(_ID)
    columns: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    row_count: Mapped[int] = mapped_column(BigInteger)
    receipt: Mapped[dict[str, Any]] = mapped_column(JSON)


@dataclass(frozen=True, slots=True)
class PartColumn:
    """A column of a part; `type` is the text form of its type in the lattice.

    `asked` is the type somebody set for it when the part was converted, and `fit` the type its
    texts have when they are read for that one, '' when one of them, told by `misfit`, cannot be.
    """

    name: str
    source_name: str
    type: str
    null_count: int = 0
    asked: str = ""
    fit: str = ""
    misfit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPart:
    """One table of one evidence item: what was found in its bytes.

    Where these are is the item's to say: they may have been moved since.
    """

    group_id: str
    item_id: str
    part: str
    engagement_id: str
    table_name: str
    batch_id: str
    received_on: date
    file_name: str
    media_type: str
    content_hash: str
    columns: tuple[PartColumn, ...]
    row_count: int
    receipt: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return (self.item_id, self.part)

    @property
    def has_left(self) -> bool:
        """Whether its rows are in another table by now, and are still to go from this one."""
        return self.part.startswith(_LEFT)

    def left_behind(self) -> DatasetPart:
        """What stays known of a part that goes to another table, until its rows are gone here."""
        return replace(self, part=f"{_LEFT}{self.table_name}{_LEFT}{self.part}")

    @property
    def order(self) -> tuple[date, str, str, str]:
        """The order of a table's parts, which no run can change."""
        return (self.received_on, self.file_name, self.item_id, self.part)


@dataclass(frozen=True, slots=True)
class DatasetTables:
    """Repository of datasets and their parts; every query is within one group."""

    sessions: SessionFactory

    @property
    def drift(self) -> DriftLog:
        """How the tables changed their columns."""
        return DriftLog(self.sessions)

    def table_name(
        self, group: GroupId, engagement: EngagementId, dataset_key: str, names: Sequence[str]
    ) -> str:
        """The table of a dataset: the first of `names` that was free when it was first asked for.

        Raises:
            ValueError: every one of them is another dataset's.
        """
        try:
            return self._table_name(group, engagement, dataset_key, names)
        except IntegrityError:  # another process took the name, or named the dataset, just now
            return self._table_name(group, engagement, dataset_key, names)

    def _table_name(
        self, group: GroupId, engagement: EngagementId, dataset_key: str, names: Sequence[str]
    ) -> str:
        with guarded(self.sessions) as session:
            known = session.get(DatasetRow, (group, engagement, dataset_key))
            if known is not None:
                return known.table_name
            query = select(DatasetRow.table_name).where(
                DatasetRow.group_id == group, DatasetRow.table_name.in_(list(names))
            )
            taken = set(session.scalars(query))
            name = next((name for name in names if name not in taken), None)
            if name is None:
                raise ValueError(f"all of {', '.join(names)} are taken")
            session.add(
                DatasetRow(
                    group_id=group,
                    engagement_id=engagement,
                    dataset_key=dataset_key,
                    table_name=name,
                )
            )
            return name

    def tables(self, group: GroupId, engagement: EngagementId) -> list[str]:
        """Names of an engagement's dataset tables, sorted."""
        with guarded(self.sessions) as session:
            query = select(DatasetRow.table_name).where(
                DatasetRow.group_id == group, DatasetRow.engagement_id == engagement
            )
            return sorted(session.scalars(query))

    def names(self, group: GroupId) -> list[str]:
        """Names of all dataset tables of a group, sorted."""
        with guarded(self.sessions) as session:
            query = select(DatasetRow.table_name).where(DatasetRow.group_id == group)
            return sorted(session.scalars(query))

    def keys_of(self, group: GroupId, names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Engagement and dataset key by table, of those tables that there are."""
        with guarded(self.sessions) as session:
            query = select(DatasetRow).where(
                DatasetRow.group_id == group, DatasetRow.table_name.in_(sorted(set(names)))
            )
            return {
                row.table_name: (row.engagement_id, row.dataset_key)
                for row in session.scalars(query)
            }

    def of_items(self, group: GroupId, item_ids: Iterable[str]) -> list[DatasetPart]:
        """Parts of these items, in table order."""
        ids = sorted(set(item_ids))
        found: list[DatasetPart] = []
        with guarded(self.sessions) as session:
            for some in slices(ids):
                query = select(DatasetPartRow).where(
                    DatasetPartRow.group_id == group, DatasetPartRow.item_id.in_(some)
                )
                found.extend(map(_part, session.scalars(query)))
        return sorted(found, key=lambda part: part.order)

    def of_table(self, group: GroupId, table_name: str) -> list[DatasetPart]:
        """Parts of a table, in table order."""
        with guarded(self.sessions) as session:
            query = select(DatasetPartRow).where(
                DatasetPartRow.group_id == group, DatasetPartRow.table_name == table_name
            )
            return sorted(map(_part, session.scalars(query)), key=lambda part: part.order)

    def deleted_items(self, group: GroupId, table_name: str) -> frozenset[str]:
        """Items that still have parts in a table and that somebody deleted: no bytes, no rows."""
        with guarded(self.sessions) as session:
            query = (
                select(DatasetPartRow.item_id)
                .join(EvidenceItemRow, EvidenceItemRow.id == DatasetPartRow.item_id)
                .where(
                    DatasetPartRow.group_id == group,
                    EvidenceItemRow.group_id == group,
                    DatasetPartRow.table_name == table_name,
                    EvidenceItemRow.state.in_(sorted(GONE)),
                )
            )
            return frozenset(session.scalars(query))

    def record(self, group: GroupId, parts: Iterable[DatasetPart]) -> None:
        """Insert parts, or put them in the place of what was known of the same item and part."""
        with guarded(self.sessions) as session:
            for part in parts:
                session.merge(DatasetPartRow(**{**_values(part), "group_id": group}))

    def remove(self, group: GroupId, parts: Iterable[tuple[str, str]]) -> None:
        """Forget parts, given as (item id, part)."""
        with guarded(self.sessions) as session:
            for item_id, part in parts:
                _delete(session, group, item_id, part)


def _delete(session: Session, group: GroupId, item_id: str, part: str) -> None:
    session.execute(
        delete(DatasetPartRow).where(
            DatasetPartRow.group_id == group,
            DatasetPartRow.item_id == item_id,
            DatasetPartRow.part == part,
        )
    )


def _values(part: DatasetPart) -> dict[str, Any]:
    values = {name.name: getattr(part, name.name) for name in fields(part)}
    return {
        **values,
        "columns": [asdict(column) for column in part.columns],
        "receipt": dict(part.receipt),
    }


def _part(row: DatasetPartRow) -> DatasetPart:
    values = {name.name: getattr(row, name.name) for name in fields(DatasetPart)}
    return DatasetPart(**{**values, "columns": tuple(PartColumn(**it) for it in row.columns)})
