"""Results that keep to a lock: files, batches, faults (row CD-N5)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.errors import (
    InvalidOptions,
    KmflowError,
    OutputExistsError,
    SchemaDriftError,
    StateConflict,
    UnsafePath,
)
from kmflow_orchestration.operations.convert.convert_file import Conversion, convert_file
from kmflow_orchestration.operations.convert.convert_folder import (
    FileTask,
    convert_folder,
    convert_task,
)
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, failed_with
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.lock_keeping import Agreement, agreement
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.parts import parts_of
from kmflow_orchestration.operations.convert.schema_lock import SchemaLock, read_lock
from kmflow_orchestration.operations.convert.source_reading import (
    checked_source,
    find_converter,
    open_source,
)
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.operations.convert.conftest import names_in

OLD = "id,amount\n1,1.50\n2,2.25\n"
NEW = "id,amount,note\n1,1.50,a\n2,x7,b\n"


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "loans.csv"
    path.parent.mkdir()
    path.write_text(OLD)
    return path


def converted(source: Path, **options: object) -> Conversion:
    return convert_file(source, options=conversion_options({"on_drift": "fail", **options}))


def lock_of(path: Path) -> SchemaLock:
    found = read_lock(path)
    assert found is not None
    return found


def types_in(path: Path) -> dict[str, str]:
    schema = pq.read_schema(path)
    return {one.name: str(one.type) for one in schema}


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_first_conversion_writes_the_lock_and_the_next_keeps_to_it(loans: Path) -> None:
    first = converted(loans)
    lock = (loans.parent / "loans.schema.lock").read_text()

    again = converted(loans, force=True)

    assert first.manifest.schema_lock == again.manifest.schema_lock
    assert (loans.parent / "loans.schema.lock").read_text() == lock
    assert "{name: amount, type: 'decimal128(18, 2)', seen: 'NUMBER(1,2,3)'}" in lock


def test_other_columns_fail_with_all_differences_and_write_nothing(loans: Path) -> None:
    converted(loans)
    loans.write_text(NEW)
    before = state(loans.parent)

    with pytest.raises(SchemaDriftError) as raised:
        converted(loans, force=True)

    assert [(one["kind"], one["column"]) for one in raised.value.differences] == [
        ("added", "note"),
        ("retyped", "amount"),
    ]
    assert state(loans.parent) == before


def test_widening_moves_the_lock_tells_so_and_then_holds_both(loans: Path) -> None:
    converted(loans)
    loans.write_text(NEW)

    moved = converted(loans, on_drift="widen", force=True)

    assert moved.manifest.drift == (
        "column note was added (string)",
        "column amount was decimal128(18, 2) and is string",
    )
    assert converted(loans, force=True).manifest.drift == ()
    loans.write_text(OLD)
    back = converted(loans, force=True)
    assert back.manifest.drift == ()
    # As the source has it: 1.50, not what a number would be written as.
    assert pq.read_table(back.outputs[0]).column("amount").to_pylist() == ["1.50", "2.25"]


def test_a_result_is_written_in_the_types_of_the_lock_and_verified_so(loans: Path) -> None:
    converted(loans)
    loans.write_text("id,amount\n1,7\n,8\n")

    done = converted(loans, force=True)

    table = pq.read_table(done.outputs[0])
    assert table.column("amount").to_pylist() == [Decimal("7.00"), Decimal("8.00")]
    assert verify_output(done.outputs[0]).is_equal


def test_a_new_version_lies_beside_the_old_and_the_lock_keeps_both(loans: Path) -> None:
    converted(loans)
    loans.write_text(NEW)

    done = converted(loans, on_drift="new-version")

    assert [path.name for path in done.outputs] == ["loans.v2.parquet"]
    assert types_in(loans.with_name("loans.parquet"))["amount"] == "decimal128(18, 2)"
    lock = lock_of(loans.with_name("loans.schema.lock"))
    assert [len(one.tables[""].columns) for one in lock.versions] == [2, 3]
    assert verify_output(done.outputs[0]).is_equal
    # Nobody begins a third version for what one of the two is.
    loans.write_text(OLD)
    assert converted(loans, on_drift="new-version", force=True).outputs[0].name == "loans.parquet"


def test_a_later_version_never_replaces_what_another_source_became(loans: Path) -> None:
    other = loans.with_name("loans.v2.csv")
    other.write_text(OLD)
    convert_file(other)
    converted(loans)
    loans.write_text(NEW)
    before = state(loans.parent)

    with pytest.raises(OutputExistsError):
        converted(loans, on_drift="new-version", force=True)

    assert state(loans.parent) == before


def test_one_named_lock_holds_files_of_any_name_and_workbooks(tmp_path: Path) -> None:
    lock, options = (
        tmp_path / "locks" / "book.json",
        {"schema_lock": str(tmp_path / "locks/book.json")},
    )
    for name, sheets in (("jan", ["A", "B"]), ("feb", ["A", "B"]), ("mar", ["A", "C"])):
        book = openpyxl.Workbook()
        book.remove(book.worksheets[0])
        for sheet in sheets:
            made = book.create_sheet(sheet)
            made.append(["id"])
            made.append([1])
        book.save(tmp_path / f"{name}.xlsx")

    for name in ("jan", "feb"):
        convert_file(tmp_path / f"{name}.xlsx", options=conversion_options(options))
    with pytest.raises(SchemaDriftError, match=r"table B: it is gone; table C: it was added"):
        convert_file(tmp_path / "mar.xlsx", options=conversion_options(options))
    told = convert_file(
        tmp_path / "mar.xlsx", options=conversion_options({**options, "on_drift": "new-version"})
    )

    assert {path.parent.name for path in told.outputs} == {"mar.v2_parquet"}
    assert names_in(lock.parent) == {"book.json"}


def test_a_dry_run_tells_of_drift_and_moves_nothing(loans: Path) -> None:
    converted(loans)
    loans.write_text(NEW)
    before = state(loans.parent)

    told = convert_file(
        loans, options=conversion_options({"on_drift": "new-version"}), dry_run=True
    )

    assert len(told.manifest.drift) == 2
    assert told.outputs[0].name == "loans.v2.parquet"
    assert state(loans.parent) == before


def test_a_fault_while_the_result_is_put_in_place_puts_the_lock_back(loans: Path) -> None:
    converted(loans)
    loans.write_text(NEW)
    before = state(loans.parent)
    lock = loans.with_name("loans.schema.lock")
    held = agreed_with(lock, loans, "widen")

    with pytest.raises(IsADirectoryError), held.kept():  # noqa: PT012
        assert b"note" in lock.read_bytes()
        loans.parent.read_bytes()

    assert state(loans.parent) == before


def test_a_first_lock_goes_with_a_result_that_never_came(loans: Path) -> None:
    held = agreed_with(loans.with_name("loans.schema.lock"), loans, "fail")

    with pytest.raises(KeyboardInterrupt), held.kept():
        raise KeyboardInterrupt

    assert names_in(loans.parent) == {"loans.csv"}


def test_a_result_that_never_came_after_its_lock_comes_when_it_is_tried_again(loans: Path) -> None:
    """As a process leaves it that is killed between the two."""
    converted(loans)
    loans.write_text(NEW)
    done = converted(loans, on_drift="new-version")
    for path in (*done.outputs, done.manifest_path):
        path.unlink()

    again = converted(loans, on_drift="new-version")

    assert (again.outputs, again.manifest.drift) == (done.outputs, ())
    assert len(lock_of(loans.with_name("loans.schema.lock")).versions) == 2


def agreed_with(lock: Path, source: Path, on_drift: str) -> Agreement:
    options = conversion_options({"on_drift": on_drift})
    found = checked_source(source)
    converter, _ = find_converter(found, default_converters())
    parts = parts_of(open_source(found, converter, options), options)
    made = agreement(lock, parts, on_drift, now="2026-11-30T00:00:00Z", source=source.name)
    assert made is not None
    return made


def test_a_lock_that_was_moved_meanwhile_is_not_moved_back(loans: Path) -> None:
    converted(loans)
    lock = loans.with_name("loans.schema.lock")
    loans.write_text("id,amount\n1,2.12345\n")
    mine = agreed_with(lock, loans, "widen")
    loans.write_text("id,amount\n1,text\n")
    converted(loans, on_drift="widen", force=True)
    before = lock.read_bytes()

    with pytest.raises(StateConflict, match="changed by another conversion"), mine.kept():
        pytest.fail("the result would not be what the lock says")

    assert lock.read_bytes() == before


def test_what_is_no_lock_is_neither_taken_for_one_nor_replaced(loans: Path) -> None:
    mine = loans.with_name("mine.txt")
    mine.write_text("keep me")

    with pytest.raises(InvalidOptions, match="is no schema lock"):
        converted(loans, schema_lock=str(mine))
    with pytest.raises(UnsafePath, match="no place for the schema lock"):
        converted(loans, schema_lock=str(loans.with_suffix(".parquet")))

    assert state(loans.parent) == {"loans.csv": OLD.encode(), "mine.txt": b"keep me"}


def test_a_schema_and_a_lock_exclude_each_other() -> None:
    with pytest.raises(InvalidOptions, match="exclude each other"):
        conversion_options({"on_drift": "fail", "schema": {"id": "int64"}})


def batch(folder: Path, **options: object) -> list[FileOutcome]:
    """What the process of each file does, in this one."""
    given = conversion_options({"on_drift": "fail", **options})
    return [outcome(FileTask(one, given, True, False)) for one in plan_folder(folder).files]


def outcome(task: FileTask) -> FileOutcome:
    try:
        return convert_task(task)
    except KmflowError as error:
        return failed_with(task.planned.path, error)


def told(files: Iterable[FileOutcome]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {one.path: (one.status.value, one.drift) for one in files}


def test_each_file_of_a_batch_has_a_lock_of_its_own_and_versions_are_left_alone(
    loans: Path, tmp_path: Path
) -> None:
    (loans.parent / "people.csv").write_text("name\nAnn\n")
    batch(loans.parent)
    loans.write_text(NEW)

    failed, kept = batch(loans.parent)
    assert (failed.code, kept.status) == ("KM-DRIFT-001", "unchanged")
    assert failed.drift == (
        "column note was added (string)",
        "column amount was decimal128(18, 2) and is string",
    )

    moved = batch(loans.parent, on_drift="new-version")
    again = batch(loans.parent, on_drift="new-version")
    assert told(moved)["loans.csv"] == ("converted", failed.drift)
    assert {one.status for one in again} == {"unchanged"}

    loans.write_text(NEW.replace("x7", "x8"))
    changed = batch(loans.parent)
    assert [Path(one).name for one in changed[0].outputs] == ["loans.v2.parquet"]
    assert names_in(tmp_path / "in_converted") == {
        *("loans.parquet", "_loans.parquet.manifest.json", "loans.schema.lock"),
        *("loans.v2.parquet", "_loans.v2.parquet.manifest.json"),
        *("people.parquet", "_people.parquet.manifest.json", "people.schema.lock"),
    }


def test_a_batch_without_locks_gets_them_the_first_time_it_is_asked(loans: Path) -> None:
    convert_folder(plan_folder(loans.parent))

    assert told(batch(loans.parent))["loans.csv"] == ("converted", ())
    assert told(batch(loans.parent))["loans.csv"] == ("unchanged", ())


def test_files_that_share_a_lock_are_taken_by_name_and_end_in_one_schema(tmp_path: Path) -> None:
    folder, lock = tmp_path / "in", tmp_path / "all.lock"
    folder.mkdir()
    for name, text in (("a", "x\n1\n"), ("b", "x\n1.5\n"), ("c", "x\n2\n")):
        (folder / f"{name}.csv").write_text(text)

    first = convert_folder(
        plan_folder(folder),
        conversion_options({"schema_lock": str(lock), "on_drift": "widen"}),
        parallel=3,
    ).files
    second = batch(folder, schema_lock=str(lock))

    drift = "column x was int64 and is decimal128(18, 1)"
    assert told(first) == {
        "a.csv": ("converted", ()),
        "b.csv": ("converted", (drift,)),
        "c.csv": ("converted", ()),
    }
    # The one that came before the lock was widened is brought to its type.
    assert {one.path: one.status.value for one in second} == {
        "a.csv": "converted",
        "b.csv": "unchanged",
        "c.csv": "unchanged",
    }
    made = [types_in(tmp_path / "in_converted" / f"{name}.parquet") for name in "abc"]
    assert made == [{"x": "decimal128(18, 1)"}] * 3


def test_locks_are_no_sources_and_no_manifest_changes_without_one(loans: Path) -> None:
    converted(loans)

    assert [one.path for one in plan_folder(loans.parent).files] == ["loans.csv"]
    plain = convert_file(loans, options=conversion_options({"force": True}))
    assert Manifest.read(plain.manifest_path).schema_lock is None
