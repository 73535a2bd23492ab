"""On Google's cloud a large file goes up as one stream; whatever happens, it arrives whole."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.parted_upload import PartSizes
from kmflow_orchestration.databricks_client.upload_journal import UploadedContent, UploadJournals
from kmflow_orchestration.errors import QuarantinedFile, RemoteConflict, RemoteFault
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.files import uploads_directory
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

PIECE = 256 << 10
PIECES = 5
SIZES = PartSizes(part_bytes=PIECE, in_memory_bytes=2 * PIECE, workers=3)
# Four pieces and a bit; no two of them alike, so that none can stand for another.
CONTENT = (
    b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(4 * PIECE // 32)) + b"and a bit"
)
SENT, LINK = "/presigned/resumable/*", "/api/2.0/fs/create-resumable-upload-url"
FILES = "/api/2.0/fs/files/*"
ACME = UploadedContent("content a", "/landing/a.bin")


@pytest.fixture(autouse=True)
def on_googles_cloud(room: Room) -> Iterator[None]:
    room.server.services.cloud = "GCP"
    yield
    room.server.services.cloud = "AWS"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def files(calls: WorkspaceCalls, clock: FakeClock, tmp_path: Path) -> VolumeFiles:
    journals = UploadJournals(tmp_path / "under way", clock=clock, environment={})
    return VolumeFiles(calls, parts=SIZES, in_parts_from=PIECE, journals=journals)


@pytest.fixture
def place(groups: GroupsInRoom) -> VolumePath:
    return groups.config("acme").volume


@pytest.fixture
def put(files: VolumeFiles) -> Callable[..., bool]:
    def put(path: VolumePath, whole: bytes = CONTENT, **more: object) -> bool:
        return files.upload(path, lambda: io.BytesIO(whole), size_bytes=len(whole), **more)

    return put


def content_of(files: VolumeFiles, path: VolumePath) -> bytes:
    with files.open_read(path) as stream:
        return stream.read()


def under_way(room: Room) -> list[str]:
    folder = uploads_directory(room.server.services, room.admin.workspace_id)
    return [path.name for path in folder.glob("*.stream")]


def test_a_large_file_goes_up_in_pieces_and_comes_back(room, files, place, put):
    path = place.joined("a folder", "Übersicht #1 50%.bin")

    assert put(path) is False

    assert content_of(files, path) == CONTENT
    # A request for each piece, and one that asks how much is there.
    assert room.server.requests("PUT", SENT).count() == PIECES + 1
    assert room.server.requests("PUT", FILES).count() == 0
    assert under_way(room) == []


@pytest.mark.parametrize("size", [PIECE, 2 * PIECE, 2 * PIECE + 1])
def test_a_file_that_ends_with_a_piece_ends_there(files, place, put, size):
    path = place.joined("a.bin")

    put(path, CONTENT[:size])

    assert content_of(files, path) == CONTENT[:size]


@pytest.mark.parametrize("tenth", range(10))
def test_a_connection_cut_at_any_tenth_of_a_piece_loses_nothing(room, files, place, put, tenth):
    keep = tenth * PIECE // 10
    room.server.faults.add(Fault("cut_body", "PUT", SENT, keep_bytes=keep, after=2))
    path = place.joined("a.bin")

    put(path, CONTENT[: 3 * PIECE])

    assert content_of(files, path) == CONTENT[: 3 * PIECE]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rate_limit", "PUT", SENT, times=3, after=1),
        Fault("unavailable", "POST", LINK),
        Fault("fail_times", "PUT", SENT, status=500, error_code="INTERNAL_ERROR", after=2),
        Fault("execute_then_drop", "PUT", SENT, after=2),
        Fault("execute_then_drop", "PUT", SENT, after=PIECES),
        Fault("execute_then_drop", "POST", LINK),
        Fault("execute_then_drop", "POST", FILES),
        Fault("fail_times", "PUT", SENT, status=403, times=2, after=1),
        Fault("fail_times", "PUT", SENT, status=410, error_code="GONE", after=3),
        Fault("take_less", "PUT", SENT, keep_bytes=0, after=2),
    ],
    ids=[
        "429",
        "503",
        "500",
        "a piece's answer",
        "the last answer",
        "the link's answer",
        "the first answer",
        "expired links",
        "an upload's link is gone",
        "nothing taken",
    ],
)
def test_what_passes_is_waited_out(room, files, place, put, fault):
    room.server.faults.add(fault)
    path = place.joined("a.bin")

    put(path)

    assert content_of(files, path) == CONTENT
    assert room.server.faults.pending() == {}


def test_what_was_not_taken_of_a_piece_is_sent_again(room, place, calls):
    """Pieces of four grains, of which the workspace takes one and a half."""
    sizes = PartSizes(part_bytes=4 * PIECE, in_memory_bytes=4 * PIECE)
    files = VolumeFiles(calls, parts=sizes, in_parts_from=PIECE)
    room.server.faults.add(Fault("take_less", "PUT", SENT, keep_bytes=PIECE * 3 // 2, after=1))
    path = place.joined("a.bin")

    files.upload(path, lambda: io.BytesIO(CONTENT), size_bytes=len(CONTENT))

    assert content_of(files, path) == CONTENT
    assert room.server.requests("PUT", SENT).count() == 4


def test_a_file_that_is_there_is_a_conflict(room, files, place, put):
    path = place.joined("a.bin")
    put(path)
    sent = room.server.requests("PUT", SENT).count()

    with pytest.raises(RemoteConflict):
        put(path, CONTENT[::-1])
    assert (content_of(files, path), room.server.requests("PUT", SENT).count()) == (CONTENT, sent)

    put(path, CONTENT[::-1], overwrite=True)
    assert content_of(files, path) == CONTENT[::-1]


def test_a_file_that_somebody_else_puts_there_meanwhile_stays(room, files, place):
    path = place.joined("a.bin")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() == 2 * PIECE:
                theirs = io.BytesIO(b"theirs")
                files.upload(path, lambda: theirs)
            return super().read(size)

    with pytest.raises(RemoteConflict):
        files.upload(path, lambda: Slow(CONTENT), size_bytes=len(CONTENT))

    assert content_of(files, path) == b"theirs"
    assert under_way(room) == []


def test_a_file_that_changes_while_it_is_read_leaves_nothing(room, files, place):
    class Changing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 2 * PIECE:
                raise QuarantinedFile("a.bin changed while it was read", reason="changed")
            return super().read(size)

    path = place.joined("a.bin")
    with pytest.raises(QuarantinedFile):
        files.upload(path, lambda: Changing(CONTENT), size_bytes=len(CONTENT), content=ACME)

    assert (files.size(path), under_way(room)) == (None, [])


def test_a_link_that_is_always_refused_leaves_nothing(room, files, place, put):
    room.server.faults.add(Fault("fail_times", "PUT", SENT, status=403, times=100, after=3))
    path = place.joined("a.bin")

    with pytest.raises(RemoteFault, match="refused 3 times"):
        put(path, content=ACME)

    room.server.faults.clear()
    assert (files.size(path), under_way(room)) == (None, [])
    put(path, content=ACME)
    assert content_of(files, path) == CONTENT


class Broken(io.BytesIO):
    """A process that ends after three pieces, as far as the workspace can tell."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 2 * PIECE:
            raise KeyboardInterrupt
        return super().read(size)


