"""A large upload whose process died is gone on with: only what had not arrived is sent again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.parted_upload import PartSizes
from kmflow_orchestration.databricks_client.upload_journal import UploadJournals
from kmflow_orchestration.errors import AccessRefused, StorageUnavailable
from kmflow_orchestration.redaction import redact
from kmflow_orchestration.storage.interfaces import EvidenceFile
from kmflow_orchestration.storage.volume_store import VolumeStore, content_of
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.files import uploads_directory
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.processes import in_child

PART = 64 << 10
PARTS = 21
SIZES = PartSizes(part_bytes=PART, in_memory_bytes=6 * PART, workers=3)
SENT, FILES = "/presigned/parts/*", "/api/2.0/fs/files/*"
DAY_S = 24 * 3600


def content(seed: str) -> bytes:
    """Twenty parts and a bit, no two of them alike."""
    rows = (hashlib.sha256(f"{seed}{n}".encode()).digest() for n in range(20 * PART // 32))
    return b"".join(rows) + b"and a bit"


@dataclass
class Place:
    """A group's store whose files are large from the second part on; made anew in a child."""

    config: GroupConfig
    environment: dict[str, str]
    notes: Path

    def store(self, clock: Clock, clients: ClientCache) -> VolumeStore:
        journals = UploadJournals(self.notes, clock=clock, environment=self.environment)
        files = VolumeFiles(
            clients.get(self.config), parts=SIZES, in_parts_from=PART, journals=journals
        )
        return VolumeStore("acme", self.config.volume, files, clock=clock)

    def noted(self) -> list[Path]:
        return sorted(self.notes.glob("*"))


Opened = Callable[[Place], VolumeStore]


