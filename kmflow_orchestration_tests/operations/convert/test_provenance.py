"""Rows of a result that say where they came from, and are found there again (CD-N2)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import InvalidOptions, UnsupportedFormatError
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.options import conversion_options
from kmflow_orchestration.operations.convert.trace_result import trace_result
from kmflow_orchestration.operations.convert.verify_output import verify_output
from kmflow_orchestration_tests.cli.conftest import Kmflow, home, kmflow
from kmflow_orchestration_tests.operations.datasets.dataset_world import write_workbook

__all__ = ["home", "kmflow"]

PROVENANCE = ["_source_file", "_source_part", "_source_row"]
LOANS = "Loans of May\n\nid;amount\n1;1.234,50\n2;7\n3;8\n"


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    path.write_text(LOANS)
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.xlsx"
    write_workbook(
        path,
        {
            "Jan": [[None, "id", "city"], [None, 1, "Oslo"], [], [None, 2, "Rome"]],
            "Feb": [[None, "id", "city"], [None, 3, "Bonn"]],
        },
    )
    return path


def converted(source: Path, **options: object) -> Path:
    (output, *_) = convert_file(source, options=conversion_options(options)).outputs
    return output


def read(path: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(path).to_pylist()
    return rows


def test_provenance_stands_before_the_columns_and_is_verified(book: Path) -> None:
    output = converted(book, provenance=True, sheet=("Jan",))

    assert pq.read_schema(output).names == [*PROVENANCE, "id", "city"]
    assert [tuple(row.values()) for row in read(output)] == [
        ("book.xlsx", "Jan", 2, 1, "Oslo"),
        ("book.xlsx", "Jan", 4, 2, "Rome"),
    ]
    assert verify_output(output).is_equal


def test_without_being_asked_for_nothing_is_added(book: Path) -> None:
    assert pq.read_schema(converted(book, sheet=("Jan",))).names == ["id", "city"]


def test_rows_of_combined_sheets_each_have_their_own(book: Path) -> None:
    output = converted(book, provenance=True, combine=True)

    rows = [(row["_source_part"], row["_source_row"], row["id"]) for row in read(output)]
    assert rows == [("Jan", 2, 1), ("Jan", 4, 2), ("Feb", 2, 3)]
    (found,) = trace_result(output, ["3"]).rows
    assert (found.part, found.row) == ("Feb", 2)
    assert [cell.text for cell in found.cells][:2] == ["3", "Bonn"]


def test_rows_that_are_set_aside_take_no_number_of_another(tmp_path: Path) -> None:
    source = tmp_path / "n.csv"
    source.write_text("id,n\n1,10\n2,no\n3,30\n")
    options = {"schema": {"n": "int64"}, "on_bad_row": "quarantine", "allow_skip": True}

    output = converted(source, provenance=True, **options)

    assert [(row["_source_row"], row["n"]) for row in read(output)] == [(2, 10), (4, 30)]
    (found,) = trace_result(output, ["n=30"]).rows
    assert (found.number, found.row) == (2, 4)


def test_a_column_of_such_a_name_keeps_it(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("_source_row,b\nmine,1\n")

    output = converted(source, provenance=True)

    assert read(output) == [
        {
            "_source_file": "a.csv",
            "_source_part": None,
            "_source_row_2": 2,
            "_source_row": "mine",
            "b": 1,
        }
    ]
    assert verify_output(output).is_equal


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_text_results_have_it_too(loans: Path, form: str) -> None:
    output = converted(loans, provenance=True, format_type=form)

    assert '"loans.csv"' in output.read_text()
    assert verify_output(output).is_equal


@pytest.mark.parametrize("provenance", [True, False])
def test_a_row_of_a_result_is_found_by_number_or_value(loans: Path, *, provenance: bool) -> None:
    output = converted(loans, provenance=provenance)

    by_number = trace_result(output, ["1"])
    by_value = trace_result(output, ["amount=1234.50"])

    (row,) = by_number.rows
    assert by_value.rows == by_number.rows
    assert (row.number, row.row) == (1, 4)
    assert {cell.header: (cell.value, cell.text) for cell in row.cells} == {
        "id": (1, "1"),
        "amount": (Decimal("1234.50"), "1.234,50"),
    }


def test_the_address_of_a_workbooks_row_is_told(book: Path) -> None:
    output = converted(book, sheet=("Jan",))

    (row,) = trace_result(output, ["city=Rome"]).rows

    assert (row.number, row.part, row.address) == (2, "Jan", "Jan!B4:C4")


def test_many_rows_are_listed_up_to_the_limit(tmp_path: Path) -> None:
    source = tmp_path / "many.csv"
    source.write_text("k,n\n" + "".join(f"a,{n}\n" for n in range(2000)))

    found = trace_result(converted(source), ["k=a"], limit=3)

    assert ([row.row for row in found.rows], found.has_more) == ([2, 3, 4], True)
    assert not trace_result(converted(source, force=True), ["n=1999"]).has_more


@pytest.mark.parametrize(
    ("key", "told"),
    [("amuont=1", "did you mean amount"), ("id", "names no row"), ("_source_row=x", "is no int64")],
)
def test_what_names_no_row_is_refused(loans: Path, key: str, told: str) -> None:
    output = converted(loans, provenance=True)
    with pytest.raises(InvalidOptions, match=told):
        trace_result(output, [key])


def test_a_source_that_changed_or_went_is_no_source(loans: Path) -> None:
    output = converted(loans)
    kept = loans.read_bytes()
    loans.write_text("id;amount\n1;2\n")
    with pytest.raises(InvalidOptions, match="does not hold the bytes"):
        trace_result(output, ["1"])
    loans.unlink()
    with pytest.raises(InvalidOptions, match="is not there"):
        trace_result(output, ["1"])
    moved = loans.with_name("elsewhere.csv")
    moved.write_bytes(kept)
    assert trace_result(output, ["1"], moved).rows[0].row == 4


def test_only_tables_of_conversions_are_traced(loans: Path, tmp_path: Path) -> None:
    output = converted(loans, format_type="csv")
    with pytest.raises(UnsupportedFormatError):
        trace_result(output, ["1"])
    strange = tmp_path / "strange" / "x.parquet"
    strange.parent.mkdir()
    pq.write_table(pq.read_table(converted(loans, force=True)), strange)
    with pytest.raises(InvalidOptions, match="no manifest"):
        trace_result(strange, ["1"])


def test_the_commands_do_the_same(kmflow: Kmflow, loans: Path) -> None:
    made = kmflow("convert", str(loans), "--provenance", "--quiet")
    output = str(loans.with_suffix(".parquet"))

    shown = kmflow("trace", output, "1")
    told = kmflow("trace", output, "_source_row=5", "--json")

    assert (made.code, shown.code, told.code) == (0, 0, 0), shown.err
    assert "1.234,50" in shown.out
    assert told.json["rows"][0]["row"] == 5
    assert kmflow("trace", output, "99").code == 1
    assert kmflow("trace", output, "x=1").code == 2
    assert kmflow("trace", "e1__loans", "id=1").code == 2
