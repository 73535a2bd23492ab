"""Large files go up in parts of our own; whatever happens to one, the file is whole or absent."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.parted_upload import PartSizes
from kmflow_orchestration.errors import (
    AccessRefused,
    QuarantinedFile,
    RemoteConflict,
    RemoteFault,
    RequestRejected,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.files import uploads_directory
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

PART = 64 << 10
SIZES = PartSizes(part_bytes=PART, in_memory_bytes=6 * PART, workers=3)
# Twenty parts and a bit; no two of them alike, so that none can stand for another.
CONTENT = (
    b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(20 * PART // 32)) + b"and a bit"
)
SENT, LINKS = "/presigned/parts/*", "/api/2.0/fs/create-upload-part-urls"
FILES = "/api/2.0/fs/files/*"


@pytest.fixture
def clock() -> FakeClock:
    """Links end by the workspace's clock, which is this machine's."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def files(calls: WorkspaceCalls) -> VolumeFiles:
    return VolumeFiles(calls, parts=SIZES, in_parts_from=PART)


@pytest.fixture
def place(groups: GroupsInRoom) -> VolumePath:
    return groups.config("acme").volume


@pytest.fixture
def put(files: VolumeFiles) -> Callable[..., None]:
    def put(path: VolumePath, content: bytes = CONTENT, **changes: bool) -> None:
        files.upload(path, lambda: io.BytesIO(content), size_bytes=len(content), **changes)

    return put


def content_of(files: VolumeFiles, path: VolumePath) -> bytes:
    with files.open_read(path) as stream:
        return stream.read()


def leaves_nothing(room: Room, files: VolumeFiles, path: VolumePath) -> bool:
    """Neither a file nor an upload that somebody could still complete."""
    folder = uploads_directory(room.server.services, room.admin.workspace_id)
    return files.size(path) is None and list(folder.glob("*.parts")) == []


def test_a_large_file_goes_up_in_parts_and_comes_back(room, files, place, put):
    path = place.joined("a folder", "Übersicht #1 50%.bin")

    put(path)

    assert content_of(files, path) == CONTENT
    assert room.server.requests("PUT", SENT).count() == 21
    # A few links at a time, so that none waits for long.
    assert room.server.requests("POST", LINKS).count() == 3
    assert room.server.requests("PUT", FILES).count() == 0


def test_a_file_below_the_limit_is_one_request(room, files, place, put):
    put(place.joined("a.bin"), CONTENT[: PART - 1])

    assert room.server.requests("PUT", FILES).count() == 1
    assert room.server.requests("POST", FILES).count() == 0


def test_a_file_that_is_there_is_a_conflict_before_a_byte_is_sent(room, files, place, put):
    path = place.joined("a.bin")
    put(path)
    sent = room.server.requests("PUT", SENT).count()

    with pytest.raises(RemoteConflict):
        put(path, CONTENT[::-1])
    assert (content_of(files, path), room.server.requests("PUT", SENT).count()) == (CONTENT, sent)

    put(path, CONTENT[::-1], overwrite=True)
    assert content_of(files, path) == CONTENT[::-1]


@pytest.mark.parametrize("after", [0, 2, 20])
def test_an_expired_link_loses_nothing(room, files, place, put, after):
    """The SDK's own parts sent no bytes to the new link, and told success."""
    room.server.faults.add(Fault("fail_times", "PUT", SENT, status=403, times=2, after=after))
    path = place.joined("a.bin")

    put(path)

    assert content_of(files, path) == CONTENT


@pytest.mark.parametrize("tenth", range(10))
def test_a_connection_cut_at_any_tenth_of_a_part_loses_nothing(room, files, place, put, tenth):
    keep = tenth * PART // 10
    room.server.faults.add(Fault("cut_body", "PUT", SENT, keep_bytes=keep, after=1))
    path = place.joined("a.bin")

    put(path, CONTENT[: 3 * PART])

    assert content_of(files, path) == CONTENT[: 3 * PART]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rate_limit", "PUT", SENT, times=3),
        Fault("unavailable", "POST", LINKS),
        Fault("fail_times", "PUT", SENT, status=500, error_code="INTERNAL_ERROR"),
        Fault("execute_then_drop", "PUT", SENT, after=4),
        Fault("execute_then_drop", "POST", LINKS, after=1),
        Fault("execute_then_drop", "POST", FILES),
        Fault("execute_then_drop", "POST", FILES, after=1),
    ],
    ids=["429", "503", "500", "part's answer", "links' answer", "first answer", "last answer"],
)
def test_what_passes_is_waited_out(room, files, place, put, fault):
    room.server.faults.add(fault)
    path = place.joined("a.bin")

    put(path)

    assert content_of(files, path) == CONTENT


