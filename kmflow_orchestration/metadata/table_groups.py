"""Table groups, their tables and their registered jobs in the control database."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from sqlalchemy import Update, func, select, update
from sqlalchemy.exc import IntegrityError

from kmflow_orchestration.errors import InvalidSettings, UnknownTableGroup
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.guarded import guarded
from kmflow_orchestration.metadata.profile_records import ProfiledTable, TableGroup
from kmflow_orchestration.metadata.profiling_tables import ProfileRow, TableGroupRow, TableRow
from kmflow_orchestration.metadata.run_status import OUTSTANDING, SUCCESSFUL
from kmflow_orchestration.names import EngagementId, GroupId, TableGroupId

DAILY = "0 3 * * *"


def _table_group(row: TableGroupRow) -> TableGroup:
    return TableGroup(**{field.name: getattr(row, field.name) for field in fields(TableGroup)})


def _table(row: TableRow) -> ProfiledTable:
    return ProfiledTable(
        **{field.name: getattr(row, field.name) for field in fields(ProfiledTable)}
    )


def next_tick(cron: str, time_zone: str, after: datetime) -> datetime:
    """First moment of a cron in its zone after a moment.

    Raises:
        InvalidSettings: no such cron expression or zone.
    """
    try:
        tick: datetime = next(CronSim(cron, after.astimezone(ZoneInfo(time_zone))))
    except (CronSimError, ZoneInfoNotFoundError, ValueError, StopIteration) as error:
        raise InvalidSettings(
            f"{cron!r} in {time_zone!r} is no schedule", fields=("cron", "time_zone")
        ) from error
    return tick


@dataclass(frozen=True, slots=True)
class TableGroups:
    """Repository of table groups; every query is within one group."""

    sessions: SessionFactory

    def save(self, group: GroupId, table_group: TableGroup) -> TableGroup:
        """Insert a table group, or change its settings; never its job or its last tick (row E21).

        Raises:
            InvalidSettings: its cron or time zone is none.
        """
        if table_group.cron:
            next_tick(table_group.cron, table_group.time_zone, table_group.created_at)
        settings = (
            "engagement_id name schema_name include_mask exclude_mask is_active cron time_zone"
        )
        values = {name: getattr(table_group, name) for name in settings.split()}
        with guarded(self.sessions) as session:
            row = session.get(TableGroupRow, (group, table_group.table_group_id))
            if row is None:
                row = TableGroupRow(
                    group_id=group,
                    table_group_id=table_group.table_group_id,
                    created_at=table_group.created_at,
                )
                session.add(row)
            for name, value in values.items():
                setattr(row, name, value)
        return _table_group(row)

    def ensure_default(
        self,
        group: GroupId,
        engagement: EngagementId,
        *,
        schema_name: str,
        now: datetime,
        cron: str = DAILY,
    ) -> TableGroup:
        """The engagement's default table group, made on first sight; it has the same id."""
        known = self.find(group, TableGroupId(engagement))
        if known is not None:
            return known
        wanted = TableGroup(
            group_id=group,
            table_group_id=TableGroupId(engagement),
            engagement_id=engagement,
            name=engagement,
            schema_name=schema_name,
            cron=cron,
            created_at=now,
        )
        try:
            return self.save(group, wanted)
        except IntegrityError:  # another process was first
            return self.get(group, wanted.table_group_id)

    def find(self, group: GroupId, table_group: TableGroupId) -> TableGroup | None:
        with guarded(self.sessions) as session:
            row = session.get(TableGroupRow, (group, table_group))
            return None if row is None else _table_group(row)

    def get(self, group: GroupId, table_group: TableGroupId) -> TableGroup:
        """Raises UnknownTableGroup when the group has no such table group."""
        found = self.find(group, table_group)
        if found is None:
            raise UnknownTableGroup(f"group {group} has no table group {table_group}").about(
                table_group_id=table_group
            )
        return found

    def all(self, group: GroupId, *, active_only: bool = False) -> list[TableGroup]:
        """Table groups by id."""
        query = select(TableGroupRow).where(TableGroupRow.group_id == group)
        if active_only:
            query = query.where(TableGroupRow.is_active)
        with guarded(self.sessions) as session:
            rows = session.scalars(query.order_by(TableGroupRow.table_group_id)).all()
        return [_table_group(row) for row in rows]

    def tables(self, group: GroupId, table_group: TableGroupId) -> list[ProfiledTable]:
        """Tables of a table group, by schema and name."""
        query = (
            select(TableRow)
            .where(TableRow.group_id == group, TableRow.table_group_id == table_group)
            .order_by(TableRow.schema_name, TableRow.table_name)
        )
        with guarded(self.sessions) as session:
            return [_table(row) for row in session.scalars(query)]

    def table_changed(
        self,
        group: GroupId,
        table_group: TableGroupId,
        *,
        schema_name: str,
        table_name: str,
        batch_id: str,
        at: datetime,
        row_count: int | None = None,
    ) -> bool:
        """Record that a batch changed a table; whether it is news.

        The batch that changed it last, with the same number of rows, is a replay and none.
        """
        change = ProfiledTable(
            group_id=group,
            table_group_id=table_group,
            schema_name=schema_name,
            table_name=table_name,
            changed_at=at,
            changed_batch_id=batch_id,
            row_count=row_count,
        )
        try:
            return self._record(change)
        except IntegrityError:  # another process recorded the table's first change just now
            return self._record(change)

    def _record(self, change: ProfiledTable) -> bool:
        key = (change.group_id, change.table_group_id, change.schema_name, change.table_name)
        with guarded(self.sessions) as session:
            row = session.get(TableRow, key)
            if row is None:
                session.add(TableRow(**asdict(change)))
                return True
            same_count = change.row_count in {None, row.row_count}
            if row.changed_batch_id == change.changed_batch_id and same_count:
                return False
            row.changed_at, row.changed_batch_id = change.changed_at, change.changed_batch_id
            row.row_count = change.row_count
            return True

    def stale(self, group: GroupId) -> list[TableGroup]:
        """Active table groups with a change since their last completed run began, and none
        outstanding."""
        of_group = (
            ProfileRow.group_id == group,
            ProfileRow.table_group_id == TableGroupRow.table_group_id,
        )
        profiled_at = (
            select(func.max(ProfileRow.created_at))
            .where(*of_group, ProfileRow.status.in_(SUCCESSFUL))
            .scalar_subquery()
        )
        changed_at = (
            select(func.max(TableRow.changed_at))
            .where(
                TableRow.group_id == group, TableRow.table_group_id == TableGroupRow.table_group_id
            )
            .scalar_subquery()
        )
        outstanding = (
            select(ProfileRow.profile_run_id)
            .where(*of_group, ProfileRow.status.in_(OUTSTANDING))
            .exists()
        )
        query = (
            select(TableGroupRow)
            .where(TableGroupRow.group_id == group, TableGroupRow.is_active, ~outstanding)
            .where(changed_at.is_not(None), profiled_at.is_(None) | (changed_at > profiled_at))
            .order_by(TableGroupRow.table_group_id)
        )
        with guarded(self.sessions) as session:
            return [_table_group(row) for row in session.scalars(query)]

    def due_by_cron(self, group: GroupId, now: datetime) -> list[TableGroup]:
        """Active table groups with a tick between their last one and now.

        Several missed ticks are one (row E43). One that never ticked is due at once: people want
        to see a new engagement's first profile, not to wait for the night.
        """
        scheduled = [one for one in self.all(group, active_only=True) if one.cron]
        return [
            one
            for one in scheduled
            if one.last_tick_at is None
            or next_tick(one.cron, one.time_zone, one.last_tick_at) <= now
        ]

    def ticked(self, group: GroupId, table_group: TableGroupId, at: datetime) -> None:
        """Record that a tick was answered, by a run or by a skip."""
        self._update(group, table_group, last_tick_at=at)

    def claim_job_creation(
        self, group: GroupId, table_group: TableGroupId, *, now: datetime, lease: timedelta
    ) -> bool:
        """Whether this caller may create the table group's job (row E6).

        Of several, one gets True; the others ask again. A claim whose holder died is free after
        `lease`.
        """
        statement = self._where(group, table_group).where(
            TableGroupRow.profiling_job_id.is_(None),
            TableGroupRow.profiling_job_updated_at.is_(None)
            | (TableGroupRow.profiling_job_updated_at <= now - lease),
        )
        with guarded(self.sessions) as session:
            result = session.execute(statement.values(profiling_job_updated_at=now))
            return bool(result.rowcount)  # type: ignore[attr-defined]

    def free_job_creations(self, group: GroupId) -> None:
        """Free claims whose holders are known to be dead, before their lease is over."""
        statement = update(TableGroupRow).where(
            TableGroupRow.group_id == group, TableGroupRow.profiling_job_id.is_(None)
        )
        with guarded(self.sessions) as session:
            session.execute(statement.values(profiling_job_updated_at=None))

    def record_job(
        self,
        group: GroupId,
        table_group: TableGroupId,
        *,
        job_id: str | None,
        settings_hash: str | None,
        now: datetime | None,
    ) -> None:
        """Store the registered job and the hash of its settings; None for both forgets it."""
        self._update(
            group,
            table_group,
            profiling_job_id=job_id,
            profiling_job_settings_hash=settings_hash,
            profiling_job_updated_at=now,
        )

    def _where(self, group: GroupId, table_group: TableGroupId) -> Update:
        return update(TableGroupRow).where(
            TableGroupRow.group_id == group, TableGroupRow.table_group_id == table_group
        )

    def _update(self, group: GroupId, table_group: TableGroupId, **values: object) -> None:
        with guarded(self.sessions) as session:
            session.execute(self._where(group, table_group).values(**values))
