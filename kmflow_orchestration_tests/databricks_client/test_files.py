from __future__ import annotations

import io

import pytest

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.errors import (
    AccessRefused,
    RemoteConflict,
    RemoteFault,
    RemoteNotFound,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

CONTENT = bytes(range(256)) * 20_000
FILES = "/api/2.0/fs/files/*"


@pytest.fixture
def files(calls: WorkspaceCalls) -> VolumeFiles:
    return VolumeFiles(calls)


@pytest.fixture
def place(groups: GroupsInRoom) -> VolumePath:
    return groups.config("acme").volume


def put(files: VolumeFiles, path: VolumePath, content: bytes = CONTENT) -> None:
    files.upload(path, lambda: io.BytesIO(content))


def test_an_upload_comes_back_through_a_stream(files: VolumeFiles, place: VolumePath) -> None:
    path = place.joined("a folder", "Übersicht #1 50%.csv")

    put(files, path)

    assert files.size(path) == len(CONTENT)
    with files.open_read(path) as stream:
        assert stream.read(10) + stream.read() == CONTENT


def test_a_second_upload_is_a_conflict_unless_meant(files: VolumeFiles, place: VolumePath) -> None:
    path = place.joined("a.bin")
    put(files, path)

    with pytest.raises(RemoteConflict):
        put(files, path, b"other")
    files.upload(path, lambda: io.BytesIO(b"other"), overwrite=True)

    assert files.size(path) == 5


def test_what_is_not_there_is_none_false_or_not_found(
    files: VolumeFiles, place: VolumePath
) -> None:
    path = place.joined("absent.bin")

    assert files.size(path) is None
    assert files.delete(path) is False
    assert list(files.list_directory(path)) == []
    with pytest.raises(RemoteNotFound), files.open_read(path):
        pass


def test_a_listing_is_read_to_its_last_page(files: VolumeFiles, place: VolumePath) -> None:
    for number in range(5):
        put(files, place.joined("d", f"f{number}"), b"x" * number)
    put(files, place.joined("d", "sub", "f"), b"")

    found = {entry.name: (entry.size_bytes, entry.is_directory) for entry in pages(files, place)}

    expected = {f"f{number}": (number, False) for number in range(5)}
    assert found == expected | {"sub": (0, True)}


def pages(files: VolumeFiles, place: VolumePath) -> list:  # type: ignore[type-arg]
    return list(files.list_directory(place.joined("d")))


@pytest.mark.parametrize("cuts", [1, 3])
def test_a_cut_download_resumes_where_it_broke(
    room: Room, files: VolumeFiles, place: VolumePath, clock: FakeClock, cuts: int
) -> None:
    path = place.joined("a.bin")
    put(files, path)
    room.server.faults.add(
        Fault("cut_body", method="GET", path=FILES, times=cuts, keep_bytes=1_000_000)
    )

    with files.open_read(path) as stream:
        assert stream.read() == CONTENT

    assert room.server.requests("GET", FILES).count() == cuts + 1


def test_a_download_that_never_gets_further_is_given_up(
    room: Room, files: VolumeFiles, place: VolumePath
) -> None:
    path = place.joined("a.bin")
    put(files, path)
    room.server.faults.add(Fault("cut_body", method="GET", path=FILES, times=99, keep_bytes=0))

    with pytest.raises(RemoteFault), files.open_read(path) as stream:
        stream.read()


def test_a_cut_upload_is_sent_again_from_its_start(
    room: Room, files: VolumeFiles, place: VolumePath
) -> None:
    path = place.joined("a.bin")
    room.server.faults.add(Fault("cut_body", method="PUT", path=FILES, keep_bytes=1000))

    put(files, path)

    assert files.size(path) == len(CONTENT)


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("size", [1000, 1_000_000], ids=["small", "larger"])
def test_a_connection_cut_at_any_tenth_of_a_body_loses_nothing_either_way(
    room: Room, files: VolumeFiles, place: VolumePath, size: int, tenth: int
) -> None:
    path, content = place.joined("a.bin"), CONTENT[:size]
    keep = tenth * size // 10
    room.server.faults.add(Fault("cut_body", method="PUT", path=FILES, keep_bytes=keep))

    put(files, path, content)

    room.server.faults.add(Fault("cut_body", method="GET", path=FILES, keep_bytes=keep))
    with files.open_read(path) as stream:
        assert stream.read() == content
    assert room.server.faults.pending() == {}
    assert room.server.requests("PUT", FILES).count() == 2
    assert room.server.requests("GET", FILES).count() == 2


@pytest.mark.parametrize("tenth", [0, 5, 9])
def test_a_small_upload_that_is_always_cut_leaves_nothing(
    room: Room, files: VolumeFiles, place: VolumePath, tenth: int
) -> None:
    path = place.joined("a.bin")
    room.server.faults.add(
        Fault("cut_body", method="PUT", path=FILES, times=99, keep_bytes=tenth * 100)
    )

    with pytest.raises(RemoteFault, match="gave up after 5 attempts"):
        put(files, path, CONTENT[:1000])

    assert files.size(path) is None


def test_another_groups_volume_is_refused_once(
    room: Room, groups: GroupsInRoom, files: VolumeFiles
) -> None:
    path = groups.config("globex").volume.joined("theirs.bin")

    with pytest.raises(AccessRefused):
        put(files, path)

    assert room.server.requests("PUT", FILES).count() == 1
