from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.spreadsheet import SheetTable, SpreadsheetConverter
from kmflow_orchestration.converters.spreadsheet_columns import observed_column, typed_column
from kmflow_orchestration.converters.spreadsheet_layout import find_header, split_at_blank_rows
from kmflow_orchestration.converters.spreadsheet_values import (
    as_text,
    as_type,
    is_empty,
    observed_cell_type,
)
from kmflow_orchestration.converters.type_lattice import STRING, join_all
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.reading import all_values, rows, types

Row = Sequence[object]
Opens = Callable[..., Sequence[SheetTable]]


def workbook(**sheets: Sequence[Row]) -> bytes:
    buffer = io.BytesIO()
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, content in sheets.items():
        sheet = book.create_sheet(title)
        for row in content:
            sheet.append(row)
    book.save(buffer)
    return buffer.getvalue()


@pytest.fixture
def tables(source: Writes) -> Opens:
    def open_workbook(**sheets: Sequence[Row]) -> Sequence[SheetTable]:
        return SpreadsheetConverter().open_tables(source(workbook(**sheets), "book.xlsx"))

    return open_workbook


def test_every_sheet_is_a_table_with_its_types(tables: Opens) -> None:
    loans, flags = tables(
        Loans=[["id", "amount", "due"], [1, 1.5, date(2026, 11, 20)], [2, 3, date(2026, 1, 2)]],
        Flags=[["is_open"], [True], [False]],
    )

    assert (loans.part, flags.part) == ("Loans", "Flags")
    assert types(loans) == {"id": "BIGINT", "amount": "DOUBLE", "due": "DATE"}
    assert rows(loans) == [(1, 1.5, date(2026, 11, 20)), (2, 3.0, date(2026, 1, 2))]
    assert rows(flags) == [(True,), (False,)]


def test_the_first_row_with_a_value_is_the_header(tables: Opens) -> None:
    (table,) = tables(S=[[], [None, None], [None, "a", "b"], [], [None, 1, 2]])

    assert [(row["_source_row"], row["a"], row["b"]) for row in all_values(table)] == [(5, 1, 2)]
    assert (table.receipt.rows_read, table.receipt.rows_skipped) == (2, 1)


def test_text_cells_stay_text_and_mixed_columns_too(tables: Opens) -> None:
    (table,) = tables(S=[["code", "mixed"], ["007", 1], ["8", "x"], ["9", 2.5]])

    assert types(table) == {"code": "STRING", "mixed": "STRING"}
    assert rows(table) == [("007", "1"), ("8", "x"), ("9", "2.5")]


def test_dates_with_and_without_time_become_timestamps(tables: Opens) -> None:
    (table,) = tables(
        S=[["at"], [date(2026, 11, 20)], [datetime.fromisoformat("2026-11-20T10:30")]]
    )

    assert rows(table) == [
        (datetime(2026, 11, 20, tzinfo=UTC),),
        (datetime(2026, 11, 20, 10, 30, tzinfo=UTC),),
    ]


def test_error_cells_are_null_and_counted(tables: Opens) -> None:
    (table,) = tables(S=[["a", "b"], ["#N/A", 1], [2, "#DIV/0!"]])

    assert rows(table) == [(None, 1), (2, None)]
    assert [warning.message[:2] for warning in table.warnings] == ["2 "]


