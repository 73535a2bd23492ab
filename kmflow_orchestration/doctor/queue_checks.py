"""What waits to be sent again."""

from __future__ import annotations

from kmflow_orchestration.clock import iso
from kmflow_orchestration.doctor.findings import Finding, passed, warned
from kmflow_orchestration.doctor.patient import Patient


def outbox_is_empty(patient: Patient) -> Finding:
    """Metadata rows that the warehouse has not taken, copies that a mirror has not, and outputs
    whose upload was given up."""
    rows = patient.ways.register().without_metadata(patient.group)
    if rows:
        return warned(
            f"{rows} metadata row(s) of stored files wait for the warehouse",
            "the sensor asks for their days again; what refused them: "
            f"kmflow stages --group {patient.group}",
        )
    for mirror in patient.ways.register().mirrors.uses(patient.group):
        if mirror.owed:
            return warned(
                f"{mirror.owed} copies wait for mirror {mirror.backend}: {mirror.problem}",
                f"kmflow rollback deliver --group {patient.group}",
            )
    waiting = patient.ways.failures().open(patient.group)
    if not waiting:
        return passed("nothing waits")
    oldest = waiting[0]
    return warned(
        f"{len(waiting)} upload(s) wait, the oldest since {iso(oldest.file.written_at)}: "
        f"{oldest.error_message}",
        f"kmflow output retry --group {patient.group}",
    )
