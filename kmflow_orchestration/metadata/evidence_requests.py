"""Evidence asked of a client, by category; feeds completeness (row B15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.intake_tables import EvidenceRequestRow as Row
from kmflow_orchestration.names import EngagementId, GroupId

FULFILLED = frozenset({"received", "validated", "active"})


@dataclass(frozen=True, slots=True)
class RequestCount:
    """Evidence requests of one category in one engagement."""

    total: int = 0
    fulfilled: int = 0


class EvidenceRequests:
    """Statements about evidence requests, inside a transaction of the caller."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        group: GroupId,
        engagement: EngagementId,
        category: str,
        *,
        status: str,
        created_at: datetime,
    ) -> str:
        """Record a request and return its id."""
        request_id = str(uuid4())
        row = {
            "id": request_id,
            "group_id": group,
            "engagement_id": engagement,
            "category": category,
            "status": status,
            "created_at": created_at,
        }
        self._session.execute(insert(Row), [row])
        return request_id

    def counts(self, group: GroupId) -> dict[tuple[str, str], RequestCount]:
        """Requests by engagement and category."""
        query = (
            select(Row.engagement_id, Row.category, Row.status, func.count())
            .where(Row.group_id == group)
            .group_by(Row.engagement_id, Row.category, Row.status)
        )
        found: dict[tuple[str, str], RequestCount] = {}
        for engagement, category, status, count in self._session.execute(query):
            before = found.get((engagement, category), RequestCount())
            fulfilled = before.fulfilled + (count if status in FULFILLED else 0)
            found[engagement, category] = RequestCount(before.total + count, fulfilled)
        return found
