"""Stage metrics of several batches, summed up by stage (row B37)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from kmflow_orchestration.metadata.intake_records import Step
from kmflow_orchestration.metadata.stage_metrics import StageMetric


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSummary:
    """One stage over some batches. `error_types` counts batches by the code of their errors."""

    stage: Step
    batches: int
    started_at: datetime
    duration_ms: int
    longest_ms: int
    input_count: int
    output_count: int
    error_count: int
    error_types: Mapping[str, int]


def summed_up(metrics: Iterable[StageMetric]) -> list[StageSummary]:
    """A summary for each stage that there is, in order."""
    by_stage: dict[Step, list[StageMetric]] = {}
    for metric in metrics:
        by_stage.setdefault(metric.stage, []).append(metric)
    return [_summary(stage, by_stage[stage]) for stage in Step if stage in by_stage]


def _summary(stage: Step, metrics: list[StageMetric]) -> StageSummary:
    return StageSummary(
        stage=stage,
        batches=len(metrics),
        started_at=min(one.started_at for one in metrics),
        duration_ms=sum(one.duration_ms for one in metrics),
        longest_ms=max(one.duration_ms for one in metrics),
        input_count=sum(one.input_count for one in metrics),
        output_count=sum(one.output_count for one in metrics),
        error_count=sum(one.error_count for one in metrics),
        error_types=dict(sorted(Counter(m.error_type for m in metrics if m.error_type).items())),
    )
