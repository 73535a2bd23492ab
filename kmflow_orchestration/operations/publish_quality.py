"""Quality scores of a day's items: computed once, written as silver events (rows B15, B16)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import pyarrow as pa

from kmflow_orchestration import __version__
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.identity import quality_event_id
from kmflow_orchestration.intake.evidence_scores import (
    DEFAULT_WEIGHTS,
    ScoringFacts,
    score,
    weights_json,
)
from kmflow_orchestration.intake.ledger import Batch, Item, Ledger, Scores, Step
from kmflow_orchestration.intake.scoring_counts import ScoringCounts
from kmflow_orchestration.intake.stage_log import StageTally
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.batch_members import live_items, write_live
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables import medallion


@dataclass(frozen=True, slots=True)
class PublishedQuality:
    """Scores of one day's live items after this call."""

    group: GroupId
    day: date
    batches: tuple[str, ...]
    scored: tuple[Item, ...]

    @property
    def mean_composite(self) -> float | None:
        """Mean composite score in [0, 1], None for a day without live items."""
        values = [item.scores.composite for item in self.scored if item.scores]
        return round(sum(values) / len(values), 4) if values else None


def publish_quality(
    group: GroupId, day: date, *, ledger: Ledger, lakehouse: Lakehouse, config: GroupConfig
) -> PublishedQuality:
    """Score what was never scored, publish the day's items, and write their events.

    An item keeps the scores of its first publication: a replay copies them.

    Raises:
        RemoteFault: a statement failed after our own retries; the next call goes on.
    """
    scored: list[Item] = []
    batches = ledger.batches(group, day, Step.QUALITY)
    for batch in batches:
        with ledger.stages.measured(group, batch.batch_id, day=day, stage=Step.QUALITY) as tally:
            write = partial(
                _write, batch=batch, ledger=ledger, lakehouse=lakehouse, config=config, tally=tally
            )
            published = write_live(group, batch.batch_id, ledger, write)
            ledger.finish_step(group, batch.batch_id, Step.QUALITY)
            tally.output_count = sum(item.scores is not None for item in published)
        scored += published
    return PublishedQuality(group, day, tuple(b.batch_id for b in batches), tuple(scored))


def _write(
    items: Sequence[Item],
    *,
    batch: Batch,
    ledger: Ledger,
    lakehouse: Lakehouse,
    config: GroupConfig,
    tally: StageTally,
) -> list[Item]:
    """Score and publish a batch's live items, and write the events of those that live then."""
    group = GroupId(batch.group_id)
    tally.came_in(items)
    ledger.publish(group, batch.batch_id, _new_scores(group, items, ledger))
    published = live_items(group, batch.batch_id, ledger)
    lakehouse.replace(
        config.namespace.silver(medallion.SILVER_QUALITY_EVENTS.name),
        _rows(published),
        matching={
            medallion.BATCH_COLUMN: [batch.batch_id],
            medallion.EVIDENCE_COLUMN: list(batch.replaced_item_ids),
        },
    )
    return published


def _new_scores(group: GroupId, items: Iterable[Item], ledger: Ledger) -> Mapping[str, Scores]:
    counts = ledger.scoring_counts(group)
    weights = {engagement: json.loads(text) for engagement, text in counts.weights.items()}
    return {
        item.item_id: replace(
            score(_facts(item, counts), weights.get(item.engagement_id, DEFAULT_WEIGHTS)),
            weights_json=counts.weights.get(item.engagement_id),
        )
        for item in items
        if item.scores is None
    }


def _facts(item: Item, counts: ScoringCounts) -> ScoringFacts:
    return ScoringFacts(
        requested=counts.requested(item.engagement_id, item.category),
        fulfilled=counts.fulfilled(item.engagement_id, item.category),
        others=counts.live_items(item.engagement_id, item.category) - 1,
        source_type=item.side.source_type,
        has_author=bool(item.side.author),
        is_verified=False,
        source_date=item.side.source_date,
        reference_date=item.received_on,
    )


def _rows(items: Sequence[Item]) -> pa.Table:
    usual = weights_json(DEFAULT_WEIGHTS)
    rows = [
        {
            "group_id": item.group_id,
            "engagement_id": item.engagement_id,
            "quality_event_id": quality_event_id(item.item_id),
            "evidence_item_id": item.item_id,
            "completeness_score": item.scores.completeness,
            "reliability_score": item.scores.reliability,
            "freshness_score": item.scores.freshness,
            "consistency_score": item.scores.consistency,
            "composite_score": item.scores.composite,
            "weights_json": item.scores.weights_json or usual,
            "reference_date": item.received_on,
            "computed_at": item.scores_at,
            "pipeline_version": __version__,
            medallion.BATCH_COLUMN: item.batch_id,
        }
        for item in items
        if item.scores is not None
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


_TYPES: dict[str, pa.DataType] = {
    "reference_date": pa.date32(),
    "computed_at": pa.timestamp("us", "UTC"),
    **{
        f"{dimension}_score": pa.float64()
        for dimension in ("completeness", "reliability", "freshness", "consistency", "composite")
    },
}
_SCHEMA = pa.schema(
    [(name, _TYPES.get(name, pa.string())) for name in medallion.SILVER_QUALITY_EVENTS.column_names]
)