def test_formulas_without_a_stored_result_are_null_and_counted(tables: Opens) -> None:
    count = 40_000
    formulas: list[Row] = [[at, f"=A{at}+B{at}"] for at in range(2, count + 2)]
    first, second = tables(S=[["a", "b"], *formulas], T=[["a"], [1]])

    assert set(rows(first)) == {(at, None) for at in range(2, count + 2)}
    assert [(one.code, one.message, one.location) for one in first.warnings] == [
        ("uncalculated_formulas", f"{count} formulas have no stored result: NULL", "sheet S")
    ]
    assert second.warnings == ()


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        (b'<c r="A2"><f>1+1</f></c>', 1),
        (b'<c r="A2" s="1"><f>1+1</f><v/></c>', 1),
        (b'<c r="A2"><f t="shared" si="0"/><v></v></c>', 1),
        (b'<c r="A2"><f>1+1</f><v>2</v></c>', 0),
        (b'<c r="A2"><f t="shared" si="0"/><v>2</v></c>', 0),
        (b'<c r="A2" t="str"><f>B1&amp;""</f><v></v></c>', 0),
        (b'<c r="A2"><v></v></c>', 0),
    ],
)
def test_a_formula_has_a_result_or_is_counted(source: Writes, cell: bytes, count: int) -> None:
    (table,) = SpreadsheetConverter().open_tables(source(_with_last_cell(cell), "book.xlsx"))

    messages = [one.message for one in table.warnings if one.code == "uncalculated_formulas"]
    assert messages == [f"{count} formulas have no stored result: NULL"] * count


def _with_last_cell(cell: bytes) -> bytes:
    """A workbook whose A2, the last cell of its sheet, is written so."""
    plain, changed = io.BytesIO(workbook(S=[["a"], [7]])), io.BytesIO()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<c r="A2" t="n"><v>7</v></c>', cell))
    return changed.getvalue()


def test_empty_sheets_are_skipped_with_a_reason(tables: Opens) -> None:
    (table,) = tables(Cover=[], S=[["a"], [1]])

    assert [(warning.code, warning.location) for warning in table.warnings] == [
        ("sheet_skipped", "sheet Cover")
    ]


def test_a_sheet_with_a_header_alone_has_no_rows(tables: Opens) -> None:
    (table,) = tables(S=[["a", "b"]])

    assert (types(table), rows(table)) == ({"a": "STRING", "b": "STRING"}, [])


def test_values_without_a_header_are_kept(tables: Opens) -> None:
    (table,) = tables(S=[["a"], [1, None, "note"]])

    assert rows(table) == [(1, "note")]
    assert [fact.name for fact in table.facts] == ["a", "column_2"]


def test_a_workbook_without_any_value_is_refused(tables: Opens) -> None:
    with pytest.raises(CorruptInput) as error:
        tables(S=[])

    assert error.value.reason == "no_header"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_workbook_is_corrupt(source: Writes, share: float) -> None:
    whole = workbook(S=[["a"], *([n] for n in range(500))])

    with pytest.raises(CorruptInput) as error:
        SpreadsheetConverter().open_tables(source(whole[: int(len(whole) * share)], "b.xlsx"))

    assert error.value.reason == "corrupt"


def test_a_workbook_that_swells_beyond_measure_is_refused(source: Writes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10_001):
            archive.writestr(f"xl/{number}", "")

    with pytest.raises(CorruptInput) as error:
        SpreadsheetConverter().open_tables(source(buffer.getvalue(), "b.xlsx"))

    assert error.value.reason == "too_large_inside"


def test_a_column_can_be_read_as_text(tables: Opens) -> None:
    (table,) = tables(S=[["a", "b"], [1, date(2026, 11, 20)], [2.5, None]])

    assert rows(table, {"a": STRING, "b": STRING}) == [("1", "2026-11-20"), ("2.5", None)]


@pytest.mark.parametrize(
    ("cell", "sql", "text"),
    [
        (1.0, "BIGINT", "1"),
        (-3.0, "BIGINT", "-3"),
        (1e15, "DOUBLE", "1000000000000000.0"),
        (0.1, "DOUBLE", "0.1"),
        (True, "BOOLEAN", "true"),
        (time(3, 4, 5), "STRING", "03:04:05"),
        (timedelta(hours=30, seconds=5), "STRING", "30:00:05"),
        (-timedelta(seconds=1, microseconds=5), "STRING", "-00:00:01.000005"),
    ],
)
def test_cells_have_one_type_and_one_text(cell: object, sql: str, text: str) -> None:
    assert (observed_cell_type(cell).sql, as_text(cell)) == (sql, text)


