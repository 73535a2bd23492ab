"""Between a profile run's record and its row: one place knows which field is which column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy.orm import Session

from kmflow_orchestration.metadata.profile_records import Completion, ProfileRun, StateChange
from kmflow_orchestration.metadata.profiling_tables import ProfileRow, RunEventRow
from kmflow_orchestration.metadata.run_status import Actor, RunStatus
from kmflow_orchestration.names import GroupId

_RUN_FIELDS = tuple(field.name for field in fields(ProfileRun) if field.name != "warnings")
# What a completion carries for the run's own row, under the same names.
_COMPLETION_FIELDS = (
    "row_count",
    "table_count",
    "column_count",
    "payload_path",
    "error_message",
    "failure_class",
    "dq_score_profiling",
    "attempt",
)
_REPORTED_FIELDS = (
    "error_message",
    "failure_class",
    "databricks_state",
    "termination_code",
)


def run_of(row: ProfileRow) -> ProfileRun:
    values = {name: getattr(row, name) for name in _RUN_FIELDS}
    values["status"] = RunStatus(row.status)
    return ProfileRun(**values, warnings=tuple(row.warnings_json))


def row_of(group: GroupId, run: ProfileRun) -> ProfileRow:
    """A row for a run that is new, in this group whatever the record says."""
    values = {name: getattr(run, name) for name in _RUN_FIELDS}
    return ProfileRow(**{**values, "group_id": group}, warnings_json=list(run.warnings))


def changed_values(run: ProfileRun, change: StateChange, *, at: datetime) -> dict[str, object]:
    """Columns that a change of status sets; what it does not tell stays as it is."""
    reported = {name: getattr(change, name) for name in _REPORTED_FIELDS}
    known = {name: value for name, value in reported.items() if value is not None}
    warnings = _merged(run.warnings, change.warnings)
    return known | {"status": change.status, "updated_at": at, "warnings_json": warnings}


def completed_values(run: ProfileRun, completion: Completion, *, at: datetime) -> dict[str, object]:
    """Columns that a completion sets, apart from the run's end itself."""
    values = {name: getattr(completion, name) for name in _COMPLETION_FIELDS}
    for name in ("databricks_state", "termination_code"):
        values[name] = getattr(completion, name) or getattr(run, name)
    return values | {
        "anomaly_count": len(completion.anomalies),
        "completion_sha256": completion.sha256,
        "warnings_json": _merged(run.warnings, completion.warnings),
        "updated_at": at,
    }


def _merged(known: Sequence[str], added: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*known, *added]))


def add_event(
    session: Session,
    group: GroupId,
    run: ProfileRun,
    change: StateChange | None,
    *,
    by: Actor,
    at: datetime,
) -> None:
    """Append a change of a run to its events; None for its first."""
    session.add(
        RunEventRow(
            group_id=group,
            profile_run_id=run.profile_run_id,
            from_status=None if change is None else run.status,
            to_status=run.status if change is None else change.status,
            by=by,
            at=at,
            reason="inserted" if change is None else change.reason,
        )
    )
