"""What a batch would take and need, told by its dry run (CD-N6)."""

from __future__ import annotations

from dataclasses import replace

from kmflow_orchestration.names import VolumePath, is_volume_text
from kmflow_orchestration.operations.convert.file_outcomes import FolderOutcome, Status
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan
from kmflow_orchestration.operations.convert.progress import percent

# A dry run reads each file for its types; what is left of the way is to write it.
_WHOLE_TO_READING = 100 / percent("read", 1, 1)


def with_forecast(done: FolderOutcome, plan: FolderPlan, parallel: int) -> FolderOutcome:
    """The outcome of a dry run with about how long it would take, and the grants it would need."""
    planned = [one.seconds for one in done.files if one.status is Status.PLANNED]
    seconds = sum(planned) * _WHOLE_TO_READING
    # The longest file is not shared out.
    shortest = max(planned, default=0.0) * _WHOLE_TO_READING
    return replace(
        done,
        estimated_s=round(max(seconds / max(1, min(parallel, len(planned))), shortest), 1),
        grants=_grants(plan),
    )


def _grants(plan: FolderPlan) -> tuple[str, ...]:
    return tuple(
        f"{privilege} ON VOLUME {VolumePath.parse(str(place)).volume_sql}"
        for place, privilege in ((plan.source, "READ VOLUME"), (plan.output, "WRITE VOLUME"))
        if is_volume_text(str(place))
    )
