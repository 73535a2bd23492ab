"""What a delta store has beyond the common contract: rows, versions, many writers, crashes."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kmflow_orchestration.clock import SystemClock, iso
from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.storage.delta_store import FILES, TABLE, DeltaStore
from kmflow_orchestration.storage.interfaces import EvidenceFile
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration_tests.embedded_groups import group_config
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.storage.delta_writer import write_all

CONFIG = group_config("acme")
BRONZE = CONFIG.namespace.bronze(TABLE)


@pytest.fixture
def bronze(tmp_path: Path) -> Path:
    return tmp_path / "lakehouse" / BRONZE.schema


@pytest.fixture
def store(bronze: Path, clock: FakeClock) -> DeltaStore:
    return DeltaStore("acme", bronze, clock=clock)


def drop(tmp_path: Path, name: str, content: bytes | None = None, **facts: str) -> EvidenceFile:
    return evidence_file(tmp_path / "landing", name, content or name.encode(), **facts)


def names(store: DeltaStore) -> list[str]:
    version = store.history(1)[0].version
    return sorted(store.read_version(version)["file_name"].to_pylist())


def test_a_row_says_what_was_stored(store: DeltaStore, tmp_path: Path) -> None:
    file = drop(tmp_path, "Zahlungen 'März'.csv", b"id\n1\n")

    written = store.write_from(file)

    (row,) = store.read_version(written.version).to_pylist()
    assert row == {
        "group_id": "acme",
        "id": file.item_id,
        "engagement_id": "e1",
        "file_name": "Zahlungen 'März'.csv",
        "file_path": written.path,
        "content_hash": file.content_hash,
        "size_bytes": 5,
        "stored_at": iso(written.stored_at),
        "metadata_json": "{}",
    }


def test_what_was_said_of_bytes_at_hand_is_kept(store: DeltaStore) -> None:
    written = store.write("e1", "a.txt", b"a", {"source": "interview", "pages": 3})

    (row,) = store.read_version(written.version).to_pylist()
    assert row["metadata_json"] == '{"pages": "3", "source": "interview"}'


def test_every_version_can_be_read_again(store: DeltaStore, tmp_path: Path) -> None:
    first = store.write_from(drop(tmp_path, "a.csv"))
    second = store.write_from(drop(tmp_path, "b.csv"))
    store.delete(first.path)

    versions = [one.version for one in store.history()]

    assert versions == sorted(versions, reverse=True)
    assert [one.version for one in store.history(limit=1)] == versions[:1]
    assert store.read_version(first.version)["file_name"].to_pylist() == ["a.csv"]
    assert sorted(store.read_version(second.version)["file_name"].to_pylist()) == [
        "a.csv",
        "b.csv",
    ]
    assert names(store) == ["b.csv"]


def test_a_store_without_files_has_no_history(store: DeltaStore, bronze: Path) -> None:
    assert store.history() == []
    assert store.list_files("e1") == []
    assert store.delete("evidence_store/e1/2026-11-20/0123456789abcdef_a.csv") is False
    with pytest.raises(FileNotFoundError):
        store.read_version(0)
    assert not bronze.joinpath(TABLE).exists()


@pytest.mark.parametrize("version", [-1, 7])
def test_a_version_that_never_was_is_not_found(
    store: DeltaStore, tmp_path: Path, version: int
) -> None:
    store.write_from(drop(tmp_path, "a.csv"))

    with pytest.raises(FileNotFoundError):
        store.read_version(version)


def test_twenty_threads_lose_no_row_and_write_none_twice(
    store: DeltaStore, bronze: Path, tmp_path: Path, clock: FakeClock
) -> None:
    """Two stores, as two runs of one process have them; both are given every file."""
    files = [drop(tmp_path, f"{number}.csv") for number in range(60)]
    other = DeltaStore("acme", bronze, clock=clock)

    with ThreadPoolExecutor(20) as pool:
        done = list(
            pool.map(
                lambda one: one[0].write_from(one[1]),
                zip([store, other] * 60, files * 2, strict=True),
            )
        )

    assert names(store) == sorted(file.file_name for file in files)
    assert len(store.list_files("e1")) == 60
    newest = store.history(1)[0].version
    assert {one.path for one in done} == set(store.list_files("e1"))
    assert max(one.version for one in done) <= newest < len(done)


def test_processes_at_once_lose_no_row_and_write_none_twice(
    store: DeltaStore, bronze: Path, tmp_path: Path
) -> None:
    files = [drop(tmp_path, f"{number}.csv") for number in range(8)]
    spawn = multiprocessing.get_context("spawn")

    children = [spawn.Process(target=write_all, args=(bronze, files)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)

    assert [child.exitcode for child in children] == [0, 0]
    assert names(store) == sorted(file.file_name for file in files)


def test_a_row_that_a_crash_kept_back_comes_with_the_confirmation(
    store: DeltaStore, bronze: Path, tmp_path: Path, clock: FakeClock
) -> None:
    file = drop(tmp_path, "a.csv")
    # All that was done when the process died: the bytes.
    written = LocalStore("acme", bronze / FILES, clock=clock).write_from(file)
    assert (store.exists(written.path), store.list_files("e1")) == (True, [])

    assert store.confirm([written]) == {written.path}

    assert store.list_files("e1") == [written.path]
    store.confirm([written])
    assert names(store) == ["a.csv"]


def test_a_file_that_is_not_there_gets_no_row(
    store: DeltaStore, tmp_path: Path, bronze: Path
) -> None:
    kept, lost = (store.write_from(drop(tmp_path, name)) for name in ("a.csv", "b.csv"))
    store.delete(lost.path)

    assert store.confirm([kept, lost]) == {kept.path}
    assert names(store) == ["a.csv"]


def test_without_its_row_nothing_is_stored_and_the_next_attempt_mends_it(
    store: DeltaStore, bronze: Path, tmp_path: Path
) -> None:
    locks = bronze.parent / ".locks"
    locks.parent.mkdir(parents=True)
    locks.write_text("")  # where the folder of locks has to be
    file = drop(tmp_path, "a.csv")

    with pytest.raises(StorageUnavailable):
        store.write_from(file)
    locks.unlink()

    assert store.list_files("e1") == []
    written = store.write_from(file)
    assert store.list_files("e1") == [written.path]
    assert names(store) == ["a.csv"]


def test_a_file_stays_as_long_as_its_row_cannot_be_removed(
    store: DeltaStore, bronze: Path, tmp_path: Path
) -> None:
    written = store.write_from(drop(tmp_path, "it's.csv"))
    locks = bronze.parent / ".locks"
    locks.rename(bronze.parent / "away")
    locks.write_text("")

    with pytest.raises(StorageUnavailable):
        store.delete(written.path)
    assert store.read(written.path) == b"it's.csv"
    locks.unlink()

    assert store.delete(written.path) is True
    assert (store.exists(written.path), store.list_files("e1")) == (False, [])
    assert store.delete(written.path) is False


def test_the_sql_engine_reads_the_same_table(
    store: DeltaStore, bronze: Path, tmp_path: Path
) -> None:
    for name, engagement in (("a.csv", "e1"), ("b.csv", "e1"), ("c.csv", "e2")):
        store.write_from(drop(tmp_path, name, engagement=engagement))
    own = OwnTables(CONFIG.group_id, CONFIG.namespace)
    lakehouse = LocalLakehouse(own, bronze.parent, clock=SystemClock())
    try:
        assert BRONZE in lakehouse.tables(BRONZE.schema)
        found = lakehouse.query(
            f"SELECT engagement_id, count(*) AS files FROM {BRONZE.sql}"
            " GROUP BY engagement_id ORDER BY engagement_id"
        )
    finally:
        lakehouse.close()

    assert found.to_pylist() == [
        {"engagement_id": "e1", "files": 2},
        {"engagement_id": "e2", "files": 1},
    ]
