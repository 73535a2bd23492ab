"""Workbooks of every kind: .xls, .xlsb, .ods, and .xlsx with days counted from 1904."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.interface import ConvertedTable, Source
from kmflow_orchestration.converters.media_types import media_type_of_content
from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.converters.spreadsheet import SpreadsheetConverter
from kmflow_orchestration.errors import ConfigurationError, CorruptInput
from kmflow_orchestration.intake.entry_types import ALLOWED
from kmflow_orchestration_tests.converters.conftest import Writes
from kmflow_orchestration_tests.converters.open_document_samples import (
    ods_cell,
    ods_sheet,
    open_document,
)
from kmflow_orchestration_tests.converters.reading import rows, types

WORKBOOKS = Path(__file__).parent / "workbooks"


def opened(name: str, **options: object) -> dict[str, ConvertedTable]:
    source = Source(WORKBOOKS / name, name)
    return {table.part: table for table in SpreadsheetConverter().open_tables(source, options)}


def told(table: ConvertedTable) -> set[str]:
    return {warning.code for warning in table.warnings}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_old_workbook_has_types_by_its_number_formats() -> None:
    table = opened("days_from_1900.xls")["Values"]

    assert types(table) == {
        "name": "STRING",
        "day": "DATE",
        "at": "TIMESTAMP",
        "clock": "STRING",
        "length": "STRING",
        "share": "DOUBLE",
        "price": "DOUBLE",
        "flag": "BOOLEAN",
        "bad": "STRING",
    }
    assert rows(table)[3] == (
        *("row 4", date(1900, 3, 1), moment("1900-03-01T06:00"), "09:36:00", "48:00:00"),
        *(0.25, 12.5, False, None),
    )


def test_a_day_that_never_was_is_told() -> None:
    table = opened("days_from_1900.xls")["Values"]

    days = [row[1] for row in rows(table)]
    assert days == [
        *(date(1900, 1, 1), date(1900, 2, 28), date(1900, 2, 28), date(1900, 3, 1)),
        date(2023, 3, 15),
    ]
    early = [(one.location, one.message[:7]) for one in table.warnings if one.code == "early_dates"]
    assert early == [
        ("sheet Values, column day", "2 cells"),
        ("sheet Values, column at", "2 cells"),
    ]


def test_days_of_an_old_workbook_may_count_from_1904() -> None:
    table = opened("days_from_1904.xls")["Values"]

    assert [row[1] for row in rows(table)] == [
        *(date(1904, 1, 2), date(1904, 2, 29), date(1904, 3, 1), date(1904, 3, 2)),
        date(2027, 3, 16),
    ]
    assert "early_dates" not in told(table)


def test_sheets_of_an_old_workbook_are_hidden_merged_and_not_all_known() -> None:
    tables = opened("days_from_1900.xls")
    filled = opened("days_from_1900.xls", merged="fill")["Merged"]

    assert told(tables["Hidden"]) == {"hidden_sheet"}
    assert told(tables["Merged"]) == {"merged_cells"}
    assert "not_counted" in told(tables["Values"])
    assert rows(tables["Merged"]) == [("North", 1), (None, 2)]
    assert rows(filled) == [("North", 1), ("North", 2)]


@pytest.mark.parametrize("name", ["loans.xlsx", "loans.ods", "loans"])
def test_a_workbook_is_opened_by_its_content(source: Writes, name: str) -> None:
    old = source((WORKBOOKS / "days_from_1900.xls").read_bytes(), name)
    found = detect(old, default_converters())

    assert isinstance(found.converter, SpreadsheetConverter)
    assert len(found.converter.open_tables(old)) == 3


def test_a_binary_workbook_is_read_and_what_is_not_known_is_told() -> None:
    tables = opened("binary.xlsb")

    assert types(tables["Values"]) == {
        "name": "STRING",
        "day": "DATE",
        "at": "TIMESTAMP",
        "share": "DOUBLE",
        "flag": "BOOLEAN",
    }
    assert rows(tables["Values"]) == [
        ("first", date(2026, 11, 20), moment("2026-11-20T10:30"), 0.25, True),
        ("second", date(1999, 12, 31), moment("1999-12-31T01:02:03"), 12.0, False),
    ]
    assert told(tables["Values"]) == {"not_counted"}
    assert told(tables["Hidden"]) == {"hidden_sheet"}
    with pytest.raises(ConfigurationError, match="merged"):
        opened("binary.xlsb", merged="fill")
    with pytest.raises(ConfigurationError, match="table"):
        opened("binary.xlsb", table=["Loans"])


def test_a_binary_workbook_is_known_by_its_content() -> None:
    path = WORKBOOKS / "binary.xlsb"
    content = path.read_bytes()
    media_type = media_type_of_content(
        content, len(content), lambda size, start: content[start : start + size]
    )
    found = detect(Source(path, "binary.xlsb"), default_converters())

    assert media_type in SpreadsheetConverter.media_types
    assert media_type in ALLOWED
    assert isinstance(found.converter, SpreadsheetConverter)
    assert found.warnings == ()


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_binary_workbook_is_corrupt(source: Writes, share: float) -> None:
    whole = (WORKBOOKS / "binary.xlsb").read_bytes()
    with pytest.raises(CorruptInput):
        SpreadsheetConverter().open_tables(source(whole[: int(len(whole) * share)], "b.xlsb"))


def test_an_open_document_has_the_types_it_writes(source: Writes) -> None:
    cells = [
        ("name", ods_cell("first")),
        ("day", ods_cell("2026-11-20", "date-value", "date")),
        ("at", ods_cell("2026-11-20T10:30:00", "date-value", "date")),
        ("old", ods_cell("1850-01-02", "date-value", "date")),
        ("clock", ods_cell("PT10H30M05S", "time-value", "time")),
        ("share", ods_cell("0.25", "value", "percentage")),
        ("price", ods_cell("12.5", "value", "currency")),
        ("flag", ods_cell("true", "boolean-value", "boolean")),
        ("n", ods_cell("3", "value", "float")),
    ]
    header = "".join(ods_cell(name) for name, _ in cells)
    values = ods_sheet("Values", header, "".join(cell for _, cell in cells))
    secret = ods_sheet("Secret", ods_cell("a"), ods_cell("b"), style="off")
    table, hidden = SpreadsheetConverter().open_tables(
        source(open_document(values, secret), "book.ods")
    )

    assert rows(table) == [
        (
            *("first", date(2026, 11, 20), moment("2026-11-20T10:30"), date(1850, 1, 2)),
            *("10:30:05", 0.25, 12.5, True, 3),
        )
    ]
    assert types(table)["n"] == "BIGINT"
    assert (told(table), told(hidden)) == ({"not_counted"}, {"hidden_sheet"})


def numbers_as(formats: Mapping[str, Sequence[float]], *, from_1904: bool) -> bytes:
    """One column each number format, its name the header."""
    book = openpyxl.Workbook()
    if from_1904:
        book.epoch = CALENDAR_MAC_1904
    sheet = book.worksheets[0]
    sheet.append(list(formats))
    for column, (number_format, numbers) in enumerate(formats.items(), start=1):
        for row, number in enumerate(numbers, start=2):
            sheet.cell(row, column, number).number_format = number_format
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("from_1904", "day"), [(False, date(2023, 3, 15)), (True, date(2027, 3, 16))]
)
def test_numbers_are_days_times_lengths_and_shares_by_their_format(
    source: Writes, from_1904: bool, day: date
) -> None:
    formats = {
        "yyyy-mm-dd": [45000],
        "[h]:mm:ss": [1.5],
        "hh:mm:ss": [0.25],
        "0.00%": [0.125],
        "[$€-407] #,##0.00": [12.0],
    }
    content = numbers_as(formats, from_1904=from_1904)
    (table,) = SpreadsheetConverter().open_tables(source(content, "b.xlsx"))

    assert rows(table) == [(day, "36:00:00", "06:00:00", 0.125, 12)]
    assert table.warnings == ()


def test_days_that_the_reader_gives_as_times_are_told(source: Writes) -> None:
    content = numbers_as({"yyyy-mm-dd": [0, 45000, -1.0]}, from_1904=False)
    (table,) = SpreadsheetConverter().open_tables(source(content, "b.xlsx"))

    assert rows(table) == [("00:00:00",), ("2023-03-15",), ("00:00:00",)]
    (warning,) = table.warnings
    assert (warning.code, warning.message[:7]) == ("times_among_dates", "2 cells")
