"""The records of outputs: migrations and models agree, and every row stays with its group."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kmflow_orchestration.errors import GroupMismatch, UnknownOutput
from kmflow_orchestration.identity import output_id
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit, Deed
from kmflow_orchestration.metadata.engine import SessionFactory, open_sessions
from kmflow_orchestration.metadata.output_files import OutputFile, OutputFiles
from kmflow_orchestration.metadata.upload_failures import UploadFailure, UploadFailures
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of
from kmflow_orchestration_tests.fakes import FakeClock

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILE = OutputFile(
    group_id=ACME,
    path="/Volumes/users/shared/outputs/nightly/loans.json",
    place="/Volumes/users/shared/outputs",
    task_key="loans",
    partition_key="",
    file_format="json",
    shape={"kind": "mapping"},
    sha256="a" * 64,
    size_bytes=7,
    dagster_run_id="r1",
    written_at=NOON,
)
UPLOAD = Deed(action=AuditAction.UPLOAD, actor_email="nightly", after={"path": FILE.path})
FAILURE = UploadFailure(
    failure_id="7c0d5f0e-3c55-4b8e-9d2a-6f1f8a3c9b11",
    file=FILE,
    verify="hash",
    tries=1,
    last_tried_at=NOON,
    error_code="KM-REMOTE-001",
    error_message="not there",
)


@pytest.fixture
def sessions(tmp_path: Path, control_database: NewDatabase) -> SessionFactory:
    return open_sessions(engine_of(control_database(tmp_path / "control.db")))


@pytest.fixture
def files(sessions: SessionFactory) -> OutputFiles:
    return OutputFiles(sessions)


@pytest.fixture
def failures(sessions: SessionFactory) -> UploadFailures:
    return UploadFailures(sessions)


def test_the_upload_is_in_the_audit_trail_with_the_record_or_not_at_all(
    files: OutputFiles, sessions: SessionFactory, clock: FakeClock
) -> None:
    trail = ConfigAudit(sessions, clock)
    with pytest.raises(GroupMismatch):
        files.written(GLOBEX, FILE, UPLOAD)
    assert trail.entries(GLOBEX) == []

    files.written(ACME, FILE, UPLOAD)

    (entry,) = trail.entries(ACME)
    assert (entry.deed, entry.at) == (UPLOAD, FILE.written_at)


def test_the_id_of_an_output_never_changes() -> None:
    assert output_id("acme", FILE.path) == "70af3ffe-ba0a-5e23-a755-87e5561fa318"
    assert output_id("globex", FILE.path) != output_id("acme", FILE.path)


def test_a_path_has_one_record_with_the_newest_bytes(files: OutputFiles) -> None:
    newer = replace(FILE, sha256="b" * 64, size_bytes=9, written_at=NOON.replace(hour=13))

    files.written(ACME, FILE, UPLOAD)
    files.written(ACME, newer, UPLOAD)

    assert files.find(ACME, FILE.path) == newer
    assert files.latest(ACME, "loans") == newer
    assert files.hash_at(ACME, "/Volumes/users/shared/outputs/other") is None


def test_the_same_path_of_two_groups_is_two_records(files: OutputFiles) -> None:
    theirs = replace(FILE, group_id=GLOBEX, sha256="c" * 64)

    files.written(ACME, FILE, UPLOAD)
    files.written(GLOBEX, theirs, UPLOAD)
    files.forget(GLOBEX, FILE.path)

    assert files.find(ACME, FILE.path) == FILE
    assert files.find(GLOBEX, FILE.path) is None


def test_another_groups_record_is_refused(files: OutputFiles, failures: UploadFailures) -> None:
    with pytest.raises(GroupMismatch):
        files.written(GLOBEX, FILE, UPLOAD)
    with pytest.raises(GroupMismatch):
        failures.add(GLOBEX, FAILURE)


def test_a_failure_is_open_until_its_path_is_written(
    files: OutputFiles, failures: UploadFailures
) -> None:
    failures.add(ACME, FAILURE)
    elsewhere = replace(FILE, path=f"{FILE.place}/other.json")

    assert files.written(ACME, elsewhere, UPLOAD) == ()
    assert failures.open(ACME) == [FAILURE]
    assert files.written(ACME, FILE, UPLOAD) == (FAILURE.failure_id,)
    assert failures.open(ACME) == []
    assert files.written(ACME, FILE, UPLOAD) == ()


def test_another_try_is_counted_and_told(failures: UploadFailures) -> None:
    failures.add(ACME, FAILURE)
    later = NOON.replace(hour=14)

    failures.tried(GLOBEX, FAILURE.failure_id, UnknownOutput("not ours"), at=later)
    failures.tried(ACME, FAILURE.failure_id, UnknownOutput("still not"), at=later)

    (found,) = failures.open(ACME, [FAILURE.failure_id])
    assert (found.tries, found.last_tried_at, found.error_message) == (2, later, "still not")
    assert failures.open(GLOBEX, [FAILURE.failure_id]) == []


def test_places_are_those_of_both_kinds(files: OutputFiles, failures: UploadFailures) -> None:
    failed = replace(FILE, place="/Volumes/users/shared/late", path="/Volumes/users/shared/late/x")
    files.written(ACME, FILE, UPLOAD)
    failures.add(ACME, replace(FAILURE, file=failed))

    assert files.places(ACME) == ["/Volumes/users/shared/late", "/Volumes/users/shared/outputs"]
    assert files.places(GLOBEX) == []
