"""What to do about an error, by the check that met it (row B35's table of symptoms)."""

from __future__ import annotations

from kmflow_orchestration.databricks_client.permissions import Securable
from kmflow_orchestration.doctor.findings import Finding, failed
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.errors import KmflowError, MissingDependency
from kmflow_orchestration.names import TableName, VolumePath, quoted
from kmflow_orchestration.operations.connection_remedies import detail_of, remedy_for
from kmflow_orchestration.operations.grant_sql import grant_sql, is_refusal


def of_error(patient: Patient, error: KmflowError, *, step: str) -> Finding:
    """A failed check whose error says it all; `step` is the connection check's word for it."""
    if isinstance(error, MissingDependency):
        return failed(error.message, error.hint, exit_code=error.exit_code)
    opened = "calls" in patient.__dict__
    where = patient.calls.sign_in.where if opened else "the group's settings"
    fix = remedy_for(step, error, patient.config, where=where, timeout_s=patient.timeout_s)
    return failed(detail_of(error), fix, exit_code=error.exit_code)


def refused(patient: Patient, error: KmflowError, on: Securable, *privileges: str) -> Finding:
    """Something that was refused: the exact GRANT; any other error is told as it is."""
    if not is_refusal(error):
        return of_error(patient, error, step="")
    # A statement that is refused for want of a privilege is a refusal (4), not a fault (5).
    return failed(detail_of(error), grant_sql(on, privileges, patient.principal), exit_code=4)


def of_volume(volume: VolumePath) -> Securable:
    return Securable("VOLUME", volume.volume_name)


def of_table(table: TableName) -> Securable:
    return Securable("TABLE", table.text)


def create_volume_sql(volume: VolumePath) -> str:
    """The statement that makes a Volume."""
    name = ".".join(quoted(part) for part in (volume.catalog, volume.schema, volume.volume))
    return f"CREATE VOLUME IF NOT EXISTS {name}"


def provision_line(patient: Patient) -> str:
    """The command that makes what is missing."""
    return f"kmflow provision --group {patient.group}"
