"""Rows A15 and A16 on the wire: what is asked, what is made, what is tried again, what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.errors import AccessRefused, RemoteFault, RemoteNotFound
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.storage.output_store import OutputStore
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.output_world import OutputWorld

FILES, VOLUMES = "/api/2.0/fs/files/*", "/api/2.1/unity-catalog/volumes*"
DIRECTORIES = "/api/2.0/fs/directories/*"
PLACE = VolumePath("users", "acme", "outputs")
ANSWERS = {
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL_ERROR",
    502: "",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@pytest.fixture
def world(room: Room, tmp_path: Path, clock: FakeClock) -> Iterator[OutputWorld]:
    with OutputWorld(tmp_path, clock, room) as opened:
        yield opened


@pytest.fixture
def store(world: OutputWorld) -> OutputStore:
    return world.group("acme").outbox.store


def write(store: OutputStore, world: OutputWorld, path: VolumePath, content: bytes = b"1") -> None:
    store.write(path, content, known=lambda: None, verify="size", tell=world.told.append)


def requests(room: Room, method: str, path: str, **which: int) -> int:
    return room.server.requests(method, path).count(**which)


def test_the_volume_is_made_managed_with_an_honest_comment(
    room: Room, world: OutputWorld, store: OutputStore
) -> None:
    write(store, world, PLACE.joined("a.json"))

    made = room.admin_client().volumes.read("users.acme.outputs")
    assert made.volume_type is not None
    assert made.volume_type.value == "MANAGED"
    assert made.comment == "Outputs of tasks, written by kmflow_orchestration for group acme"
    assert made.owner == "acme-service"


def test_an_existing_volume_is_used_and_asked_for_once(
    room: Room, world: OutputWorld, store: OutputStore
) -> None:
    for number in range(3):
        write(store, world, PLACE.joined("run", f"{number}.json"))

    assert requests(room, "POST", VOLUMES) == 1
    assert requests(room, "GET", VOLUMES) == 1
    assert requests(room, "PUT", DIRECTORIES) == 1
    assert requests(room, "PUT", FILES) == requests(room, "HEAD", FILES) == 3


def test_somebody_quicker_made_the_volume(
    room: Room, world: OutputWorld, store: OutputStore
) -> None:
    room.server.faults.add(Fault("execute_then_drop", method="POST", path=VOLUMES))

    write(store, world, PLACE.joined("a.json"))

    assert requests(room, "POST", VOLUMES, status=400) == 1
    assert store.read(PLACE.joined("a.json")) == b"1"


def test_who_may_not_look_is_warned_and_may_still_write(
    room: Room, world: OutputWorld, store: OutputStore
) -> None:
    write(store, world, PLACE.joined("a.json"))
    again = world.group("acme", volume_verify="hash").outbox.store
    fault = {"status": 403, "error_code": "PERMISSION_DENIED", "message": "no BROWSE"}
    room.server.faults.add(Fault("fail_times", method="GET", path=VOLUMES, times=9, **fault))  # type: ignore[arg-type]

    write(again, world, PLACE.joined("b.json"))

    assert [text for text in world.told if "Volume users.acme.outputs could not be checked" in text]
    assert store.read(PLACE.joined("b.json")) == b"1"


@pytest.mark.parametrize(
    ("place", "missing"),
    [
        ("/Volumes/nowhere/acme/outputs", "catalog nowhere does not exist"),
        ("/Volumes/users/nothing/outputs", "schema users.nothing does not exist"),
    ],
)
def test_a_missing_catalog_or_schema_is_named(
    room: Room, world: OutputWorld, place: str, missing: str
) -> None:
    world.group("acme")
    token = world.home / "acme.token"
    token.write_text(room.admin_token, encoding="ascii")  # who sees everything that there is
    store = world.group("acme", volume_path=place).outbox.store

    with pytest.raises(RemoteNotFound, match=missing):
        write(store, world, VolumePath.parse(place).joined("a.json"))

    assert requests(room, "PUT", FILES) == 0


def test_who_may_not_make_the_volume_is_told_what_to_ask_for(
    room: Room, world: OutputWorld, store: OutputStore
) -> None:
    room.server.faults.add(
        Fault("fail_times", method="POST", path=VOLUMES, status=403, error_code="PERMISSION_DENIED")
    )
    with pytest.raises(AccessRefused, match=r"CREATE VOLUME ON SCHEMA `users`\.`acme`"):
        write(store, world, PLACE.joined("a.json"))

    assert requests(room, "PUT", FILES) == 0


@pytest.mark.parametrize("status", ANSWERS)
def test_a_passing_fault_is_tried_again_and_told(
    room: Room, world: OutputWorld, store: OutputStore, clock: FakeClock, status: int
) -> None:
    code = ANSWERS[status]
    room.server.faults.add(
        Fault("fail_times", method="PUT", path=FILES, times=2, status=status, error_code=code)
    )
    write(store, world, PLACE.joined("a.json"))

    assert requests(room, "PUT", FILES) == 3
    assert [text.partition(",")[0] for text in world.told] == [
        "attempt 1 of 3 failed",
        "attempt 2 of 3 failed",
    ]
    assert len(clock.slept) == 2


def test_a_lost_answer_is_no_second_file_and_no_overwriting(
    room: Room, world: OutputWorld, store: OutputStore
) -> None:
    room.server.faults.add(Fault("execute_then_drop", method="PUT", path=FILES))

    replaced = store.write(
        PLACE.joined("a.json"), b"1", known=lambda: None, verify="size", tell=world.told.append
    )

    assert replaced is None
    assert requests(room, "PUT", FILES) == 2
    assert store.read(PLACE.joined("a.json")) == b"1"


def test_a_refusal_is_not_tried_again(room: Room, world: OutputWorld, store: OutputStore) -> None:
    room.server.faults.add(
        Fault("fail_times", method="PUT", path=FILES, times=9, status=403, error_code="403")
    )
    with pytest.raises(AccessRefused):
        write(store, world, PLACE.joined("a.json"))

    assert requests(room, "PUT", FILES) == 1


def test_no_attempt_begins_after_the_deadline_of_the_whole_output(
    room: Room, world: OutputWorld, store: OutputStore, clock: FakeClock
) -> None:
    # The deadline is 120 s; folder and file would wait 3 times 60 s.
    room.server.faults.add(
        Fault("rate_limit", method="PUT", path=DIRECTORIES, times=2, retry_after_s=60)
    )
    room.server.faults.add(Fault("rate_limit", method="PUT", path=FILES, times=2, retry_after_s=60))

    with pytest.raises(RemoteFault):
        write(store, world, PLACE.joined("run", "a.json"))

    assert clock.slept == [60, 60]
    assert requests(room, "PUT", FILES) == 1


def test_a_neighbours_volume_is_refused_by_the_workspace_too(
    world: OutputWorld, store: OutputStore
) -> None:
    theirs = VolumePath("users", "globex", "outputs")
    write(world.group("globex").outbox.store, world, theirs.joined("a.json"), b"of globex")

    with pytest.raises(AccessRefused):
        write(store, world, theirs.joined("a.json"))
    with pytest.raises(AccessRefused):
        store.read(theirs.joined("a.json"))
    assert list(world.on_disk().values()) == [b"of globex"]
