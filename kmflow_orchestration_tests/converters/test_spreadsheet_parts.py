"""What of a workbook is read: ranges, defined tables, hidden sheets, and sheets without a table."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.worksheet.table import Table

from kmflow_orchestration.converters.interface import ConvertedTable
from kmflow_orchestration.converters.spreadsheet import SpreadsheetConverter
from kmflow_orchestration.converters.spreadsheet_grid import GridTable
from kmflow_orchestration.converters.spreadsheet_range import (
    CellRange,
    column_index,
    column_letters,
)
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types
from kmflow_orchestration_tests.converters.test_spreadsheet import workbook

Opens = Callable[..., dict[str, ConvertedTable]]

FORM = [
    ["Change request", None, None, None],
    [],
    [None, "From", None, "Ada"],
    [],
    [None, None, "Approved", None, True],
    ["Since", date(2026, 11, 20)],
]
LOANS = [["id", "amount"], [1, 2.5], [2, 3.5]]


@pytest.fixture
def tables(source: Writes) -> Opens:
    def opened(content: bytes, **options: Any) -> dict[str, ConvertedTable]:
        found = SpreadsheetConverter().open_tables(source(content, "book.xlsx"), options)
        return {table.part: table for table in found}

    return opened


def codes(table: ConvertedTable) -> list[str]:
    return [warning.code for warning in table.warnings]


def test_a_range_is_read_and_what_lies_outside_is_counted(tables: Opens) -> None:
    content = workbook(S=[["title"], ["x", "id", "amount"], ["x", 1, 2.5], ["x", 2, 3.5], ["y", 9]])
    table = tables(content, range="B2:C4")["S"]

    assert [(row["_source_row"], row["id"], row["amount"]) for row in all_values(table)] == [
        (3, 1, 2.5),
        (4, 2, 3.5),
    ]
    assert [(one.code, one.message[:7]) for one in table.warnings] == [("outside_range", "6 cells")]


@pytest.mark.parametrize(
    ("text", "headers"), [("B:C", ["id", "amount"]), ("2:3", ["x", "1", "2.5"])]
)
def test_a_range_may_be_of_whole_columns_or_rows(
    tables: Opens, text: str, headers: list[str]
) -> None:
    content = workbook(S=[["x", "id", "amount"], ["x", 1, 2.5], ["x", 2, 3.5]])

    assert [fact.source_name for fact in tables(content, range=text)["S"].facts] == headers


@pytest.mark.parametrize(
    "text", ["A5", "A5:F", "F2:A1", "A0:B2", ":", "A:ZZZZ", "A1:B1048577", "A5:200", "S!A1:B2"]
)
def test_a_range_that_means_nothing_is_refused(tables: Opens, text: str) -> None:
    with pytest.raises(ConfigurationError, match="range"):
        tables(workbook(S=LOANS), range=text)


def test_a_range_without_any_value_holds_no_table(tables: Opens) -> None:
    with pytest.raises(CorruptInput, match="no value in X1:Z9"):
        tables(workbook(S=LOANS), range="X1:Z9")


@given(st.integers(0, 20_000))
def test_columns_have_letters(index: int) -> None:
    assert column_index(column_letters(index)) == index


cells = st.sampled_from(["", "x", 1.0])


@given(
    st.lists(st.lists(cells, max_size=5), max_size=6),
    st.tuples(*[st.integers(0, 5)] * 4),
)
def test_a_range_keeps_every_cell_within_where_it_was(
    content: list[list[Any]], ends: tuple[int, int, int, int]
) -> None:
    first, second, third, fourth = ends
    area = CellRange(min(first, second), min(third, fourth), max(first, second), max(third, fourth))
    kept, outside = area.within(content)

    def filled(found: Sequence[Sequence[Any]]) -> dict[tuple[int, int], Any]:
        return {
            (at, column): cell
            for at, row in enumerate(found)
            for column, cell in enumerate(row)
            if cell != ""
        }

    whole = filled(content)
    inside = {
        place: cell
        for place, cell in whole.items()
        if area.top <= place[0] <= area.bottom and area.left <= place[1] <= area.right
    }
    assert filled(kept) == inside
    assert outside == len(whole) - len(inside)


@pytest.fixture
def with_defined_tables() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (
        ["Loans of November"],
        [None, "id", "amount"],
        [None, 1, 2.5],
        [None, 2, 3.5],
        [None, "Total", 6.0],
        ["beside"],
    ):
        sheet.append(row)
    defined = Table(displayName="Loans", ref="B2:C5")
    defined.totalsRowCount = 1
    sheet.add_table(defined)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_a_defined_table_is_read_by_its_name_and_without_its_totals(
    tables: Opens, with_defined_tables: bytes
) -> None:
    found = tables(with_defined_tables, table=["loans"])

    assert list(found) == ["Loans"]
    assert [
        (row["_source_row"], row["id"], row["amount"]) for row in all_values(found["Loans"])
    ] == [
        (3, 1, 2.5),
        (4, 2, 3.5),
    ]
    assert types(found["Loans"]) == {"id": "BIGINT", "amount": "DOUBLE"}


def test_a_table_that_is_not_defined_is_refused(tables: Opens, with_defined_tables: bytes) -> None:
    with pytest.raises(ConfigurationError, match="table cannot be 'rates'") as error:
        tables(with_defined_tables, table=["Loans", "rates"])

    assert error.value.hint == "the workbook defines Loans"
    with pytest.raises(ConfigurationError, match="excludes header_row"):
        tables(with_defined_tables, table=["Loans"], header_row=2)


def with_hidden_sheet(*shown: str) -> bytes:
    book = openpyxl.Workbook()
    book.worksheets[0].append(shown)
    book.create_sheet("Secret").append(["kept"])
    book.worksheets[1].sheet_state = "hidden"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_hidden_sheets_can_be_left_out(tables: Opens) -> None:
    found = tables(with_hidden_sheet("shown"), include_hidden=False)

    assert list(found) == ["Sheet"]
    assert [(one.code, one.location) for one in found["Sheet"].warnings] == [
        ("hidden_left_out", "sheet Secret")
    ]


def test_leaving_out_hidden_sheets_must_leave_something(tables: Opens) -> None:
    with pytest.raises(ConfigurationError, match="include_hidden leaves nothing"):
        tables(with_hidden_sheet(), include_hidden=False)


def test_a_sheet_that_is_no_table_becomes_a_list_of_its_cells(tables: Opens) -> None:
    found = tables(workbook(Form=FORM, Loans=LOANS))

    assert list(found) == ["Form.grid", "Loans"]
    assert rows(found["Form.grid"]) == [
        (1, "A", "Change request", "text"),
        (3, "B", "From", "text"),
        (3, "D", "Ada", "text"),
        (5, "C", "Approved", "text"),
        (5, "E", "true", "boolean"),
        (6, "A", "Since", "text"),
        (6, "B", "2026-11-20", "date"),
    ]
    assert codes(found["Form.grid"]) == ["sheet_as_cells"]
    assert found["Form.grid"].receipt.adds_up
    assert types(found["Form.grid"])["row"] == "BIGINT"


def test_whoever_says_how_a_sheet_is_read_gets_it_so(tables: Opens) -> None:
    content = workbook(Form=FORM, Loans=LOANS)

    assert list(tables(content, grid="never")) == ["Form", "Loans"]
    assert list(tables(content, header_row=1)) == ["Form", "Loans"]
    assert list(tables(content, no_header=True)) == ["Form", "Loans"]
    always = tables(content, grid="always")
    assert list(always) == ["Form.grid", "Loans.grid"]
    assert rows(always["Loans.grid"])[:2] == [(1, "A", "id", "text"), (1, "B", "amount", "text")]
    with pytest.raises(ConfigurationError, match="grid"):
        tables(content, grid="always", header_row=1)


@pytest.mark.parametrize(
    ("cell", "word", "text"),
    [
        (1.5, "number", "1.5"),
        (False, "boolean", "false"),
        (datetime.fromisoformat("2026-11-20T10:30"), "datetime", "2026-11-20T10:30:00"),
        (date(2026, 11, 20), "date", "2026-11-20"),
        (time(10, 30), "time", "10:30:00"),
        (timedelta(hours=30), "duration", "30:00:00"),
        ("x", "text", "x"),
    ],
)
def test_a_listed_cell_says_what_it_is(cell: Any, word: str, text: str) -> None:
    assert rows(GridTable("S", 1, [["", cell]], "00")) == [(1, "B", text, word)]


@pytest.mark.parametrize(
    ("content", "headers", "count"),
    [
        ([[1, 2], [3, 4]], ["", ""], 2),
        ([[1.5, True]], ["", ""], 1),
        ([[2019, 2020], [2021, 2022]], ["", ""], 2),
        ([[2019, 2020], [1, 2]], ["2019", "2020"], 1),
        ([[2019, 2019], [1, 2]], ["", ""], 2),
        ([[date(2026, 1, 1), date(2026, 2, 1)], [1, 2]], ["2026-01-01", "2026-02-01"], 1),
        ([["id", 2020], [1, 2]], ["id", "2020"], 1),
    ],
)
def test_numbers_alone_have_no_header_unless_they_count_years_or_days(
    tables: Opens, content: list[list[Any]], headers: list[str], count: int
) -> None:
    table = tables(workbook(S=content))["S"]

    assert [fact.source_name for fact in table.facts] == headers
    assert len(rows(table)) == count
    assert codes(table) == ([] if any(headers) else ["no_header"])
