"""What only the Volume store can meet: a network, and a neighbour in the same workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.errors import AccessRefused, StorageUnavailable, UnsafePath
from kmflow_orchestration.storage.volume_store import VolumeStore
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.fakes import FakeClock

PUT = "/api/2.0/fs/files/*"
BIG = b"x" * 9_000_000


@pytest.fixture
def acme(groups: GroupsInRoom, clock: FakeClock) -> VolumeStore:
    return store_of("acme", groups, clock)


def store_of(group: str, groups: GroupsInRoom, clock: FakeClock) -> VolumeStore:
    files = VolumeFiles(groups.calls(group))
    return VolumeStore(group, groups.config(group).volume, files, clock=clock)


@pytest.mark.parametrize("content", [b"id\n", BIG], ids=["small", "large"])
def test_an_upload_whose_answer_was_lost_is_recognised(
    room: Room, acme: VolumeStore, tmp_path: Path, content: bytes
) -> None:
    room.server.faults.add(Fault("execute_then_drop", method="PUT", path=PUT))

    written = acme.write_from(evidence_file(tmp_path, "a.csv", content))

    assert acme.confirm([written]) == {written.path}
    assert room.server.requests("PUT", PUT).count() == 2


def test_four_failures_are_waited_out(room: Room, acme: VolumeStore, tmp_path: Path) -> None:
    room.server.faults.add(Fault("fail_times", method="PUT", path=PUT, times=4))

    written = acme.write_from(evidence_file(tmp_path, "a.csv", BIG))

    assert acme.read(written.path) == BIG


def test_an_upload_that_keeps_failing_is_unavailable(
    room: Room, acme: VolumeStore, tmp_path: Path
) -> None:
    room.server.faults.add(Fault("fail_times", method="PUT", path=PUT, times=5))

    with pytest.raises(StorageUnavailable) as fault:
        acme.write_from(evidence_file(tmp_path, "a.csv", b"id\n"))

    assert fault.value.retryable
    assert acme.list_files("e1") == []


def test_an_upload_cut_half_way_leaves_nothing_behind(
    room: Room, acme: VolumeStore, tmp_path: Path
) -> None:
    room.server.faults.add(Fault("cut_body", method="PUT", path=PUT, times=9, keep_bytes=4_000_000))
    with pytest.raises(StorageUnavailable):
        acme.write_from(evidence_file(tmp_path, "a.csv", BIG))

    assert acme.list_files("e1") == []


def test_a_refusal_is_no_missing_file(room: Room, acme: VolumeStore, tmp_path: Path) -> None:
    path = acme.write_from(evidence_file(tmp_path, "a.csv", b"id\n")).path
    refusal = Fault(
        "fail_times", path="/api/2.0/fs/*", times=3, status=403, error_code="PERMISSION_DENIED"
    )
    room.server.faults.add(refusal)

    for act in (
        lambda: acme.exists(path),
        lambda: acme.delete(path),
        lambda: acme.list_files("e1"),
    ):
        with pytest.raises(AccessRefused):
            act()


def test_a_folder_is_confirmed_by_one_listing(
    room: Room, acme: VolumeStore, tmp_path: Path
) -> None:
    written = [
        acme.write_from(evidence_file(tmp_path, f"f{n}.csv", str(n).encode())) for n in range(20)
    ]

    assert len(acme.confirm(written)) == 20
    assert room.server.requests("GET", "/api/2.0/fs/directories/*").count() == 1


def test_another_groups_evidence_is_out_of_reach(
    room: Room, groups: GroupsInRoom, acme: VolumeStore, clock: FakeClock, tmp_path: Path
) -> None:
    theirs = store_of("globex", groups, clock)
    path = theirs.write_from(evidence_file(tmp_path, "a.csv", b"id\n", group="globex")).path
    intruder = VolumeStore(
        "globex", groups.config("globex").volume, VolumeFiles(groups.calls("acme")), clock=clock
    )

    with pytest.raises(UnsafePath):
        acme.read(path)
    with pytest.raises(AccessRefused):
        intruder.read(path)
    with pytest.raises(AccessRefused):
        intruder.write_from(evidence_file(tmp_path, "b.csv", b"id\n"))
    assert theirs.read(path) == b"id\n"
