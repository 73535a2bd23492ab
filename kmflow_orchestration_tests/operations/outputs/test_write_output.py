"""Rows A13 to A18: a value goes where the group's rule says, on either backend."""

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pytest

from kmflow_orchestration.errors import (
    ConfigurationError,
    GroupMismatch,
    KmflowError,
    OutputChanged,
    OutputNotWritable,
    OutputTooLarge,
    PlaceNotAllowed,
    RemoteNotFound,
    UnknownOutput,
    UnsafePath,
)
from kmflow_orchestration.metadata.config_audit import AuditAction
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.read_output import read_output
from kmflow_orchestration.operations.write_output import TaskOutput, write_output
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.output_world import MOMENT, RUN, OutputWorld

VALUE = {"loans": 3}
TEXT = b'{\n  "loans": 3\n}'


def test_the_groups_default_is_all_it_takes(world: OutputWorld, clock: FakeClock) -> None:
    world.group("acme")

    uploaded = world.write("acme", VALUE).uploaded

    assert uploaded is not None
    assert uploaded.path == world.path("acme")
    assert world.file_of("acme", uploaded.path).read_bytes() == TEXT
    file = uploaded.file
    assert (file.size_bytes, file.file_format, file.task_key) == (len(TEXT), "json", "loans")
    assert file.sha256 == hashlib.sha256(TEXT).hexdigest()
    assert uploaded.size_mb == len(TEXT) / 1024**2
    assert uploaded.at == clock.now()


def test_a_task_says_otherwise_for_itself_alone(world: OutputWorld) -> None:
    world.group("acme")

    world.write("acme", [{"a": 1}], task="table", file_format="csv", create_date_dirs=False)
    world.write("acme", VALUE)

    assert world.file_of("acme", world.path("acme")).read_bytes() == TEXT
    csv = f"/Volumes/users/acme/outputs/{RUN}/table.csv"
    assert world.file_of("acme", csv).read_bytes() == b'"a"\n1\n'


def test_only_the_task_that_names_another_volume_moves(world: OutputWorld) -> None:
    """The founding document's second scenario (row A18)."""
    world.group("acme")

    paths = [
        world.write("acme", VALUE, task=task, **override).uploaded.path  # type: ignore[union-attr]
        for task, override in (
            ("train", {"volume_path": "users.acme.ml_outputs"}),
            ("report", {}),
            ("score", {}),
        )
    ]

    day = f"{RUN}/2026/11/20"
    assert paths == [
        f"/Volumes/users/acme/ml_outputs/{day}/train.json",
        f"/Volumes/users/acme/outputs/{day}/report.json",
        f"/Volumes/users/acme/outputs/{day}/score.json",
    ]
    assert len(world.on_disk()) == 3


@pytest.mark.parametrize(
    ("settings", "override"),
    [({}, {"enabled": False}), ({"volume_enabled": False}, {})],
    ids=["the task opts out", "the group does not upload"],
)
def test_what_nobody_wants_is_not_written(world: OutputWorld, settings, override) -> None:
    world.group("acme", **settings)

    outcome = world.write("acme", object(), **override)

    assert (outcome.uploaded, outcome.failure) == (None, None)
    assert not outcome.resolved.enabled
    assert (world.on_disk(), world.uploaded) == ({}, [])


def test_a_second_run_of_the_same_name_overwrites_and_keeps_the_earlier_hash(
    world: OutputWorld,
) -> None:
    world.group("acme")
    nightly = Execution(RUN, MOMENT, "nightly")
    again = Execution("0b0c0d0e-0000-4000-8000-000000000000", MOMENT, "nightly")

    world.write("acme", {"n": 1}, run=nightly)
    world.write("acme", {"n": 2}, run=again)

    first, second = world.uploaded
    assert first.path == second.path
    assert (first.earlier_sha256, second.earlier_sha256) == (None, first.file.sha256)
    assert [json.loads(one) for one in world.on_disk().values()] == [{"n": 2}]


def test_a_step_tried_again_writes_the_same_file(world: OutputWorld, clock: FakeClock) -> None:
    world.group("acme")

    for _ in range(2):
        world.write("acme", VALUE)
        clock.advance(86_400)

    assert [one.earlier_sha256 for one in world.uploaded] == [None, None]
    assert len(world.on_disk()) == 1


def test_timestamped_files_never_overwrite(world: OutputWorld, clock: FakeClock) -> None:
    world.group("acme", volume_filename_mode="timestamped")

    for _ in range(2):
        world.write("acme", VALUE)
        clock.advance(0.000001)

    assert len(world.on_disk()) == 2
    assert [one.earlier_sha256 for one in world.uploaded] == [None, None]


def test_a_value_over_the_limit_is_not_sent(world: OutputWorld) -> None:
    world.group("acme", max_file_size_mb=50, on_upload_error="warn")
    value = "é" * (1024 * 512) + "x"

    with pytest.raises(OutputTooLarge) as refused:
        world.write("acme", value, file_format="txt", max_file_size_mb=1)

    assert (refused.value.actual_bytes, refused.value.limit_bytes) == (1024**2 + 1, 1024**2)
    assert world.on_disk() == {}
    assert world.write("acme", value[:-1], file_format="txt", max_file_size_mb=1).uploaded
    assert world.write("acme", value, task="more", file_format="txt").uploaded


