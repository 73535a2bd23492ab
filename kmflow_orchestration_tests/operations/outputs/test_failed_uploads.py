"""Row A16: an upload that fails is honest about it, and can be tried again alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.errors import (
    AccessRefused,
    OutputChanged,
    RemoteFault,
    StorageUnavailable,
    UnknownOutput,
)
from kmflow_orchestration.metadata.upload_failures import UploadFailure
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.read_output import read_output
from kmflow_orchestration.operations.retry_outputs import RetriedOutput, retry_outputs
from kmflow_orchestration.operations.write_output import TaskOutput, write_output
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.output_world import MOMENT, RUN, OutputWorld

FILES = "/api/2.0/fs/files/*"
VALUE = {"loans": 3}


@pytest.fixture
def world(remote: OutputWorld) -> OutputWorld:
    remote.group("acme")
    remote.write("acme", "the Volume is there", task="first")
    return remote


def break_uploads(world: OutputWorld, **how: Any) -> None:
    assert world.room is not None
    world.room.server.services.request_log.clear()
    known: dict[str, Any] = {"times": 4, "status": 500, "error_code": "INTERNAL_ERROR"}
    world.room.server.faults.add(Fault("fail_times", method="PUT", path=FILES, **{**known, **how}))


def heal(world: OutputWorld) -> None:
    assert world.room is not None
    world.room.server.faults.clear()


def puts(world: OutputWorld) -> int:
    assert world.room is not None
    return world.room.server.requests("PUT", FILES).count()


def failures(world: OutputWorld, group: str = "acme") -> list[UploadFailure]:
    return world.context.upload_failures.open(GroupId(group))


def spooled(world: OutputWorld) -> list[Path]:
    return sorted(path for path in (world.home / "upload_spool").rglob("*") if path.is_file())


def fail(world: OutputWorld, value: Any = VALUE, **how: Any) -> UploadFailure:
    """One upload that fails after all its attempts; the place is sound afterwards."""
    break_uploads(world)
    with pytest.raises(RemoteFault):
        world.write("acme", value, **how)
    heal(world)
    return failures(world)[-1]


def retry(world: OutputWorld, *ids: str) -> list[RetriedOutput]:
    return retry_outputs(world.outbox("acme"), ids, tell=world.told.append)


def test_an_error_500_is_tried_three_times_and_fails(world: OutputWorld) -> None:
    break_uploads(world)

    with pytest.raises(RemoteFault, match="gave up after 3 attempts"):
        world.write("acme", VALUE)

    assert puts(world) == 3
    assert [text for text in world.told if text.startswith("attempt 2 of 3 failed")]


def test_a_refusal_is_not_tried_again(world: OutputWorld) -> None:
    break_uploads(world, status=403, error_code="PERMISSION_DENIED")

    with pytest.raises(AccessRefused):
        world.write("acme", VALUE)

    assert puts(world) == 1
    assert failures(world)[0].error_code == AccessRefused.code


def test_a_failed_upload_is_kept_with_all_it_needs(world: OutputWorld) -> None:
    failure = fail(world, partition="eu")

    assert failure.file.path == world.path("acme")
    assert (failure.file.task_key, failure.file.partition_key) == ("loans", "eu")
    assert (failure.tries, failure.error_code) == (1, RemoteFault.code)
    assert "INTERNAL_ERROR" in failure.error_message or "Injected" in failure.error_message
    (kept,) = spooled(world)
    assert kept == world.home / "upload_spool" / "acme" / failure.failure_id
    assert kept.read_bytes() == b'{\n  "loans": 3\n}'
    assert kept.stat().st_mode & 0o777 == 0o600


def test_it_is_tried_again_alone_and_then_forgotten(world: OutputWorld) -> None:
    failure = fail(world)

    (done,) = retry(world)

    assert (done.failure_id, done.arrived) == (failure.failure_id, True)
    assert read_output(world.outbox("acme"), "loans") == VALUE
    assert (failures(world), spooled(world)) == ([], [])
    newest = world.context.config_audit.entries(GroupId("acme"))[0]
    assert (newest.deed.after or {})["path"] == failure.file.path
    assert retry(world) == []


def test_one_that_fails_again_stays_with_its_newest_error(world: OutputWorld) -> None:
    fail(world)
    break_uploads(world, status=403, error_code="PERMISSION_DENIED", message="still not")

    (done,) = retry(world)

    assert not done.arrived
    assert "still not" in done.problem
    (failure,) = failures(world)
    assert (failure.tries, failure.error_code) == (2, AccessRefused.code)
    assert len(spooled(world)) == 1


def test_only_those_named_are_tried(world: OutputWorld) -> None:
    one, two = fail(world, task="one"), fail(world, task="two")

    (done,) = retry(world, two.failure_id)

    assert done.path == two.file.path
    assert [left.failure_id for left in failures(world)] == [one.failure_id]


def test_a_neighbours_failure_is_an_unknown_one(world: OutputWorld) -> None:
    failure = fail(world)
    world.group("globex")
    before = puts(world)

    with pytest.raises(UnknownOutput, match=failure.failure_id):
        retry_outputs(world.outbox("globex"), [failure.failure_id])

    assert retry_outputs(world.outbox("globex")) == []
    assert puts(world) == before
    assert failures(world) == [failure]


def test_older_bytes_never_go_over_newer_ones(world: OutputWorld) -> None:
    nightly = Execution("r1", MOMENT, "nightly")
    fail(world, {"n": 1}, run=nightly)

    world.write("acme", {"n": 2}, run=Execution("r2", MOMENT, "nightly"))

    assert (failures(world), spooled(world), retry(world)) == ([], [], [])
    assert read_output(world.outbox("acme"), "loans") == {"n": 2}


def test_where_the_group_wants_it_a_failure_is_a_warning(world: OutputWorld) -> None:
    break_uploads(world)

    outcome = world.write("acme", VALUE, on_upload_error="warn")

    assert outcome.uploaded is None
    assert outcome.failure == failures(world)[0]
    assert "kept as failed upload" in world.told[-1]


def test_its_value_is_read_from_where_it_is_kept_never_an_older_one(world: OutputWorld) -> None:
    world.write("acme", {"n": 1}, run=Execution("r1", MOMENT))
    break_uploads(world)
    world.write("acme", {"n": 2}, run=Execution("r2", MOMENT), on_upload_error="warn")

    outbox = world.outbox("acme")
    assert read_output(outbox, "loans") == {"n": 2}
    assert read_output(outbox, "loans", dagster_run_id="r1") == {"n": 1}
    (kept,) = spooled(world)
    kept.unlink()
    with pytest.raises(OutputChanged):
        read_output(outbox, "loans")


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_kept_bytes_that_are_not_those_are_not_sent(world: OutputWorld, damage: str) -> None:
    fail(world)
    (kept,) = spooled(world)
    if damage == "changed":
        kept.write_bytes(b"something else")
    else:
        kept.unlink()
    before = puts(world)

    (done,) = retry(world)

    assert "run the task again" in done.problem
    assert puts(world) == before
    assert len(failures(world)) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"volume_path": "other.acme.outputs", "allowed_catalogs": ["other"]},
        {"evidence_volume": "outputs", "volume_path": "users.acme.elsewhere"},
    ],
    ids=["catalog not allowed any more", "evidence lies there now"],
)
def test_todays_settings_decide_where_it_may_go(world: OutputWorld, settings: Any) -> None:
    fail(world)
    world.group("acme", **settings)
    before = puts(world)

    (done,) = retry(world)

    assert "KM-ACCESS-002" in done.problem
    assert puts(world) == before


def test_what_cannot_even_be_kept_fails_the_call_however_mild_it_was_meant(
    world: OutputWorld,
) -> None:
    (world.home / "upload_spool").write_bytes(b"a file")
    break_uploads(world)

    with pytest.raises(StorageUnavailable, match="nor could the output be kept"):
        world.write("acme", VALUE, on_upload_error="warn")

    assert failures(world) == []


@pytest.mark.sqlite
def test_an_output_nobody_could_record_is_no_success(world: OutputWorld) -> None:
    outbox, database = world.outbox("acme"), world.home / "control.db"
    output = TaskOutput(value=VALUE, task_key="loans", execution=Execution(RUN, MOMENT))
    world.context.output_files.sessions.kw["bind"].dispose()  # connections are made anew
    shutil.move(database, world.home / "away.db")
    database.mkdir()
    with pytest.raises(StorageUnavailable, match=r"control\.db does not answer"):
        write_output(outbox, output)
    assert spooled(world) == []

    database.rmdir()
    shutil.move(world.home / "away.db", database)
    assert write_output(outbox, output).uploaded


def test_a_local_disk_that_refuses_is_a_failed_upload_too(tmp_path: Path, clock) -> None:
    with OutputWorld(tmp_path, clock) as local:
        local.group("acme")
        place = local.volumes / "acme" / "users" / "acme"
        place.mkdir(parents=True)
        (place / "outputs").write_bytes(b"a file")
        with pytest.raises(StorageUnavailable):
            local.write("acme", VALUE)
        (place / "outputs").unlink()

        (done,) = retry(local)

        assert done.arrived
        assert read_output(local.outbox("acme"), "loans") == VALUE
