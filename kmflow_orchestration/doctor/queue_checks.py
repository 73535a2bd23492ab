"""What waits to be sent again."""

from __future__ import annotations

from kmflow_orchestration.clock import iso
from kmflow_orchestration.doctor.findings import Finding, passed, warned
from kmflow_orchestration.doctor.patient import Patient


def outbox_is_empty(patient: Patient) -> Finding:
    """Outputs of tasks whose upload was given up."""
    waiting = patient.ways.failures().open(patient.group)
    if not waiting:
        return passed("nothing waits")
    oldest = waiting[0]
    return warned(
        f"{len(waiting)} upload(s) wait, the oldest since {iso(oldest.file.written_at)}: "
        f"{oldest.error_message}",
        f"kmflow output retry --group {patient.group}",
    )
