"""Gold tables of a group, each replaced whole from silver (design AD3)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import pyarrow as pa

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables import medallion

_NEWEST = 5


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """Mean composite score of a group on one day."""

    as_of_date: str
    composite: float


@dataclass(frozen=True, slots=True)
class PublishedGold:
    """The group's score history after this call: a point a day, oldest first; the newest rows."""

    group: GroupId
    rows: int
    trend: tuple[ScorePoint, ...]
    newest: pa.Table


def publish_score_history(
    group: GroupId, *, lakehouse: Lakehouse, config: GroupConfig
) -> PublishedGold:
    """Rewrite `gold_quality_score_history` from the group's silver events.

    Raises:
        RemoteFault: a statement failed after our own retries; the table is unchanged then.
    """
    names = config.namespace
    history = lakehouse.query(score_history_sql(config), {"group_id": group})
    lakehouse.replace(
        names.gold(medallion.GOLD_QUALITY_SCORE_HISTORY.name),
        history,
        matching={"group_id": [group]},
    )
    newest = history.sort_by([("as_of_date", "descending")]).slice(0, _NEWEST)
    return PublishedGold(group, history.num_rows, _trend(history), newest)


def score_history_sql(config: GroupConfig) -> str:
    """The query behind the table, with this group's table names in place."""
    names = config.namespace
    text = resources.files("kmflow_orchestration.operations.sql").joinpath(
        "quality_score_history.sql"
    )
    return text.read_text(encoding="utf-8").format(
        events=names.silver(medallion.SILVER_QUALITY_EVENTS.name).sql,
        bronze=names.bronze(medallion.BRONZE_EVIDENCE_RAW.name).sql,
    )


def _trend(history: pa.Table) -> tuple[ScorePoint, ...]:
    """Item-weighted mean of the categories' composites, by day."""
    days: dict[str, list[tuple[float, int]]] = {}
    for row in history.to_pylist():
        if row["avg_composite_score"] is not None:
            pair = (row["avg_composite_score"], row["item_count"])
            days.setdefault(str(row["as_of_date"]), []).append(pair)
    return tuple(
        ScorePoint(day, round(sum(s * n for s, n in pairs) / sum(n for _, n in pairs), 4))
        for day, pairs in sorted(days.items())
    )
