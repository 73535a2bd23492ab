"""Sheets read by a pattern of their rows come out as the reader's own cells do (issue 6)."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.converters.interface import ConvertedTable, Source
from kmflow_orchestration.converters.spreadsheet import SpreadsheetConverter
from kmflow_orchestration.converters.spreadsheet_patterned import patterned_sheets

HEADERS = ("id", "name", "amount", "day", "at", "ok", "mixed")
ROWS = 70


def _row(at: int) -> list[Any]:
    return [
        at,
        f"customer {at % 7} é",
        at / 8,
        dt.date(2020, 1, 1) + dt.timedelta(days=at),
        dt.datetime(2020, 1, 1, 8) + dt.timedelta(minutes=at),  # noqa: DTZ001 (as in workbooks)
        at % 2 == 0,
        "none" if at % 3 else at,
    ]


def _with_openpyxl(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    for row in (HEADERS, *rows):
        sheet.append(list(row))
    book.save(path)


def _with_xlsxwriter(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    import xlsxwriter  # type: ignore[import-untyped]

    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        sheet = book.add_worksheet("rows")
        for at, row in enumerate((HEADERS, *rows)):
            sheet.write_row(at, 0, row)


def _edited(path: Path, pattern: bytes, instead: bytes) -> None:
    """The workbook with something else in its sheet, once."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            if name.endswith("sheet1.xml"):
                content, count = re.subn(pattern, instead, content, count=1)  # noqa: PLW2901
                assert count == 1
            archive.writestr(name, content)


def _patterned(path: Path) -> ConvertedTable | None:
    found = patterned_sheets(path, "hash", {"rows": 1}, least_bytes=0)
    return found["rows"].table if found else None


def _by_the_reader(path: Path) -> ConvertedTable:
    # Of this size it is never read otherwise.
    (table,) = SpreadsheetConverter().open_tables(Source(path, path.name))
    return table


def _content(table: ConvertedTable) -> list[Any]:
    return [
        table.part,
        table.facts,
        table.receipt.rows_read,
        table.receipt.rows_written,
        table.receipt.options,
        [one for one in table.warnings if one.code not in ("merged_cells", "error_cells")],
        pa.Table.from_batches(list(table.batches())).combine_chunks(),
    ]


WRITERS = pytest.mark.parametrize("write", [_with_openpyxl, _with_xlsxwriter])


@WRITERS
def test_rows_of_one_form_are_what_the_reader_gives(
    write: Callable[[Path, Sequence[Sequence[Any]]], None], tmp_path: Path
) -> None:
    path = tmp_path / "book.xlsx"
    write(path, [_row(at) for at in range(ROWS)])

    found = _patterned(path)

    assert found is not None
    assert _content(found) == _content(_by_the_reader(path))


@WRITERS
@pytest.mark.parametrize(
    "odd",
    [
        {},
        {1700: (1, "odd & <text>")},
        {1700: (1, " blanks ")},
        {1700: (1, "café")},
        {1700: (2, None)},
        {2300: (0, "text where numbers are")},
    ],
    ids=["none", "decoded", "trimmed", "not ASCII", "gap", "other form"],
)
def test_many_rows_cut_at_once_are_what_the_reader_gives(
    write: Callable[[Path, Sequence[Sequence[Any]]], None],
    odd: dict[int, tuple[int, Any]],
    tmp_path: Path,
) -> None:
    rows = [[*_row(at)[:6], f"note {at}"] for at in range(2500)]
    for row, (at, value) in odd.items():
        rows[row][at] = value
    path = tmp_path / "book.xlsx"
    write(path, rows)

    found = _patterned(path)

    assert found is not None
    assert _content(found) == _content(_by_the_reader(path))


