"""Row A20: a group looks at its own outputs, and at nothing else."""

from __future__ import annotations

import pytest

from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    PlaceNotAllowed,
    RemoteNotFound,
    UnknownOutput,
    UnsafePath,
)
from kmflow_orchestration.operations.browse_outputs import (
    browse_outputs,
    delete_output,
    list_outputs,
)
from kmflow_orchestration.operations.read_output import read_output
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.output_world import RUN, OutputWorld

PLACE = "/Volumes/users/acme/outputs"
FOREIGN = (
    "/Volumes/users/globex/outputs",
    "/Volumes/USERS/Globex/outputs",
    "/Volumes/users/acme/raw_evidence",
    "/Volumes/users/acme/raw_evidence/evidence_store/e1",
    "/Volumes/users/acme/outputs2",
    "/Volumes/users/acme/.kmflow",
    "/Volumes/other/acme/outputs",
    "users.globex.outputs",
)
TRICKS = (
    f"{PLACE}/../../globex/outputs",
    f"{PLACE}/..%2f..%2fglobex",
    f"{PLACE}/\x00",
    f"{PLACE}//x",
    "/Volumes/users",
    "outputs",
    "..",
    "/etc/passwd",
    "dbfs:/Volumes/users/acme/outputs",
)


@pytest.fixture
def world(world: OutputWorld) -> OutputWorld:
    """Two groups, each with a table and a report."""
    for group in ("acme", "globex"):
        world.group(group)
        world.write(group, {"of": group})
        world.write(group, group, task="notes", file_format="txt")
    return world


def test_a_folder_is_listed_and_a_tree_is_walked(world: OutputWorld) -> None:
    outbox = world.outbox("acme")

    assert [(one.name, one.is_directory) for one in list_outputs(outbox)] == [(RUN, True)]
    assert [one.path.text for one in browse_outputs(outbox)] == [
        world.path("acme"),
        world.path("acme", task="notes", ending="txt"),
    ]
    assert [one.size_bytes for one in browse_outputs(outbox)] == [18, 4]
    assert len(browse_outputs(outbox, limit=1)) == 1


def test_a_volume_that_a_task_chose_is_the_groups_too(world: OutputWorld) -> None:
    place = "/Volumes/users/acme/ml_outputs"
    outbox = world.outbox("acme")
    with pytest.raises(PlaceNotAllowed):
        list_outputs(outbox, place)

    world.write("acme", 1, volume_path=place)

    assert [one.name for one in browse_outputs(outbox, place)] == ["loans.json"]


@pytest.mark.parametrize("path", FOREIGN)
def test_a_place_of_others_is_refused_before_anything_is_sent(
    world: OutputWorld, path: str
) -> None:
    before = world.room.server.requests().count() if world.room else 0

    for call in (list_outputs, browse_outputs, delete_output):
        with pytest.raises(PlaceNotAllowed):
            call(world.outbox("acme"), path)

    assert world.room is None or world.room.server.requests().count() == before
    assert len(world.on_disk()) == 4


@pytest.mark.parametrize("path", TRICKS)
def test_a_path_that_is_none_is_refused(world: OutputWorld, path: str) -> None:
    for call in (list_outputs, browse_outputs, delete_output):
        with pytest.raises(UnsafePath):
            call(world.outbox("acme"), path)


def test_a_deleted_output_is_gone_and_known_to_be(world: OutputWorld) -> None:
    outbox, path = world.outbox("acme"), world.path("acme")

    assert delete_output(outbox, path) is True
    assert delete_output(outbox, path) is False
    assert delete_output(outbox, f"{PLACE}/{RUN}") is False

    assert len(world.on_disk()) == 3
    with pytest.raises(UnknownOutput):
        read_output(outbox, "loans")


def test_a_folder_that_is_not_there_is_no_empty_one(world: OutputWorld) -> None:
    for call in (list_outputs, browse_outputs):
        with pytest.raises(RemoteNotFound):
            call(world.outbox("acme"), f"{PLACE}/nothing")


def test_without_a_place_of_its_own_a_group_must_name_one(world: OutputWorld) -> None:
    world.group("acme", volume_enabled=False, volume_path=None)

    with pytest.raises(ConfigurationError):
        list_outputs(world.outbox("acme"))
    assert len(browse_outputs(world.outbox("acme"), PLACE)) == 2


def test_a_workspace_that_refuses_is_no_empty_folder(remote: OutputWorld) -> None:
    remote.group("acme")
    remote.write("acme", 1)
    assert remote.room is not None
    for method, call in (("GET", list_outputs), ("GET", browse_outputs)):
        remote.room.server.faults.add(
            Fault("fail_times", method=method, status=403, error_code="PERMISSION_DENIED")
        )
        with pytest.raises(AccessRefused):
            call(remote.outbox("acme"), PLACE)
    remote.room.server.faults.add(
        Fault("fail_times", method="DELETE", status=403, error_code="PERMISSION_DENIED")
    )
    with pytest.raises(AccessRefused):
        delete_output(remote.outbox("acme"), remote.path("acme"))