rounded = st.floats(-1e9, 1e9).map(lambda value: float(f"{value:.12g}"))
cells = st.none() | st.integers(-(10**14), 10**14) | rounded | st.booleans()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.just("x"), cells, cells), min_size=1, max_size=6))
def test_any_sheet_comes_back_with_its_values(tmp_path, content) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "any.xlsx"
    path.write_bytes(workbook(S=[["key", "a", "b"], *content]))
    (table,) = SpreadsheetConverter().open_tables(Source(path, "any.xlsx"))

    for found, row in zip(rows(table), content, strict=True):
        for value, cell in zip(found, row, strict=True):
            assert value == (as_text(cell) if isinstance(value, str) else cell)


naive = (datetime(1900, 3, 1), datetime(9000, 1, 1))  # noqa: DTZ001 - as a workbook has them
moments = st.datetimes(*naive) | st.dates(date(1900, 3, 1))
wild = (
    *(st.none(), st.just(""), st.text(max_size=3), st.floats(), st.integers(), st.booleans()),
    *(moments, st.times(), st.timedeltas()),
)


@given(st.lists(st.one_of(wild), max_size=12) | st.one_of(*(st.lists(one) for one in wild)))
def test_a_column_is_the_join_of_its_cells(column: list[object]) -> None:
    filled = [cell for cell in column if not is_empty(cell)]
    one_by_one = join_all(observed_cell_type(cell) for cell in filled)
    found, empty = observed_column(column)

    assert (found, empty) == (one_by_one, len(column) - len(filled))
    for wanted in (found, STRING):
        expected = pa.array([as_type(cell, wanted) for cell in column], wanted.arrow)
        # Two NaN are not equal, but they are the same text.
        assert str(typed_column(column, wanted).to_pylist()) == str(expected.to_pylist())


TITLED = [
    ["Loans by branch"],
    ["as of", date(2026, 11, 20)],
    [],
    ["branch", "loans", "amount", "due"],
    ["North", 3, 1.5, date(2026, 12, 1)],
    ["South", 4, 2.5, date(2026, 12, 2)],
]


def test_a_title_above_the_header_is_told_and_no_part_of_the_table(tables: Opens) -> None:
    (table,) = tables(S=TITLED)

    assert types(table) == {
        "branch": "STRING",
        "loans": "BIGINT",
        "amount": "DOUBLE",
        "due": "DATE",
    }
    assert [row["_source_row"] for row in all_values(table)] == [5, 6]
    (warning,) = table.warnings
    assert warning.code == "above_header"
    assert "Loans by branch | as of | 2026-11-20" in warning.message
    assert table.receipt.options["header_row"] == "4"


@pytest.mark.parametrize(
    ("content", "header_at"),
    [
        ([], None),
        ([[None, ""]], None),
        ([["only"]], 0),
        ([[], ["a"], [1]], 1),
        ([["id"], [1, "x", 2.0, "y"], [2, "x", 2.0, "y"]], 0),
        ([[2019.0, 2020.0], [1.0, 2.0]], 0),
        ([["Title"], ["a", "b", "c"], ["x", "y", "z"]], 1),
        ([["Title"], [1.0, 2.0, 3.0], ["a", "b", "c"], [4.0, 5.0, 6.0]], 0),
        ([["Title"], [], ["a", "b"], ["x", 1.0]], 2),
        ([["a"], ["x", "y"]], 0),
        ([["a", "b"], [1.0, 2.0, 3.0, 4.0]], 0),
    ],
)
def test_the_header_is_where_the_names_are(
    content: list[list[object]], header_at: int | None
) -> None:
    assert find_header(content) == header_at


