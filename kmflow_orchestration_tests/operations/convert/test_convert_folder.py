"""A folder converted in processes: each file for itself, again and again (row D13)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import InvalidOptions, UnsafePath
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.convert_folder import convert_folder
from kmflow_orchestration.operations.convert.file_outcomes import (
    CRASHED,
    TIMED_OUT,
    FolderOutcome,
    Status,
)
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.one_process import (
    Limits,
    OneProcess,
    ProcessDied,
)
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.worker import is_at_memory_limit
from kmflow_orchestration_tests.operations.convert.conftest import LOANS, names_in


@pytest.fixture
def mixed(tmp_path: Path, workbook: Path) -> Path:
    """Sound and unsound files, two of one stem, one in a folder, a link out of here."""
    folder = tmp_path / "mixed"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.csv", "book.csv", "sub/a.csv"):
        (folder / name).write_text(LOANS)
    shutil.copy(workbook, folder / "book.xlsx")
    (folder / "notes.md").write_text("# Risk\n\nTwo words.\n")
    (folder / "bad.xlsx").write_bytes(b"PK\x03\x04" + bytes(90))
    (folder / "link.csv").symlink_to("/etc/hostname")
    return folder


def statuses(done: FolderOutcome) -> dict[str, str]:
    return {one.path: one.status.value for one in done.files}


def converted(folder: Path, parallel: int = 1, **options: object) -> FolderOutcome:
    plan = plan_folder(folder, recursive=True)
    return convert_folder(plan, conversion_options(options), parallel=parallel)


def test_bad_files_stop_no_other_and_a_second_run_does_only_what_changed(mixed: Path) -> None:
    first = converted(mixed, parallel=2)

    assert statuses(first) == {
        "a.csv": "converted",
        "bad.xlsx": "failed",
        "book.csv": "converted",
        "book.xlsx": "converted",
        "link.csv": "failed",
        "notes.md": "converted",
        "sub/a.csv": "converted",
    }
    assert [one.code for one in first.files if one.code] == ["KM-INTAKE-002", "KM-PATH-001"]
    assert first.clashes == ("book.csv", "book.xlsx")
    out = mixed.with_name("mixed_converted")
    assert {name for name in names_in(out) if name.endswith((".parquet", ".txt"))} == {
        *("a.parquet", "book.csv.parquet", "sub/a.parquet"),
        *("notes_parquet/notes_text.txt", "notes_parquet/documents.parquet"),
        "notes_parquet/blocks.parquet",
        "book.xlsx_parquet/book.xlsx_Loans_2026.parquet",
        "book.xlsx_parquet/book.xlsx_People.parquet",
    }
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}

    (mixed / "a.csv").write_text(LOANS + "4,Bo,1.00,2026-04-05\n")
    second = converted(mixed)

    assert second.counts == {"converted": 1, "failed": 2, "unchanged": 4}
    assert pq.read_metadata(out / "a.parquet").num_rows == 4
    changed = {path.name for path, at in stamps.items() if path.stat().st_mtime_ns != at}
    assert changed == {"a.parquet"}


def test_other_options_are_no_reason_to_leave_a_file_alone(loans: Path) -> None:
    converted(loans.parent)

    assert converted(loans.parent).counts == {"unchanged": 1}
    assert converted(loans.parent, types="string").counts == {"converted": 1}
    assert converted(loans.parent, types="string").counts == {"unchanged": 1}


def test_a_run_killed_before_the_manifest_goes_on_and_foreign_files_stay(loans: Path) -> None:
    out = loans.parent.with_name("in_converted")
    converted(loans.parent)
    (out / "_loans.parquet.manifest.json").unlink()
    (loans.parent / "other.csv").write_text(LOANS)
    (out / "other.parquet").write_bytes(b"somebody's")

    done = converted(loans.parent)

    assert statuses(done) == {"loans.csv": "converted", "other.csv": "failed"}
    assert done.files[1].code == "KM-CONVERT-006"
    assert (out / "other.parquet").read_bytes() == b"somebody's"
    assert (out / "_loans.parquet.manifest.json").exists()


def test_a_workbook_that_gains_a_sheet_leaves_no_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["a"])
    book.active.append([1])
    book.save(folder / "book.xlsx")
    converted(folder)
    second = book.create_sheet("More")
    second.append(["b"])
    second.append([2])
    book.save(folder / "book.xlsx")

    converted(folder)

    assert names_in(tmp_path / "in_converted") == {
        "book_parquet",
        "book_parquet/_manifest.json",
        "book_parquet/book_Sheet.parquet",
        "book_parquet/book_More.parquet",
    }


def test_the_first_failure_stops_the_batch_if_it_is_to(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").touch()
    (folder / "b.csv").write_text(LOANS)

    done = convert_folder(plan_folder(folder), parallel=1, stop_on_error=True)

    assert statuses(done) == {"a.csv": "failed", "b.csv": "not_tried"}
    assert not done.is_whole()


def test_an_interrupted_batch_goes_on_where_it_stopped(loans: Path) -> None:
    (loans.parent / "more.csv").write_text(LOANS)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_folder(plan_folder(loans.parent), parallel=1, on_file=interrupt)
    done = convert_folder(plan_folder(loans.parent), parallel=1)

    assert statuses(done) == {"loans.csv": "unchanged", "more.csv": "converted"}
    assert not list(loans.parent.with_name("in_converted").glob(".kmflow-*"))


@pytest.mark.parametrize(
    ("limits", "codes"),
    [
        (Limits(timeout_s=0.0001), {TIMED_OUT}),
        (Limits(memory_bytes=1 << 20), {"KM-MEM-001", CRASHED}),
    ],
    ids=["time", "memory"],
)
def test_a_file_beyond_its_limits_fails_alone(
    tmp_path: Path, limits: Limits, codes: set[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "large.csv").write_text("a,b\n" + "some text,1\n" * 400_000)
    (folder / "link.csv").symlink_to("/etc/hostname")

    done = convert_folder(plan_folder(folder), parallel=1, limits=limits)

    assert [one.status for one in done.files] == [Status.FAILED, Status.FAILED]
    assert done.files[0].code in codes
    assert done.files[1].code == "KM-PATH-001"


def tell_of_limit(_: object) -> bool:
    return is_at_memory_limit()


@pytest.mark.parametrize(("limit_bytes", "is_at_limit"), [(1 << 20, True), (2 << 30, False)])
def test_a_process_knows_whether_it_is_at_its_memory_limit(
    limit_bytes: int, is_at_limit: bool
) -> None:
    with OneProcess(Limits(memory_bytes=limit_bytes)) as process:
        assert process.run(tell_of_limit, None) is is_at_limit

    assert not is_at_memory_limit()


def test_after_a_death_the_next_call_gets_a_new_process() -> None:
    with OneProcess(Limits()) as process:
        with pytest.raises(ProcessDied) as died:
            process.run(os._exit, 3)
        assert process.run(abs, -4) == 4

    assert not died.value.timed_out


def test_a_dry_run_announces_and_writes_nothing(loans: Path) -> None:
    done = convert_folder(plan_folder(loans.parent), parallel=1, dry_run=True)

    assert (statuses(done), done.files[0].rows) == ({"loans.csv": "planned"}, 3)
    assert not loans.parent.with_name("in_converted").exists()


def test_patterns_choose_files_and_hidden_ones_only_by_name(tmp_path: Path) -> None:
    for name in ("a.csv", "b.xlsx", ".hidden.csv", "deep/c.csv", ".git/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def found(*patterns: str, recursive: bool = True) -> list[str]:
        plan = plan_folder(tmp_path, Path("/elsewhere"), patterns=patterns, recursive=recursive)
        return [one.path for one in plan.files]

    assert found("*") == ["a.csv", "b.xlsx", "deep/c.csv"]
    assert found("*", recursive=False) == ["a.csv", "b.xlsx"]
    assert found("deep/*", "*.xlsx") == ["b.xlsx", "deep/c.csv"]
    assert found(".hid*") == [".hidden.csv"]


def test_a_limit_takes_the_first_by_path_and_changes_no_name(tmp_path: Path) -> None:
    for name in ("a.csv", "a.tsv", "b.csv"):
        (tmp_path / name).touch()

    plan = plan_folder(tmp_path, Path("/elsewhere"), max_files=1)

    assert [(one.path, one.stem) for one in plan.files] == [("a.csv", "a.csv")]
    assert (plan.matched, plan.clashes) == (3, ("a.csv",))


def test_what_was_made_of_the_folder_is_no_source_of_it(loans: Path, tmp_path: Path) -> None:
    convert_file(loans)
    convert_file(loans, tmp_path / "csvs" / "loans.csv")

    assert [one.path for one in plan_folder(loans.parent).files] == ["loans.csv"]
    assert [one.path for one in plan_folder(tmp_path / "csvs").files] == ["loans.csv"]
    assert [one.path for one in plan_folder(tmp_path, Path("/x"), recursive=True).files] == [
        "in/loans.csv"
    ]


def test_links_inside_are_files_and_those_that_leave_are_problems(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").touch()
    (folder / "inside.csv").symlink_to("a.csv")
    (folder / "out").symlink_to(tmp_path)
    (folder / "gone.csv").symlink_to("nothing.csv")

    plan = plan_folder(folder, recursive=True)

    assert {one.path: one.problem for one in plan.files} == {
        "a.csv": "",
        "inside.csv": "",
        "out": "a link that leaves the folder",
        "gone.csv": "a link that leads nowhere",
    }


def test_results_never_go_into_the_folder_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "file").touch()

    for place in (tmp_path / "in", tmp_path / "in" / "out"):
        with pytest.raises(UnsafePath, match="lies in"):
            plan_folder(tmp_path / "in", place)
    with pytest.raises(UnsafePath, match="is a file"):
        plan_folder(tmp_path / "in", tmp_path / "file")
    with pytest.raises(InvalidOptions, match="is no folder"):
        plan_folder(tmp_path / "file")
