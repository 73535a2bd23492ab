"""Engagements of a group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.intake_tables import EngagementRow as Row
from kmflow_orchestration.names import EngagementId, GroupId


@dataclass(frozen=True, slots=True)
class Engagement:
    """A client project inside a group."""

    engagement_id: EngagementId
    registered_at: datetime


class Engagements:
    """Statements about engagements, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, group: GroupId) -> list[Engagement]:
        """Registered engagements by id."""
        query = (
            select(Row.engagement_id, Row.registered_at)
            .where(Row.group_id == group)
            .order_by(Row.engagement_id)
        )
        return [Engagement(EngagementId(name), at) for name, at in self._session.execute(query)]

    def register(self, group: GroupId, engagements: Iterable[str], now: datetime) -> None:
        """Register those that are new."""
        known = {engagement.engagement_id for engagement in self.all(group)}
        rows = [
            {"group_id": group, "engagement_id": name, "registered_at": now}
            for name in sorted(set(engagements) - known)
        ]
        if rows:
            self._session.execute(insert(Row), rows)