@pytest.mark.parametrize(
    ("value", "override", "error"),
    [
        ({"at": object()}, {}, OutputNotWritable),
        (VALUE, {"file_format": "xlsx"}, ConfigurationError),
        (VALUE, {"token": "dapi123"}, ConfigurationError),
        (VALUE, {"workspace_url": "https://elsewhere.example"}, ConfigurationError),
        (VALUE, {"volume_path": "main.default.task_outputs"}, PlaceNotAllowed),
        (VALUE, {"volume_path": "users.acme.raw_evidence"}, PlaceNotAllowed),
        (VALUE, {"task": ""}, UnsafePath),
    ],
)
def test_what_is_wrong_before_it_begins_fails_even_where_uploads_may(
    world: OutputWorld, value, override, error: type[KmflowError]
) -> None:
    world.group("acme", on_upload_error="warn")

    with pytest.raises(error):
        world.write("acme", value, **override)

    assert (world.on_disk(), world.context.upload_failures.open(world.group("acme").id)) == ({}, [])


def test_without_any_path_nothing_falls_back_to_a_shared_volume(world: OutputWorld) -> None:
    world.group("acme", volume_enabled=False, volume_path=None)

    with pytest.raises(ConfigurationError) as refused:
        world.write("acme", VALUE, enabled=True)

    assert refused.value.fields == ("volume_path",)
    assert world.on_disk() == {}


@pytest.mark.parametrize("place", ["users.globex.outputs", "users.globex.raw_evidence"])
def test_a_task_cannot_name_a_neighbours_place(remote: OutputWorld, place: str) -> None:
    remote.group("acme")
    remote.group("globex")
    assert remote.room is not None
    before = remote.room.server.requests().count()

    with pytest.raises(GroupMismatch):
        remote.write("acme", VALUE, volume_path=place)

    assert remote.room.server.requests().count() == before


@pytest.mark.parametrize("file_format", ["json", "csv", "parquet"])
def test_a_value_is_read_back(world: OutputWorld, file_format: str) -> None:
    world.group("acme")
    values = {"mapping": VALUE, "list": [1, 2], "text": "x", "records": [{"a": 1}], "none": None}
    for task, value in values.items():
        world.write("acme", value, task=task, file_format=file_format)

    outbox = world.outbox("acme")
    assert {task: read_output(outbox, task) for task in values} == values


def test_a_table_is_read_back_with_its_types(world: OutputWorld) -> None:
    world.group("acme", volume_file_format="csv")
    table = pa.table({"id": pa.array(["007", None]), "n": pa.array([1, 2], pa.int16())})
    world.write("acme", table)

    assert read_output(world.outbox("acme"), "loans").equals(table)


def test_the_newest_output_of_a_partition_is_read(world: OutputWorld, clock: FakeClock) -> None:
    world.group("acme")
    for number, (partition, run) in enumerate((("eu", "r1"), ("us", "r2"), ("eu", "r3"))):
        world.write("acme", {"n": number}, partition=partition, run=Execution(run, MOMENT))
        clock.advance(1)

    outbox = world.outbox("acme")
    assert read_output(outbox, "loans", partition_key="eu") == {"n": 2}
    assert read_output(outbox, "loans", partition_key="us") == {"n": 1}
    assert read_output(outbox, "loans", partition_key="eu", dagster_run_id="r1") == {"n": 0}
    with pytest.raises(UnknownOutput):
        read_output(outbox, "loans")


def test_a_group_never_reads_a_neighbours_output(world: OutputWorld) -> None:
    world.group("acme")
    world.group("globex")
    world.write("globex", VALUE)

    with pytest.raises(UnknownOutput):
        read_output(world.outbox("acme"), "loans")


def test_a_file_that_was_changed_or_removed_is_no_value(world: OutputWorld) -> None:
    world.group("acme")
    world.write("acme", VALUE)
    file = world.file_of("acme", world.path("acme"))

    file.write_bytes(b'{\n  "loans": 4\n}')
    with pytest.raises(OutputChanged):
        read_output(world.outbox("acme"), "loans")
    file.unlink()
    with pytest.raises(RemoteNotFound):
        read_output(world.outbox("acme"), "loans")


def test_each_upload_is_a_record_of_the_audit_trail(world: OutputWorld) -> None:
    outbox = world.group("acme").outbox
    for value in (VALUE, {"loans": 4}):
        write_output(
            outbox, TaskOutput(value=value, task_key="loans", execution=Execution(RUN, MOMENT))
        )

    second, first = (
        entry.deed
        for entry in world.context.config_audit.entries(GroupId("acme"))
        if entry.deed.action is AuditAction.UPLOAD
    )
    assert first.before is None
    assert first.after is not None
    assert first.after["sha256"] == hashlib.sha256(TEXT).hexdigest()
    assert (first.after["path"], first.after["task"]) == (world.path("acme"), "loans")
    assert second.before == {"sha256": first.after["sha256"]}