def test_a_link_that_is_always_refused_leaves_nothing(room, files, place, put):
    room.server.faults.add(Fault("fail_times", "PUT", SENT, status=403, times=100, after=5))
    path = place.joined("a.bin")

    with pytest.raises(RemoteFault, match="refused 3 times"):
        put(path)

    room.server.faults.clear()
    assert leaves_nothing(room, files, path)
    put(path)
    assert content_of(files, path) == CONTENT


def test_a_file_that_changes_while_it_is_read_leaves_nothing(room, files, place):
    class Changing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 10 * PART:
                raise QuarantinedFile("a.bin changed while it was read", reason="changed")
            return super().read(size)

    path = place.joined("a.bin")
    with pytest.raises(QuarantinedFile):
        files.upload(path, lambda: Changing(CONTENT), size_bytes=len(CONTENT))

    assert leaves_nothing(room, files, path)


def test_a_file_that_is_shorter_than_it_was_leaves_nothing(room, files, place):
    path = place.joined("a.bin")

    with pytest.raises(RemoteFault, match="bytes too early"):
        files.upload(path, lambda: io.BytesIO(CONTENT[:-100]), size_bytes=len(CONTENT))

    assert leaves_nothing(room, files, path)


def test_a_part_the_workspace_loses_is_noticed(room, files, place, put):
    """Whatever a workspace answers, what it kept is looked at."""
    path = place.joined("a.bin")
    room.server.faults.add(Fault("fail_times", "HEAD", FILES, status=404, error_code="NOT_FOUND"))

    with pytest.raises(RemoteFault, match=f"None of {len(CONTENT)} bytes arrived"):
        put(path)


def test_a_workspace_without_parts_gets_one_request(room, files, place, put):
    room.server.faults.add(
        Fault("fail_times", "POST", FILES, status=404, error_code="ENDPOINT_NOT_FOUND")
    )
    path = place.joined("a.bin")

    put(path)

    assert content_of(files, path) == CONTENT
    assert room.server.requests("PUT", FILES).count() == 1


def test_more_than_a_request_holds_is_refused_where_there_are_no_parts(room, files, place):
    room.server.faults.add(
        Fault("fail_times", "POST", FILES, status=404, error_code="ENDPOINT_NOT_FOUND")
    )
    opened: list[object] = []

    with pytest.raises(RequestRejected, match="more than one request may hold"):
        files.upload(place.joined("a.bin"), lambda: opened.append(1), size_bytes=6 << 30)

    assert opened == []


def test_one_who_may_not_write_sends_nothing(room, groups, place):
    theirs = VolumeFiles(groups.calls("globex"), parts=SIZES, in_parts_from=PART)

    with pytest.raises(AccessRefused):
        theirs.upload(place.joined("a.bin"), lambda: io.BytesIO(CONTENT), size_bytes=len(CONTENT))

    assert room.server.requests("PUT", SENT).count() == 0


def test_many_files_at_once_share_room_for_few_parts(calls, files, place):
    narrow = PartSizes(part_bytes=PART, in_memory_bytes=2 * PART, workers=4)
    narrowed = VolumeFiles(calls, parts=narrow, in_parts_from=PART)
    paths = [place.joined("many", f"{number}.bin") for number in range(6)]

    def send(path: VolumePath) -> None:
        narrowed.upload(path, lambda: io.BytesIO(CONTENT), size_bytes=len(CONTENT))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(send, path) for path in paths]:
            done.result(timeout=60)

    assert {content_of(files, path) for path in paths} == {CONTENT}


@pytest.mark.parametrize(
    ("size", "part"), [(1, 8 << 20), (80_000 << 20, 8 << 20), (1 << 40, 109_951_163)]
)
def test_a_file_has_at_most_ten_thousand_parts(size, part):
    assert PartSizes().of(size) == part
    assert -(-size // part) <= 10_000