def test_a_header_row_can_be_named(source: Writes) -> None:
    file = source(workbook(S=TITLED, T=[["x"], [1]]), "book.xlsx")
    (table,) = SpreadsheetConverter().open_tables(file, {"header_row": 5})

    assert [fact.name for fact in table.facts] == ["north", "c_3", "c_1_5", "c_2026_12_01"]
    assert {warning.code for warning in table.warnings} == {"above_header", "sheet_skipped"}
    with pytest.raises(CorruptInput, match="row 9 is no header"):
        SpreadsheetConverter().open_tables(file, {"header_row": 9})


def test_stretches_between_blank_rows_can_be_tables_of_their_own(source: Writes) -> None:
    content = [["First"], [], ["a", "b"], [1, 2], [], [], ["c"], ["x"], [], ["last"]]
    file = source(workbook(S=content), "book.xlsx")
    first, second, last = SpreadsheetConverter().open_tables(file, {"split_tables": True})

    assert (first.part, second.part, last.part) == ("S", "S:2", "S:3")
    assert [(row["_source_row"], row["a"], row["b"]) for row in all_values(first)] == [(4, 1, 2)]
    assert rows(second) == [("x",)]
    assert ([fact.name for fact in last.facts], rows(last)) == (["last"], [])
    assert [warning.code for warning in first.warnings] == ["above_header"]


def test_merged_cells_have_their_value_once_or_everywhere(source: Writes) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["region", "n"], ["North", 1], [None, 2], ["South", 3]):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    buffer = io.BytesIO()
    book.save(buffer)
    file = source(buffer.getvalue(), "book.xlsx")

    (once,) = SpreadsheetConverter().open_tables(file)
    (filled,) = SpreadsheetConverter().open_tables(file, {"merged": "fill"})

    assert rows(once) == [("North", 1), (None, 2), ("South", 3)]
    assert rows(filled) == [("North", 1), ("North", 2), ("South", 3)]
    assert [one.warnings[0].code for one in (once, filled)] == ["merged_cells", "merged_cells"]


def test_a_hidden_sheet_is_read_and_told(source: Writes) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["shown"])
    book.create_sheet("secret").append(["kept"])
    book.worksheets[1].sheet_state = "veryHidden"
    buffer = io.BytesIO()
    book.save(buffer)
    shown, hidden = SpreadsheetConverter().open_tables(source(buffer.getvalue(), "book.xlsx"))

    assert (shown.warnings, [one.code for one in hidden.warnings]) == ((), ["hidden_sheet"])


@given(st.lists(st.lists(st.sampled_from(["", "x", 1.0]), max_size=4), max_size=14))
def test_splitting_loses_no_row_with_a_value(content: list[list[object]]) -> None:
    blocks = split_at_blank_rows(content)
    taken = [at for block in blocks for at in range(block.first, block.end)]

    assert len(taken) == len(set(taken))
    assert {at for at, row in enumerate(content) if any(row)} <= set(taken)
    for block in blocks:
        assert block.first - (not block.has_header) <= block.header_at < block.end


def test_a_sheet_may_have_no_header(source: Writes) -> None:
    file = source(workbook(S=[["a", 1], ["b", 2]], T=[[], [3.5, None, "x"]]), "book.xlsx")
    first, second = SpreadsheetConverter().open_tables(file, {"no_header": True})

    assert rows(first) == [("a", 1), ("b", 2)]
    assert [fact.name for fact in second.facts] == ["column_1", "column_2"]
    assert [(row["_source_row"], row["column_2"]) for row in all_values(second)] == [(2, "x")]
    assert (first.warnings, second.warnings) == ((), ())


@pytest.mark.parametrize(
    "options", [{"shet": "a"}, {"header_row": "2"}, {"header_row": -1}, {"merged": "all"}]
)
def test_options_that_mean_nothing_are_refused(source: Writes, options: dict[str, object]) -> None:
    file = source(workbook(S=[["a"], [1]]), "book.xlsx")
    with pytest.raises(ConfigurationError):
        SpreadsheetConverter().open_tables(file, options)
