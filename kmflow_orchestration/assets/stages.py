"""A stage's measures as metadata of the asset that did it (row B37)."""

from datetime import date
from typing import Any

from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.intake.stage_sums import summed_up
from kmflow_orchestration.metadata.intake_records import Step


def stage_metadata(group: GroupContext, day: date, stage: Step) -> dict[str, Any]:
    """Time, counts and errors of a day's batches in this stage; nothing for a day without any."""
    found = summed_up(group.stage_metrics(day, stage))
    return {
        name: value
        for one in found
        for name, value in {
            "stage_duration_ms": one.duration_ms,
            "stage_input_count": one.input_count,
            "stage_output_count": one.output_count,
            "stage_error_count": one.error_count,
            "stage_error_types": dict(one.error_types),
        }.items()
    }
