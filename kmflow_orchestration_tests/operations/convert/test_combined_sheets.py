"""Sheets with the same columns as one table, by request (rows D12, D20, D27; CD-S12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.operations.convert.conftest import names_in

Sheets = Mapping[str, Sequence[Sequence[Any]]]
Writes = Callable[[Sheets], Path]

EQUAL = {
    "Jan": [["id", "amount"], [1, 2], [2, 3]],
    "Feb": [[" ID ", "Amount"], [3, 4.5]],
}
OTHER = {"People": [["name"], ["Ann"]]}


@pytest.fixture
def book(tmp_path: Path) -> Writes:
    def write(sheets: Sheets) -> Path:
        workbook = openpyxl.Workbook()
        workbook.remove(workbook.worksheets[0])
        for title, rows in sheets.items():
            sheet = workbook.create_sheet(title)
            for row in rows:
                sheet.append(row)
        path = tmp_path / "book.xlsx"
        workbook.save(path)
        return path

    return write


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


COMBINED = conversion_options({"combine": True})


def test_equal_sheets_become_one_table_that_says_where_its_rows_are_from(book: Writes) -> None:
    done = convert_file(book(EQUAL), options=COMBINED)

    assert [path.name for path in done.outputs] == ["book.parquet"]
    assert rows_of(done.outputs[0]) == [
        {"id": 1, "amount": 2.0, "_sheet": "Jan"},
        {"id": 2, "amount": 3.0, "_sheet": "Jan"},
        {"id": 3, "amount": 4.5, "_sheet": "Feb"},
    ]
    (record,) = done.manifest.outputs
    assert (record.rows, record.receipt["rows_read"], record.part) == (3, 3, "Jan")
    assert record.receipt["options"] == {"sheets": "Jan/Feb"}


def test_each_group_is_named_after_its_first_sheet(book: Writes) -> None:
    done = convert_file(book({"Jan": EQUAL["Jan"], **OTHER, "Feb": EQUAL["Feb"]}), options=COMBINED)

    assert names_in(done.outputs[0].parent) == {
        *("book_Jan.parquet", "book_People.parquet", "_manifest.json"),
    }
    # The peer overwrote one group with the other and told twice the rows of the last.
    assert (done.rows, sum(pq.read_metadata(path).num_rows for path in done.outputs)) == (4, 4)
    assert rows_of(done.outputs[1]) == [{"name": "Ann", "_sheet": "People"}]


def test_sheets_stay_apart_by_themselves(book: Writes) -> None:
    source = book(EQUAL)
    alone = convert_file(source)
    asked = convert_file(source, options=conversion_options({"separate": True, "force": True}))

    assert [path.name for path in alone.outputs] == ["book_Jan.parquet", "book_Feb.parquet"]
    assert asked.manifest.options == alone.manifest.options
    assert [one.sha256 for one in asked.manifest.outputs] == [
        one.sha256 for one in alone.manifest.outputs
    ]


def test_only_chosen_sheets_are_combined(book: Writes) -> None:
    options = conversion_options({"combine": True, "sheet": ("Feb", "People")})
    done = convert_file(book({**EQUAL, **OTHER}), options=options)

    assert [path.name for path in done.outputs] == ["book_Feb.parquet", "book_People.parquet"]
    assert done.manifest.left_out == ("Jan",)


def test_other_columns_in_another_order_are_another_group(book: Writes) -> None:
    done = convert_file(
        book({"A": [["a", "b"], [1, 2]], "B": [["b", "a"], [1, 2]]}), options=COMBINED
    )

    assert len(done.outputs) == 2


def test_a_column_that_is_named_so_already_keeps_its_name(book: Writes) -> None:
    done = convert_file(
        book({"A": [["_sheet"], ["x"]], "B": [["_sheet"], ["y"]]}), options=COMBINED
    )

    assert rows_of(done.outputs[0]) == [
        {"_sheet": "x", "_sheet_2": "A"},
        {"_sheet": "y", "_sheet_2": "B"},
    ]


def test_what_was_combined_is_verified_as_such_and_comes_out_alike(book: Writes) -> None:
    source = book(EQUAL)
    first = convert_file(source, options=COMBINED)
    content = first.outputs[0].read_bytes()
    again = convert_file(source, options=conversion_options({"combine": True, "force": True}))

    assert verify_output(again.outputs[0]).differences == ()
    assert again.outputs[0].read_bytes() == content


def test_together_or_without_a_workbook_they_mean_nothing(loans: Path) -> None:
    with pytest.raises(InvalidOptions, match="exclude each other"):
        conversion_options({"combine": True, "separate": True})
    for name in ("combine", "separate"):
        with pytest.raises(InvalidOptions, match=f"--{name} means nothing to the delimited"):
            convert_file(loans, options=conversion_options({name: True}))


def test_a_sheet_is_chosen_by_its_own_number_and_with_all_its_tables(book: Writes) -> None:
    sheets = {
        "Empty": [],
        "Form": [["Change"], [], ["", "", "From"], ["", "", "", "", "Ada"], ["", "Since", 2026]],
        "Two": [["a"], [1], [], ["b"], [2]],
    }
    by_number = convert_file(book(sheets), options=conversion_options({"sheet": ("2",)}))
    by_name = convert_file(
        book(sheets), options=conversion_options({"sheet": ("two",), "split_tables": True})
    )

    assert [one.part for one in by_number.manifest.outputs] == ["Form.grid"]
    assert [path.name for path in by_number.outputs] == ["book.parquet"]
    assert [one.part for one in by_name.manifest.outputs] == ["Two", "Two:2"]
    assert [path.name for path in by_name.outputs] == ["book_Two.parquet", "book_Two_2.parquet"]
