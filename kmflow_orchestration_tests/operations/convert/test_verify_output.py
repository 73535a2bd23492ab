"""Source and result read again: any cell that was changed is named (H4, CD-N3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import CorruptInput, InvalidOptions
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.operations.convert.conftest import BentConverter, only


def tampered(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Rewrite a Parquet file with other values, in the same schema."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


@pytest.mark.parametrize("file_format", ["parquet", "csv", "jsonl", "txt"])
@pytest.mark.parametrize("types", ["infer", "string"])
def test_an_untouched_result_is_equal_in_every_format(
    loans: Path, file_format: str, types: str
) -> None:
    options = conversion_options({"format_type": file_format, "types": types})
    done = convert_file(loans, loans.parent / "out", options)

    found = verify_output(done.outputs[0])

    assert found.differences == ()
    assert (found.files, found.rows, found.columns) == (1, 3, 4)


def test_folders_and_documents_are_equal_too(workbook: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# Risk\n\nTwo words.\n")
    convert_file(workbook)
    done = convert_file(notes)

    assert verify_output(tmp_path / "book_parquet").is_equal
    for output in (*done.outputs, done.manifest_path, tmp_path / "book_parquet/_manifest.json"):
        assert verify_output(output).is_equal


def test_one_changed_cell_is_named_with_its_rows_and_values(loans: Path) -> None:
    loans.write_text("id,name\n1,Ann\n\n2,Bo\n")
    [output] = convert_file(loans).outputs
    tampered(output, lambda rows: rows[1].update(name="Eve"))

    found = verify_output(output)

    [cell] = [one for one in found.differences if one.row]
    assert (cell.column, cell.row, cell.expected, cell.found) == ("name", 2, "'Bo'", "'Eve'")
    assert str(cell) == (
        f"loans.parquet: row 2 (row {cell.source_row} of the source), column name: "
        "'Eve' instead of 'Bo'"
    )
    told = {str(one) for one in found.differences}
    assert "loans.parquet, column name: its values have another fingerprint" in told
    assert not any("column id" in one for one in told)


def test_null_and_empty_text_are_not_the_same(loans: Path) -> None:
    [output] = convert_file(loans).outputs
    tampered(output, lambda rows: rows[2].update(name=""))

    [cell] = [one for one in verify_output(output).differences if one.row]
    assert (cell.row, cell.expected, cell.found) == (3, "NULL", "''")


def test_a_cell_beyond_the_first_batch_is_found_in_its_row(loans: Path) -> None:
    loans.write_text("n\n" + "".join(f"{number}\n" for number in range(150_000)))
    [output] = convert_file(loans, options=conversion_options({"row_group_rows": 7_000})).outputs
    assert verify_output(output).is_equal
    table = pq.read_table(output)
    values = table.column("n").to_pylist()
    values[123_456] = -1
    pq.write_table(pa.table({"n": pa.array(values, pa.int64())}), output)

    [cell] = [one for one in verify_output(output).differences if one.row]
    assert (cell.row, cell.expected, cell.found) == (123_457, "123456", "-1")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows.pop(), "loans.parquet: 2 rows instead of 3"),
        (lambda rows: rows.append(rows[0]), "loans.parquet: 4 rows instead of 3"),
    ],
    ids=["fewer", "more"],
)
def test_rows_too_few_or_too_many_are_told(
    loans: Path, change: Callable[[list[dict[str, Any]]], object], told: str
) -> None:
    [output] = convert_file(loans).outputs
    tampered(output, change)

    assert told in {str(one) for one in verify_output(output).differences}


def test_columns_that_went_came_or_changed_their_type_are_told(loans: Path) -> None:
    [output] = convert_file(loans).outputs
    table = pq.read_table(output).drop_columns("name")
    table = table.set_column(0, "id", table.column("id").cast(pa.string()))
    pq.write_table(table.append_column("more", pa.array([1, 2, 3])), output)

    told = {str(one) for one in verify_output(output).differences}

    assert "loans.parquet, column name: the column is not there" in told
    assert "loans.parquet, column id: its type is string instead of int64" in told
    assert "loans.parquet, column more: no such column comes from the source" in told


@pytest.mark.parametrize(
    ("file_format", "old", "new", "told"),
    [
        ("csv", "7.25", "7.26", "row 3, column amount: '7.26' instead of '7.25'"),
        ("txt", "Ann", "Eve", "row 1, column name: 'Eve' instead of 'Ann'"),
        ("jsonl", "10.50", "10.5", "row 1, column amount: '10.5' instead of '10.50'"),
        ("jsonl", '"opened": "2026-02-03"}', "", "row 2 is no JSON object"),
        ("csv", '2,""', "2,", "its bytes are not those that the source gives"),
    ],
)
def test_a_changed_text_is_named_by_row_and_column(
    loans: Path, file_format: str, old: str, new: str, told: str
) -> None:
    options = conversion_options({"format_type": file_format})
    [output] = convert_file(loans, loans.parent / "out", options).outputs
    output.write_text(output.read_text().replace(old, new, 1))

    assert any(told in str(one) for one in verify_output(output).differences)


def test_a_line_of_a_document_is_named(tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# Risk\n\nTwo words.\n")
    text, *_ = convert_file(notes).outputs
    text.write_text("Risk\n\nThree words.\n")

    assert any("row 3, column text" in str(one) for one in verify_output(text).differences)


def test_a_file_that_is_gone_or_no_parquet_any_more_is_told(workbook: Path) -> None:
    first, second = convert_file(workbook).outputs
    first.unlink()
    second.write_bytes(b"PAR1 no more")

    told = [str(one) for one in verify_output(first.parent).differences]

    assert told[0] == "book_Loans_2026.parquet: the file is not there"
    assert any("book_People.parquet: it cannot be read" in one for one in told)


def test_another_source_is_one_difference_and_a_moved_one_is_named(
    loans: Path, tmp_path: Path
) -> None:
    [output] = convert_file(loans).outputs
    moved = loans.rename(tmp_path / "elsewhere.bin")

    with pytest.raises(InvalidOptions, match="is not there"):
        verify_output(output)
    assert verify_output(output, moved).is_equal
    moved.write_text("id\n1\n")
    [difference] = verify_output(output, moved).differences
    assert str(difference) == "elsewhere.bin: these are not the bytes that were converted"


def test_what_came_out_is_noted_in_the_manifest(loans: Path) -> None:
    done = convert_file(loans)
    verify_output(done.outputs[0], clock=FakeClock())

    noted = Manifest.read(done.manifest_path).verified
    assert noted is not None
    assert (noted["is_equal"], noted["differences"]) == (True, 0)
    tampered(done.outputs[0], lambda rows: rows[0].update(id=9))
    verify_output(done.outputs[0], clock=FakeClock())
    again = Manifest.read(done.manifest_path).verified
    assert again is not None
    assert again["is_equal"] is False


def test_another_version_of_the_converter_is_noted_and_its_loss_found(loans: Path) -> None:
    [output] = convert_file(loans, registry=only(BentConverter())).outputs
    newer = BentConverter(rejects=1)
    newer.version = "next"  # type: ignore[misc]

    found = verify_output(output, registry=only(newer))

    assert found.notes == (f"converted by bent {BentConverter.version}, compared by version next",)
    told = {str(one) for one in found.differences}
    assert "loans.parquet: the receipt says rows_rejected 0, the source gives 1" in told


def test_what_no_conversion_made_has_no_manifest(loans: Path) -> None:
    with pytest.raises(InvalidOptions, match="no manifest of a conversion"):
        verify_output(loans)

    done = convert_file(loans)
    done.manifest_path.write_text(json.dumps({"manifest": 7}))
    with pytest.raises(CorruptInput, match="version 7 of manifests"):
        verify_output(done.outputs[0])
