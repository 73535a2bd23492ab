"""Engagements of a group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.intake_tables import EngagementRow as Row
from kmflow_orchestration.names import EngagementId, GroupId


@dataclass(frozen=True, slots=True)
class Engagement:
    """A client project inside a group."""

    engagement_id: EngagementId
    registered_at: datetime
    weights_json: str | None = None
    """Weights of its composite quality score, as JSON; None for the usual ones (row B16)."""


class Engagements:
    """Statements about engagements, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, group: GroupId) -> list[Engagement]:
        """Registered engagements by id."""
        query = (
            select(Row.engagement_id, Row.registered_at, Row.quality_weights)
            .where(Row.group_id == group)
            .order_by(Row.engagement_id)
        )
        return [
            Engagement(EngagementId(name), at, weights)
            for name, at, weights in self._session.execute(query)
        ]

    def set_weights(self, group: GroupId, engagement: str, weights_json: str | None) -> bool:
        """Weigh what is scored from now on by these; whether there is such an engagement."""
        changed = self._session.execute(
            update(Row)
            .where(Row.group_id == group, Row.engagement_id == engagement)
            .values(quality_weights=weights_json)
            .returning(Row.engagement_id)
        )
        return changed.first() is not None

    def register(self, group: GroupId, engagements: Iterable[str], now: datetime) -> None:
        """Register those that are new."""
        known = {engagement.engagement_id for engagement in self.all(group)}
        rows = [
            {"group_id": group, "engagement_id": name, "registered_at": now}
            for name in sorted(set(engagements) - known)
        ]
        if rows:
            self._session.execute(insert(Row), rows)
