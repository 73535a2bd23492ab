"""What conversions ask of a Volume's files, over the network and where it is mounted (row D2)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.errors import (
    AccessRefused,
    RemoteConflict,
    RemoteFault,
    RemoteNotFound,
    UnsafePath,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.storage.volume_access import MountedVolumes, VolumeAccess
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]

VOLUME = VolumePath("kmflow", "acme_evidence", "raw_evidence")
FILE = VOLUME.joined("a folder", "Übersicht #1 50%.csv")


@pytest.fixture(params=["network", "mounted"])
def access(
    request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path
) -> Iterator[VolumeAccess]:
    if request.param == "mounted":
        (tmp_path / "Volumes" / "kmflow" / "acme_evidence" / "raw_evidence").mkdir(parents=True)
        yield MountedVolumes(tmp_path / "Volumes")
        return
    groups = GroupsInRoom(request.getfixturevalue("room"), clock)
    assert groups.config("acme").volume == VOLUME
    yield VolumeFiles(groups.calls("acme"))
    groups.close()


def put(access: VolumeAccess, path: VolumePath, content: bytes, *, overwrite: bool = False) -> None:
    access.upload(path, lambda: io.BytesIO(content), size_bytes=len(content), overwrite=overwrite)


def content(access: VolumeAccess, path: VolumePath) -> bytes:
    with access.open_read(path) as stream:
        return stream.read()


def test_a_file_comes_back_as_it_was_put(access: VolumeAccess) -> None:
    put(access, FILE, b"some bytes")

    assert (content(access, FILE), access.size(FILE)) == (b"some bytes", 10)
    assert not access.is_directory(FILE)


def test_only_a_file_has_a_size_and_only_a_folder_is_one(access: VolumeAccess) -> None:
    put(access, FILE, b"x")

    assert access.size(FILE.parent) is None
    assert access.is_directory(FILE.parent)
    assert access.is_directory(VOLUME)
    assert (access.size(VOLUME.joined("no")), access.is_directory(VOLUME.joined("no"))) == (
        None,
        False,
    )


def test_a_file_is_replaced_only_when_that_is_meant(access: VolumeAccess) -> None:
    put(access, FILE, b"first")
    with pytest.raises(RemoteConflict):
        put(access, FILE, b"second")
    assert content(access, FILE) == b"first"

    put(access, FILE, b"second, longer", overwrite=True)
    assert content(access, FILE) == b"second, longer"


def test_deleting_tells_whether_there_was_something(access: VolumeAccess) -> None:
    put(access, FILE, b"x")

    assert not access.remove_directory(FILE.parent)
    assert (access.delete(FILE), access.delete(FILE)) == (True, False)
    assert (access.remove_directory(FILE.parent), access.remove_directory(FILE.parent)) == (
        True,
        False,
    )
    assert not access.is_directory(FILE.parent)


def test_a_listing_has_names_sizes_and_kinds(access: VolumeAccess) -> None:
    put(access, FILE, b"12345")
    put(access, VOLUME.joined("b.csv"), b"1")

    listed = {one.name: (one.size_bytes, one.is_directory) for one in access.list_names(VOLUME)}
    assert listed == {"a folder": (0, True), "b.csv": (1, False)}
    assert [one.name for one in access.list_names(FILE.parent)] == [FILE.name]


def test_what_is_not_there_is_not_found(access: VolumeAccess) -> None:
    nowhere = VolumePath("kmflow", "acme_evidence", "none", ("a.csv",))
    with pytest.raises(RemoteNotFound):
        content(access, FILE)
    with pytest.raises(RemoteNotFound):
        put(access, nowhere, b"x")
    with pytest.raises(RemoteNotFound):
        list(access.list_names(VOLUME.joined("none"), must_exist=True))
    assert list(access.list_names(VOLUME.joined("none"))) == []
    assert access.size(nowhere) is None


def test_an_upload_that_breaks_off_leaves_no_file(access: VolumeAccess) -> None:
    class Breaking(io.RawIOBase):
        def __len__(self) -> int:
            return 10

        def readable(self) -> bool:
            return True

        def tell(self) -> int:
            return 0

        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises((RemoteFault, OSError)):
        access.upload(FILE, Breaking, size_bytes=10)  # type: ignore[arg-type]
    assert access.size(FILE) is None


def test_a_refusal_is_never_an_absence(room: Room, clock: FakeClock) -> None:
    groups = GroupsInRoom(room, clock)
    files = VolumeFiles(groups.calls("acme"))
    for question in (files.size, files.is_directory, files.delete, files.remove_directory):
        room.server.faults.add(Fault("fail_times", status=403, error_code="PERMISSION_DENIED"))
        with pytest.raises(AccessRefused):
            question(FILE)
    groups.close()


def test_no_link_of_a_mount_leads_out_of_its_volume(tmp_path: Path) -> None:
    volume = tmp_path / "kmflow" / "acme_evidence" / "raw_evidence"
    volume.mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("theirs")
    (volume / "out").symlink_to(tmp_path)

    with pytest.raises(UnsafePath, match="leads out"):
        content(MountedVolumes(tmp_path), VOLUME.joined("out", "secret.csv"))


def test_no_link_of_a_mount_is_itself_a_file_elsewhere(tmp_path: Path) -> None:
    volume = tmp_path / "kmflow" / "acme_evidence" / "raw_evidence"
    volume.mkdir(parents=True)
    theirs = tmp_path / "secret.csv"
    theirs.write_text("theirs")
    (volume / "a.csv").symlink_to(theirs)
    (volume / "own.csv").write_text("ours")
    (volume / "b.csv").symlink_to("own.csv")
    access = MountedVolumes(tmp_path)

    for use in (access.size, access.delete, lambda path: content(access, path)):
        with pytest.raises(UnsafePath, match="leads out"):
            use(VOLUME.joined("a.csv"))
    with pytest.raises(UnsafePath, match="leads out"):
        put(access, VOLUME.joined("a.csv"), b"changed", overwrite=True)
    assert theirs.read_text() == "theirs"
    assert content(access, VOLUME.joined("b.csv")) == b"ours"
    (volume / "out").symlink_to(tmp_path)
    listed = {one.name: one.is_directory for one in access.list_names(VOLUME)}
    assert listed == {"a.csv": False, "b.csv": False, "out": False, "own.csv": False}