@WRITERS
def test_gaps_and_forms_that_come_later_are_learned(
    write: Callable[[Path, Sequence[Sequence[Any]]], None], tmp_path: Path
) -> None:
    rows = [_row(at) for at in range(1100)]
    for at in range(5, 1100, 3):
        rows[at][at % 7] = None
    rows[1050][2] = "not a number & <odd>"
    path = tmp_path / "book.xlsx"
    write(path, rows)

    found = _patterned(path)

    assert found is not None
    assert _content(found) == _content(_by_the_reader(path))


CELLS = st.one_of(
    st.none(),
    st.integers(-(10**16), 10**16),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(dt.date(1900, 1, 1), dt.date(9999, 12, 31)),
    st.times(),
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]) | st.just("\n"),
        max_size=8,
    ).filter(lambda text: not text.startswith("=")),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(*[CELLS] * 6), min_size=1, max_size=6))
def test_any_cells_are_those_of_the_reader_or_left_to_it(
    tmp_path: Path, some: list[tuple[Any, ...]]
) -> None:
    path = tmp_path / "book.xlsx"
    _with_openpyxl(path, [(at, *some[at % len(some)]) for at in range(ROWS)])

    found = _patterned(path)

    assert found is None or _content(found) == _content(_by_the_reader(path))


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (rb'<row r="40"', rb'<row r="4000"'),
        (rb'<c r="B40"', rb'<c r="C40"'),
        (rb'<row r="40"', rb'<!-- <row r="39"></row> --><row r="40"'),
        (rb'(<c r="A68"[^>]*>)<v>', rb"\1<f>1+1</f><v>"),
        (rb'(<c r="A68"[^>]*><v>)', rb"\g<1>x"),
        (rb'(<c r="A68"[^>]*><v>)', rb"\g<1>1e999"),
        (rb'<row r="68".*?</row>', b'<row r="68"/>'),
        (rb'<c r="B68".*?</c>', rb'<c r="B68" s=0"/>'),
        (rb"customer 5 ", b"customer \xff "),
        (rb'<row r="68"', b'<row R="68"'),
        (rb'<row r="71"[^>]*>', b"<row>"),
        (rb"\A", b'<?xml version="1.0" encoding="latin-1"?>'),
    ],
    ids=lambda text: f"{len(text)}",
)
def test_sheets_that_are_otherwise_are_left_to_the_reader(
    pattern: bytes, instead: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "book.xlsx"
    _with_openpyxl(path, [_row(at) for at in range(ROWS)])
    assert _patterned(path) is not None

    _edited(path, pattern, instead)

    assert _patterned(path) is None


def test_blank_rows_may_stand_above_the_header(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("rows")
        sheet.write_row(1, 0, ["a title"])
        for at, row in enumerate([HEADERS[:3], *(_row(at)[:3] for at in range(ROWS))], start=4):
            sheet.write_row(at, 0, row)

    found = _patterned(path)

    assert found is not None
    assert _content(found) == _content(_by_the_reader(path))


def test_errors_in_the_header_and_merged_ranges_are_counted(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "rows"
    sheet.append([*HEADERS[:-1], "#N/A"])
    for at in range(ROWS):
        sheet.append(_row(at))
    sheet.merge_cells("I1:J1")
    path = tmp_path / "book.xlsx"
    book.save(path)

    found = patterned_sheets(path, "hash", {"rows": 1}, least_bytes=0)["rows"]

    assert (found.counts.errors, found.merged_count) == (1, 1)


def test_of_two_members_of_one_name_the_reader_says_which_counts(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    _with_openpyxl(path, [_row(at) for at in range(ROWS)])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/worksheets/Sheet1.xml", "<worksheet/>")

    assert _patterned(path) is None


def test_a_wide_row_above_the_header_is_part_of_the_sheet(tmp_path: Path) -> None:
    rows = [[None] * 9 + ["title"], HEADERS, *(_row(at) for at in range(ROWS))]
    path = tmp_path / "book.xlsx"
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    for row in rows:
        sheet.append(list(row))
    book.save(path)

    found = _patterned(path)

    assert found is not None
    assert _content(found) == _content(_by_the_reader(path))