@pytest.fixture
def clock() -> FakeClock:
    """Links end by the workspace's clock, which is this machine's."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def place(groups: GroupsInRoom, tmp_path: Path) -> Place:
    return Place(groups.config("acme"), groups.environment, tmp_path / "under way")


@pytest.fixture
def opened(clock: FakeClock) -> Iterator[Opened]:
    """Opens stores of a place, as a process does that starts now."""
    with ExitStack() as closing:

        def opened(place: Place) -> VolumeStore:
            clients = ClientCache(clock, environment=place.environment)
            closing.callback(clients.close)
            return place.store(clock, clients)

        yield opened


@pytest.fixture
def store(place: Place, opened: Opened) -> VolumeStore:
    return opened(place)


@pytest.fixture
def file(tmp_path: Path) -> EvidenceFile:
    return evidence_file(tmp_path, "a.bin", content("a"))


class At:
    """Does something once so many parts have arrived."""

    def __init__(self, parts: int, then: Callable[[], object]) -> None:
        self._left = parts
        self._then = then

    def __call__(self, size_bytes: int) -> None:
        self._left -= 1
        if self._left == 0:
            self._then()


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def send_and_die(place: Place, file: EvidenceFile, parts: int) -> None:
    clients = ClientCache(SystemClock(), environment=place.environment)
    store = place.store(SystemClock(), clients)
    store.write_from(replace(file, on_sent=At(parts, kill_self)))


def killed_after(parts: int, place: Place, file: EvidenceFile) -> None:
    assert in_child(send_and_die, place, file, parts) == -signal.SIGKILL


def requests(room: Room) -> tuple[int, int]:
    """Parts that were sent, and uploads that were begun or completed, since the last look."""
    log = room.server.services.request_log
    found = room.server.requests("PUT", SENT).count(), room.server.requests("POST", FILES).count()
    log.clear()
    return found


def check_sent(room: Room, parts: int, *, begun_or_completed: int) -> None:
    """So many parts were sent, and those a killed process had on their way, which are seen late."""
    sent, others = requests(room)
    assert parts <= sent <= parts + SIZES.workers
    assert others == begun_or_completed


def under_way(room: Room) -> list[Path]:
    """Uploads that somebody could still complete."""
    folder = uploads_directory(room.server.services, room.admin.workspace_id)
    return list(folder.glob("*.parts"))


def token_in(note: Path) -> str:
    return str(json.loads(note.read_text().splitlines()[1])["token"])


@pytest.mark.parametrize("parts", [1, 10, PARTS])
def test_killed_after_any_part_only_the_others_are_sent(
    room: Room, place: Place, store: VolumeStore, file: EvidenceFile, parts: int
) -> None:
    killed_after(parts, place, file)
    assert store.exists(store.path_of(file)) is False
    requests(room)

    written = store.write_from(file)

    # The one request besides is the completion: no upload was begun.
    check_sent(room, PARTS - parts, begun_or_completed=1)
    assert store.read(written.path) == content("a")
    assert (place.noted(), under_way(room)) == ([], [])


def test_killed_again_and_again_every_part_is_sent_once(
    room: Room, place: Place, store: VolumeStore, file: EvidenceFile
) -> None:
    for parts in (5, 12, 19):
        killed_after(parts, place, file)
    written = store.write_from(file)

    sent, begun_or_completed = requests(room)
    # What was on its way when a process died is sent again: three threads, three times.
    assert PARTS <= sent <= PARTS + 3 * (SIZES.workers + 1)
    assert begun_or_completed == 2
    assert store.read(written.path) == content("a")


def test_a_source_that_changed_is_sent_anew_and_what_was_begun_is_dropped(
    room: Room, place: Place, store: VolumeStore, file: EvidenceFile, tmp_path: Path
) -> None:
    killed_after(10, place, file)
    changed = evidence_file(tmp_path, "a.bin", content("b"))
    shutil.move(changed.source, file.source)
    changed = replace(changed, source=file.source)
    requests(room)

    written = store.write_from(changed)

    check_sent(room, PARTS, begun_or_completed=2)
    assert store.read(written.path) == content("b")
    assert (place.noted(), under_way(room)) == ([], [])


def test_a_source_that_was_written_again_is_not_trusted(
    room: Room, place: Place, store: VolumeStore, file: EvidenceFile
) -> None:
    """The same bytes, but who knows what the process that died has read in between."""
    killed_after(10, place, file)
    file.source.write_bytes(content("a"))
    requests(room)

    written = store.write_from(file)

    check_sent(room, PARTS, begun_or_completed=2)
    assert store.read(written.path) == content("a")
    assert under_way(room) == []


def test_an_upload_the_workspace_has_forgotten_is_begun_anew(
    room: Room, groups: GroupsInRoom, place: Place, store: VolumeStore, file: EvidenceFile
) -> None:
    killed_after(10, place, file)
    query = {"action": "abort-upload", "session_token": token_in(*place.noted())}
    groups.calls("acme").do("POST", f"/api/2.0/fs/files{store.path_of(file)}", query=query)
    requests(room)

    written = store.write_from(file)

    check_sent(room, PARTS, begun_or_completed=2)
    assert store.read(written.path) == content("a")
    assert place.noted() == []


def test_killed_before_the_last_answer_the_file_is_found_and_read_back(
    room: Room, place: Place, store: VolumeStore, file: EvidenceFile
) -> None:
    killed_after(PARTS, place, file)
    [note] = place.noted()
    before = note.read_bytes()
    store.write_from(file)
    note.write_bytes(before)
    requests(room)

    assert store.read(store.write_from(file).path) == content("a")
    assert (requests(room)[0], place.noted()) == (0, [])


@pytest.mark.parametrize("is_looked_at_late", [False, True])
def test_other_bytes_than_the_files_are_not_kept(  # noqa: PLR0917
    room: Room,
    place: Place,
    store: VolumeStore,
    file: EvidenceFile,
    tmp_path: Path,
    is_looked_at_late: bool,
) -> None:
    """Whatever the notes say: what two processes sent is read back, by the next if need be."""
    killed_after(10, place, file)
    [note] = place.noted()
    begun, *parts = note.read_text().splitlines()[1:]
    other = evidence_file(tmp_path, "b.bin", content("b"))
    found = content_of(other)
    assert found is not None
    forged = json.loads(begun) | {"state": found.state}
    note.write_text("\n".join(["", json.dumps(forged), *parts]))
    # As if the store had given it the same place.
    other = replace(other, item_id=file.item_id, file_name=file.file_name)

    if is_looked_at_late:
        refused = Fault("fail_times", "GET", "/api/2.0/fs/files/*", status=403, times=1000)
        fault = room.server.faults.add(replace(refused, error_code="PERMISSION_DENIED"))
        with pytest.raises(AccessRefused):
            store.write_from(other)
        room.server.faults.remove(fault)
    else:
        with pytest.raises(StorageUnavailable, match="other bytes arrived"):
            store.write_from(other)
        assert store.exists(store.path_of(other)) is False

    assert store.read(store.write_from(other).path) == content("b")


def test_two_at_once_do_not_share_an_upload(
    room: Room, place: Place, store: VolumeStore, opened: Opened, file: EvidenceFile
) -> None:
    go_on = threading.Event()
    is_there = threading.Event()

    def wait() -> None:
        is_there.set()
        assert go_on.wait(60)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(store.write_from, replace(file, on_sent=At(5, wait)))
        assert is_there.wait(60)
        quick = opened(place).write_from(file)
        go_on.set()
        assert slow.result(timeout=60).path == quick.path

    assert store.read(quick.path) == content("a")
    assert (place.noted(), under_way(room)) == ([], [])


def test_a_network_that_comes_back_goes_on_where_it_was(
    room: Room, store: VolumeStore, file: EvidenceFile
) -> None:
    room.server.faults.add(Fault("fail_times", "PUT", SENT, times=1000, after=12))
    with pytest.raises(StorageUnavailable):
        store.write_from(file)
    room.server.faults.clear()
    requests(room)

    written = store.write_from(file)

    sent, begun_or_completed = requests(room)
    assert (sent <= PARTS - 10, begun_or_completed) == (True, 1)
    assert store.read(written.path) == content("a")


def test_notes_are_the_owners_alone_and_hold_no_link(place: Place, file: EvidenceFile) -> None:
    killed_after(10, place, file)
    [note] = place.noted()

    assert (place.notes.stat().st_mode & 0o777, note.stat().st_mode & 0o777) == (0o700, 0o600)
    assert "presigned" not in note.read_text()
    assert "://" not in note.read_text()


def test_with_a_key_at_hand_the_notes_are_of_no_use_to_anybody_else(
    room: Room, place: Place, opened: Opened, file: EvidenceFile
) -> None:
    key = Fernet.generate_key().decode()
    place = replace(place, environment={**place.environment, "KMFLOW_FERNET_KEY": key})
    killed_after(10, place, file)
    sealed = token_in(*place.noted())
    [session] = under_way(room)
    assert session.stem not in sealed
    requests(room)

    opened(place).write_from(file)

    check_sent(room, PARTS - 10, begun_or_completed=1)


def test_notes_under_a_key_that_is_gone_begin_anew(
    room: Room, place: Place, opened: Opened, file: EvidenceFile
) -> None:
    key = Fernet.generate_key().decode()
    sealing = replace(place, environment={**place.environment, "KMFLOW_FERNET_KEY": key})
    killed_after(10, sealing, file)
    requests(room)

    store = opened(place)
    written = store.write_from(file)

    check_sent(room, PARTS, begun_or_completed=2)
    assert store.read(written.path) == content("a")


def test_what_nobody_goes_on_with_is_dropped_after_some_days(
    room: Room, place: Place, store: VolumeStore, clock: FakeClock, tmp_path: Path
) -> None:
    killed_after(10, place, evidence_file(tmp_path, "a.bin", content("a")))

    store.write_from(evidence_file(tmp_path, "b.bin", content("b")))
    assert len(under_way(room)) == len(place.noted()) == 1

    clock.advance(7 * DAY_S)
    # A link asked for by this clock ends in a week, by the workspace's own.
    store.write_from(evidence_file(tmp_path, "c.bin", content("c")))
    assert (under_way(room), place.noted()) == ([], [])


def test_a_half_written_note_is_read_as_far_as_it_goes(
    room: Room, place: Place, store: VolumeStore, file: EvidenceFile
) -> None:
    killed_after(10, place, file)
    [note] = place.noted()
    note.write_bytes(note.read_bytes()[:-7])
    requests(room)

    written = store.write_from(file)

    check_sent(room, PARTS - 9, begun_or_completed=1)
    assert store.read(written.path) == content("a")


def test_where_nothing_can_be_noted_a_file_is_stored_all_the_same(
    place: Place, opened: Opened, file: EvidenceFile
) -> None:
    place.notes.write_text("a file where the folder would be")

    store = opened(place)

    assert store.read(store.write_from(file).path) == content("a")


def test_what_is_known_of_an_upload_shows_no_token(place: Place, file: EvidenceFile) -> None:
    killed_after(10, place, file)
    [note] = place.noted()
    token = token_in(note)
    journals = UploadJournals(place.notes, clock=SystemClock(), environment=place.environment)

    [begun] = [one.begun for one in journals.abandoned(str(file.source.absolute()))]

    assert begun is not None
    assert begun.token == token
    assert token not in repr(begun)
    assert redact(f"an upload {token}") == "an upload ***"
