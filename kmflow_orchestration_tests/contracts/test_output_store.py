"""What every place for outputs promises (rows A15, A20), on disk and in a Volume."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kmflow_orchestration.errors import RemoteNotFound, StorageUnavailable
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.storage.output_store import OutputStore
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.output_world import OutputWorld

PLACE = VolumePath("users", "acme", "outputs")
FILE = PLACE.joined("run 1", "2026", "Übersicht #1 50%.csv")
ONE, OTHER = b"id\n1\n", b"id\n2\n"


@pytest.fixture(params=["local", "databricks"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[OutputWorld]:
    room = request.getfixturevalue("room") if request.param == "databricks" else None
    with OutputWorld(tmp_path, clock, room) as opened:
        yield opened


@pytest.fixture
def store(world: OutputWorld) -> OutputStore:
    return world.group("acme").outbox.store


def write(
    store: OutputStore, content: bytes, *, path: VolumePath = FILE, known: str | None = None
) -> str | None:
    return store.write(path, content, known=lambda: known, verify="hash", tell=str)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_both_are_stores(store: OutputStore) -> None:
    assert isinstance(store, OutputStore)


def test_what_was_written_is_read(store: OutputStore) -> None:
    assert write(store, ONE) is None

    assert store.read(FILE) == ONE


def test_the_volume_and_the_folder_appear(store: OutputStore, world: OutputWorld) -> None:
    write(store, ONE)

    assert world.file_of("acme", FILE.text).read_bytes() == ONE


@pytest.mark.parametrize("known", [None, sha256(ONE)], ids=["unknown", "known"])
def test_other_bytes_are_replaced_and_named(store: OutputStore, known: str | None) -> None:
    write(store, ONE)

    assert write(store, OTHER, known=known) == sha256(ONE)
    assert store.read(FILE) == OTHER


@pytest.mark.parametrize("known", [None, sha256(ONE)], ids=["unknown", "known"])
def test_the_same_bytes_again_replace_nothing(store: OutputStore, known: str | None) -> None:
    write(store, ONE)

    assert write(store, ONE, known=known) is None
    assert store.read(FILE) == ONE


def test_an_empty_file_is_a_file(store: OutputStore) -> None:
    write(store, b"")

    assert store.read(FILE) == b""


@pytest.mark.parametrize(
    ("damage", "verify"), [(b"id", "size"), (b"id\n7\n", "hash"), (b"", "hash")]
)
def test_damage_is_found(store: OutputStore, world: OutputWorld, damage: bytes, verify) -> None:
    write(store, ONE)
    store.confirm(FILE, ONE, "size")
    store.confirm(FILE, ONE, "hash")
    world.file_of("acme", FILE.text).write_bytes(damage)

    with pytest.raises(StorageUnavailable):
        store.confirm(FILE, ONE, verify)


def test_a_listing_has_names_kinds_sizes_and_times(store: OutputStore, clock: FakeClock) -> None:
    write(store, ONE, path=PLACE.joined("b.csv"))
    write(store, b"", path=PLACE.joined("a", "deep", "c.csv"))

    found = store.entries(PLACE)

    assert [(one.name, one.is_directory, one.size_bytes) for one in found] == [
        ("a", True, 0),
        ("b.csv", False, 5),
    ]
    assert [one.path for one in found] == [PLACE.joined("a"), PLACE.joined("b.csv")]
    assert all(one.last_modified is not None and one.last_modified.tzinfo for one in found)


def test_what_is_not_there_is_no_empty_answer(store: OutputStore) -> None:
    write(store, ONE)

    for absent in (PLACE.joined("nothing"), VolumePath("users", "acme", "nowhere"), FILE):
        with pytest.raises(RemoteNotFound):
            store.entries(absent)
    with pytest.raises(RemoteNotFound):
        store.read(PLACE.joined("nothing"))


def test_deleting_says_whether_there_was_a_file(store: OutputStore) -> None:
    write(store, ONE)

    assert store.delete(FILE) is True
    assert store.delete(FILE) is False
    assert store.delete(PLACE.joined("run 1")) is False
    with pytest.raises(RemoteNotFound):
        store.read(FILE)


def test_a_volume_that_went_away_is_made_again(store: OutputStore, world: OutputWorld) -> None:
    write(store, ONE)
    if world.room:
        world.room.admin_client().volumes.delete("users.acme.outputs")
    else:
        world.file_of("acme", FILE.text).unlink()

    write(store, OTHER, known=sha256(ONE))

    assert store.read(FILE) == OTHER


def test_a_person_is_told_where_to_look(store: OutputStore, world: OutputWorld) -> None:
    place = PLACE.joined("a b.csv")

    if world.room:
        assert store.view(place) == (
            f"{world.room.url}/explore/data/volumes/users/acme/outputs/a%20b.csv"
        )
    else:
        assert store.view(place) == str(world.file_of("acme", place.text))
