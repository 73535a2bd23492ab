"""No room left on the disk: what does not fit fails alone, is told, and comes in once it fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.converters.staging import Outcome
from kmflow_orchestration.errors import MetadataUnavailable, StorageUnavailable
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.convert_evidence import StoredSource, convert_items
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, StoredFiles
from kmflow_orchestration.storage.interfaces import StorageBackend
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.small_disks import SMALL_BYTES, small_disk

FULL = "No space left on device|File too large"
# Larger than the disk, also once it is compressed: no two lines of it alike.
TOO_LARGE = "id,amount\n" + "".join(
    f"{n},{n * n * 7919 % 1_000_000_007}\n" for n in range(SMALL_BYTES // 12)
)
OpenStore = Callable[[Path, FakeClock], StorageBackend]


def local(root: Path, clock: FakeClock) -> StorageBackend:
    return LocalStore("acme", root, clock=clock)


def delta(root: Path, clock: FakeClock) -> StorageBackend:
    return DeltaStore("acme", root / "main_bronze", clock=clock)


def names_below(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.rglob("*") if one.is_file())


def half_written(folder: Path) -> list[str]:
    return [name for name in names_below(folder) if name.endswith(".part")]


@pytest.mark.parametrize("open_store", [local, delta])
def test_a_file_that_does_not_fit_fails_alone_and_is_stored_once_there_is_room(
    acme: LandingPlace, tmp_path: Path, open_store: OpenStore
) -> None:
    for name, content in {"a.csv": "a", "large.csv": TOO_LARGE, "z.csv": "z"}.items():
        acme.drop(f"e1/{name}", content)
    acme.look()
    with small_disk(tmp_path / "disk") as disk:
        store = open_store(disk.folder, acme.clock)

        # One after the other: beside the large one there would be no room for the last.
        stored = acme.store_day(store=store, workers=1)

        assert [one.file_name for one in stored.stored] == ["a.csv", "z.csv"]
        (failed,) = stored.failed
        assert (failed.landing_path, failed.code) == ("e1/large.csv", StorageUnavailable.code)
        assert re.search(rf"_large\.csv: ({FULL}) \(check disk space", failed.message)
        assert (half_written(disk.folder), len(store.list_files("e1"))) == ([], 2)

        disk.grow()
        acme.clock.advance(3600)
        later = acme.store_day(store=store)

        assert [one.file_name for one in later.stored] == ["large.csv"]
        assert store.read(acme.item("large.csv").stored_path) == TOO_LARGE.encode()
        assert len(store.list_files("e1")) == 3
        assert acme.take_in() is None


def test_a_file_whose_row_does_not_fit_is_no_file_until_it_has_one(
    acme: LandingPlace, tmp_path: Path
) -> None:
    acme.drop("e1/first.csv", "first")
    with small_disk(tmp_path / "disk") as disk:
        store = delta(disk.folder, acme.clock)
        acme.look()
        acme.store_day(store=store)
        acme.drop("e1/second.csv", "second")
        acme.look()
        disk.fill(but_bytes=2 * 4096)  # for the file, and not for both its row and the commit

        (failed,) = acme.store_day(store=store).failed

        assert re.search(rf"evidence_files: .*({FULL})", failed.message)
        assert not {"\x1b", "\n"} & set(failed.message)
        assert len(store.list_files("e1")) == 1
        disk.free()
        (second,) = acme.store_day(store=store).stored
        assert store.list_files("e1") == sorted(
            [acme.item("first.csv").stored_path, second.item.stored_path]
        )
        assert store.history(1)[0].version == 1


@pytest.mark.sqlite
def test_a_control_database_without_room_takes_nothing_in_and_says_so(
    tmp_path: Path, clock: FakeClock, control_database: NewDatabase
) -> None:
    with small_disk(tmp_path / "disk", 4 * SMALL_BYTES) as disk:
        url = control_database(disk.folder / "control.db")
        place = LandingPlace(tmp_path, clock, GroupId("acme"), url)
        place.drop("e1/a.csv", "a")
        disk.fill()

        with pytest.raises(MetadataUnavailable) as told:
            place.take_in()
        assert "control.db does not answer" in told.value.message
        assert "disk space and permissions" in told.value.hint

        assert place.store.sent == []
        disk.free()
        assert [one.file_name for one in place.take_in().stored] == ["a.csv"]
        assert place.store.sent == ["a.csv"]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.journey)])
def test_a_staging_file_that_does_not_fit_stops_the_step_and_blames_no_file(
    tmp_path: Path, clock: FakeClock, workers: int
) -> None:
    store = LocalStore("acme", tmp_path / "store", clock=clock)
    contents = {"large.csv": TOO_LARGE.encode(), "small.csv": b"id\n1\n"}
    sources = [
        StoredSource(name, name, store.write("e1", name, content).path, "local")
        for name, content in contents.items()
    ]
    with small_disk(tmp_path / "work", SMALL_BYTES * 3 // 2) as disk:
        if workers and not disk.is_real:
            pytest.skip("the limit is this process's, and no other's")

        def convert() -> dict[str, Outcome]:
            reading = StoredFiles(EvidenceStores.only(store))
            found = convert_items(sources, reading, workers=workers, work_dir=disk.folder)
            rows = [pq.read_metadata(one.tables[0].path).num_rows for one in found.values()]
            assert sorted(rows) == [1, TOO_LARGE.count("\n") - 1]
            return {name: item.outcome for name, item in found.items()}

        with pytest.raises(StorageUnavailable) as told:
            convert()

        assert re.search(rf"large\.csv cannot be converted now: .*({FULL})", str(told.value))
        assert "check disk space" in told.value.hint
        assert "source" not in names_below(disk.folder)
        disk.grow()
        assert convert() == dict.fromkeys(contents, Outcome.CONVERTED)