@pytest.fixture
def broken(files: VolumeFiles, place: VolumePath) -> VolumePath:
    path = place.joined("a.bin")
    with pytest.raises(KeyboardInterrupt):
        files.upload(path, lambda: Broken(CONTENT), size_bytes=len(CONTENT), content=ACME)
    return path


def test_what_was_broken_off_is_gone_on_with(room, files, put, broken):
    room.server.services.request_log.clear()

    assert put(broken, content=ACME) is True

    assert content_of(files, broken) == CONTENT
    # Three pieces were there: the question, and the other two.
    assert room.server.requests("PUT", SENT).count() == 3
    assert room.server.requests("POST", FILES).count() == 0


def test_what_was_broken_off_of_other_bytes_is_dropped(room, files, put, broken):
    other = UploadedContent("content b", ACME.origin)

    assert put(broken, CONTENT[::-1], content=other) is False

    assert content_of(files, broken) == CONTENT[::-1]
    assert under_way(room) == []


def test_what_the_workspace_has_forgotten_is_begun_anew(room, files, put, broken):
    [stream] = under_way(room)
    body = {"path": broken.text, "session_token": stream.removesuffix(".stream")}
    forget(room, body, files)

    assert put(broken, content=ACME) is False

    assert content_of(files, broken) == CONTENT


def forget(room: Room, body: dict[str, str], files: VolumeFiles) -> None:
    calls = files._calls
    link = calls.do("POST", LINK, body=body)["resumable_upload_url"]["url"]
    calls.delete_link(link, {})


def test_an_upload_of_last_week_is_dropped(room, clock, put, broken):
    clock.advance(timedelta(days=6, hours=1).total_seconds())

    put(replace(broken, parts=("b.bin",)), content=UploadedContent("content b", "/landing/b.bin"))

    assert under_way(room) == []
