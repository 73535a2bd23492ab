"""A probe file and its row: written, read, listed, removed, with nothing left behind."""

from __future__ import annotations

import io
from uuid import uuid4

import pyarrow as pa

from kmflow_orchestration.clock import iso
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.doctor.findings import Finding, failed, passed
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.doctor.remedies import (
    create_volume_sql,
    of_table,
    of_volume,
    provision_line,
    refused,
)
from kmflow_orchestration.errors import KmflowError, RemoteNotFound, StorageUnavailable
from kmflow_orchestration.names import VolumePath, literal
from kmflow_orchestration.operations.check_connection import PROBE_FOLDER, try_folder
from kmflow_orchestration.operations.evidence_rows import EVIDENCE_SCHEMA
from kmflow_orchestration.operations.grant_sql import is_refusal
from kmflow_orchestration.tables.medallion import BATCH_COLUMN, EVIDENCE_METADATA

_PROBE_ENGAGEMENT = "kmflow-doctor"


def probe_goes_round(patient: Patient) -> Finding:
    """A file and its metadata row of a name nobody else can have."""
    problem = None
    if patient.is_local:
        try_folder(patient.evidence_root)
    else:
        problem = _volume_file(patient)
    return (
        problem or _row(patient) or passed("file written, read, listed, removed; its row as well")
    )


def _volume_file(patient: Patient) -> Finding | None:
    volume = patient.config.volume
    files = VolumeFiles(patient.calls)
    folder = volume.joined(*PROBE_FOLDER)
    place = folder.joined(f"{uuid4()}.txt")
    try:
        _round(files, folder, place)
    except RemoteNotFound as error:
        return failed(
            f"{volume.volume_name}: {error.message}",
            create_volume_sql(volume),
            exit_code=error.exit_code,
            can_be_made=True,
        )
    except KmflowError as error:
        if not is_refusal(error):
            raise
        return refused(patient, error, of_volume(volume), "READ_VOLUME", "WRITE_VOLUME")
    return None


def _round(files: VolumeFiles, folder: VolumePath, place: VolumePath) -> None:
    content = str(uuid4()).encode()
    files.upload(place, lambda: io.BytesIO(content))
    try:
        with files.open_read(place) as stream:
            read = stream.read()
        is_listed = any(one.path == place for one in files.list_directory(folder))
    finally:
        files.delete(place)
    if read != content:
        raise StorageUnavailable(f"{place.text}: what was read is not what was written")
    if not is_listed:
        raise StorageUnavailable(f"{place.text} was written, and a listing does not show it")


def _row(patient: Patient) -> Finding | None:
    table = patient.config.namespace.base(EVIDENCE_METADATA.name)
    lakehouse, made = patient.lakehouse, str(uuid4())
    rows = pa.Table.from_pylist([_probe_row(patient, made)], schema=EVIDENCE_SCHEMA)
    try:
        lakehouse.merge(table, rows, ["id"])
        try:
            query = f"SELECT COUNT(*) AS n FROM {table.sql} WHERE id = {literal(made)}"
            count = lakehouse.query(query)["n"][0].as_py()
        finally:
            lakehouse.replace(table, EVIDENCE_SCHEMA.empty_table(), matching={"id": [made]})
    except RemoteNotFound as error:
        return failed(
            error.message,
            provision_line(patient),
            exit_code=error.exit_code,
            can_be_made=True,
        )
    except KmflowError as error:
        if not is_refusal(error):
            raise
        return refused(patient, error, of_table(table), "SELECT", "MODIFY")
    if count != 1:
        return failed(
            f"{table.text}: a row that was written is read {count} times",
            f"kmflow dedupe-metadata --group {patient.group}",
        )
    return None


def _probe_row(patient: Patient, made: str) -> dict[str, object]:
    place = "/".join((*PROBE_FOLDER, made))
    return {
        "group_id": patient.group,
        "engagement_id": _PROBE_ENGAGEMENT,
        "id": made,
        "file_name": f"{made}.txt",
        "volume_path": place,
        "content_hash": "",
        "size_bytes": 0,
        "stored_at": iso(patient.clock.now()),
        BATCH_COLUMN: "",
    }
