"""What only a disk can do: symbolic links, permissions, leftovers of a killed process."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from kmflow_orchestration.errors import StorageUnavailable, UnsafePath
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.fakes import FakeClock


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> LocalStore:
    return LocalStore("acme", tmp_path / "home" / "acme", clock=clock)


def test_files_lie_below_the_groups_own_root(store: LocalStore, tmp_path: Path) -> None:
    file = evidence_file(tmp_path / "landing", "a.csv", b"id\n")

    path = store.write_from(file).path

    place = tmp_path / "home" / "acme" / "evidence_store" / "e1" / "2026-11-20"
    assert store.local_path(path).parent == place
    assert [entry.name for entry in place.iterdir()] == [path.rpartition("/")[2]]


def test_an_absolute_path_inside_is_the_same_file(store: LocalStore, tmp_path: Path) -> None:
    path = store.write_from(evidence_file(tmp_path / "landing", "a.csv", b"id\n")).path

    assert store.read(str(store.local_path(path))) == b"id\n"


def test_a_link_out_of_the_store_is_not_followed(store: LocalStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "2026-11-20").mkdir(parents=True)
    folder = tmp_path / "home" / "acme" / "evidence_store"
    folder.mkdir(parents=True)
    (folder / "e1").symlink_to(outside)

    with pytest.raises(UnsafePath):
        store.write_from(evidence_file(tmp_path / "landing", "a.csv", b"id\n"))
    with pytest.raises(UnsafePath):
        store.list_files("e1")
    assert list((outside / "2026-11-20").iterdir()) == []


def test_a_neighbour_whose_name_begins_alike_is_outside(tmp_path: Path, clock: FakeClock) -> None:
    acme, acme2 = (LocalStore(name, tmp_path / name, clock=clock) for name in ("acme", "acme2"))
    path = acme2.write_from(evidence_file(tmp_path / "landing", "a.csv", b"id\n")).path

    with pytest.raises(UnsafePath):
        acme.read(str(acme2.local_path(path)))


def test_leftovers_of_a_killed_write_are_no_files(store: LocalStore, tmp_path: Path) -> None:
    path = store.write_from(evidence_file(tmp_path / "landing", "a.csv", b"id\n")).path
    (store.local_path(path).parent / ".0123.part").write_bytes(b"half")

    assert store.list_files("e1") == [path]


def test_halves_that_a_kill_left_a_day_ago_go_and_one_that_may_be_under_way_stays(
    store: LocalStore, tmp_path: Path
) -> None:
    written = store.write_from(evidence_file(tmp_path / "landing", "a.csv", b"id\n"))
    folder = store.local_path(written.path).parent
    now = store.local_path(written.path).stat().st_mtime
    halves = {"left": 86_401, "under_way": 86_399}
    for name, age_s in halves.items():
        half = folder / f".{hashlib.md5(name.encode()).hexdigest()}.part"  # noqa: S324 - a name
        half.write_bytes(b"half")
        os.utime(half, (now - age_s,) * 2)

    assert store.confirm([written]) == {written.path}

    assert [half.read_bytes() for half in folder.glob(".*.part")] == [b"half"]


def test_a_disk_that_refuses_is_unavailable(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")

    with pytest.raises(StorageUnavailable):
        store.write_from(evidence_file(tmp_path / "landing", "a.csv", b"id\n"))


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_nothing_is_left_open(store: LocalStore, tmp_path: Path) -> None:
    before = open_files()

    for number in range(20):
        written = store.write_from(
            evidence_file(tmp_path / "landing", f"f{number}.csv", str(number).encode())
        )
        store.confirm([written])
        store.read(written.path)

    assert open_files() == before
