from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.progress_note import ProgressNote
from kmflow_orchestration.converters.staging import Outcome, StagingTask, stage_item
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.operations.convert_evidence import CRASHED, StoredSource, convert_items
from kmflow_orchestration.storage.evidence_stores import EvidenceStores, StoredFiles
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.operations.convert.database_of_loans import LINES, loans_database


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> LocalStore:
    return LocalStore("acme", tmp_path / "store", clock=clock)


def stored(store: LocalStore, name: str, content: bytes, **types: object) -> StoredSource:
    path = store.write("e1", name, content).path
    return StoredSource(name, name, path, "local", types={"": types} if types else {})  # type: ignore[dict-item]


def reading(store: LocalStore) -> StoredFiles:
    return StoredFiles(EvidenceStores.only(store))


@pytest.mark.slow
def test_files_convert_in_other_processes_each_with_its_own_outcome(
    store: LocalStore, tmp_path: Path
) -> None:
    sources = [
        stored(store, "a.csv", b"id,x\n1,1.50\n"),
        stored(store, "b.xlsx", b"PK\x03\x04 no workbook"),
        stored(store, "c.yaml", b"steps: [open, pay]\n"),
        stored(store, "d.txt", b"Some words.\n"),
        replace(stored(store, "e.csv", b"id\n1\n"), backend="elsewhere"),
    ]

    found = convert_items(sources, reading(store), workers=2, work_dir=tmp_path / "work")

    assert {name: item.outcome for name, item in found.items()} == {
        "a.csv": Outcome.CONVERTED,
        "b.xlsx": Outcome.QUARANTINED,
        "c.yaml": Outcome.NO_CONVERTER,
        "d.txt": Outcome.CONVERTED,
        "e.csv": Outcome.UNREACHABLE,
    }
    assert "elsewhere" in found["e.csv"].message
    assert pq.read_table(found["a.csv"].tables[0].path).column("x").to_pylist()[0] == 1.5
    assert not list((tmp_path / "work").rglob("source"))


def test_a_column_is_staged_as_the_text_it_was_asked_for(store: LocalStore, tmp_path: Path) -> None:
    source = stored(store, "a.csv", b"id,x\n1,1.50\n", x=STRING)

    found = convert_items([source], reading(store), workers=0, work_dir=tmp_path / "work")

    (table,) = found["a.csv"].tables
    assert pq.read_table(table.path).column("x").to_pylist() == ["1.50"]
    assert table.facts[1].type.sql == "DECIMAL(18,2)"


def test_who_converts_notes_how_far_it_is(tmp_path: Path) -> None:
    path = loans_database(tmp_path / "in")
    note = ProgressNote.begun(tmp_path / "progress")
    task = StagingTask("1", Source(path, path.name), path.parent, note=note)

    before = note.read()
    stage_item(task)

    # Once a second at most, and this is over sooner.
    assert (before, note.read()) == ("", LINES[0])
    assert ProgressNote.begun(note.path).read() == ""


@pytest.mark.slow
def test_of_a_file_that_takes_long_it_is_told_how_far_it_is(
    store: LocalStore, tmp_path: Path
) -> None:
    told: list[tuple[str, str]] = []
    source = stored(store, "loans.mdb", loans_database(tmp_path / "in").read_bytes())

    found = convert_items(
        [source],
        reading(store),
        workers=1,
        work_dir=tmp_path / "work",
        on_progress=lambda *now: told.append(now),
        tell_after_s=0.001,
    )

    assert [table.part for table in found["loans.mdb"].tables] == ["Customers", "Empty", "Loans"]
    assert {name for name, _ in told} == {"loans.mdb"}
    assert told[0] == ("loans.mdb", "no word of it yet")
    # After twice as long each time: an hour is told of in twenty-two.
    assert len(told) < 22


@pytest.mark.slow
def test_who_listens_and_fails_stops_nothing(
    store: LocalStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_name: str, _how_far: str) -> None:
        raise RuntimeError("no log any more")

    found = convert_items(
        [stored(store, "a.csv", b"id\n1\n")],
        reading(store),
        workers=1,
        work_dir=tmp_path / "work",
        on_progress=fail,
        tell_after_s=0.001,
    )

    assert found["a.csv"].outcome is Outcome.CONVERTED
    assert caplog.text.count("the progress display failed") == 1


def test_what_a_crash_left_in_staging_is_replaced_and_never_read(
    store: LocalStore, tmp_path: Path
) -> None:
    source = stored(store, "a.csv", b"id\n1\n")
    convert_items([source], reading(store), workers=0, work_dir=tmp_path / "work")
    folder = tmp_path / "work" / "a.csv"
    whole = (folder / "0.parquet").read_bytes()
    # Of the run before: half of this table, and the whole of another.
    (folder / "1.parquet").write_bytes(whole)
    (folder / "0.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "source").write_bytes(b"id\n2\n3\n")

    found = convert_items([source], reading(store), workers=0, work_dir=tmp_path / "work")

    (table,) = found["a.csv"].tables
    assert pq.read_table(table.path).column("id").to_pylist() == [1]
    assert table.receipt.rows_written == 1


def test_missing_bytes_stop_the_work_and_blame_no_file(store: LocalStore, tmp_path: Path) -> None:
    source = stored(store, "a.csv", b"id\n1\n")
    store.delete(source.stored_path)

    with pytest.raises(StorageUnavailable):
        convert_items([source], reading(store), workers=0, work_dir=tmp_path / "work")


@pytest.mark.slow
def test_a_file_that_kills_its_process_is_quarantined_alone(
    store: LocalStore, tmp_path: Path
) -> None:
    big = b"id,amount\n" + b"1,2.50\n" * 400_000
    sources = [
        stored(store, name, big if name == "bad.csv" else b"id\n1\n")
        for name in ("a.csv", "bad.csv", "c.csv")
    ]
    work = tmp_path / "work"

    with killing_whoever_reads(work / "bad.csv" / "source"):
        found = convert_items(sources, reading(store), workers=2, work_dir=work)

    assert {name: item.code for name, item in found.items()} == {
        "a.csv": "",
        "bad.csv": CRASHED,
        "c.csv": "",
    }


@contextmanager
def killing_whoever_reads(path: Path) -> Iterator[None]:
    """Kill -9 every child process that has this file open, as the kernel does out of memory."""
    is_over = threading.Event()

    def hunt() -> None:
        while not is_over.wait(0.005):
            for child in psutil.Process().children():
                with suppress(psutil.Error):
                    if any(one.path == str(path) for one in child.open_files()):
                        child.kill()

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        yield
    finally:
        is_over.set()
        hunter.join()
