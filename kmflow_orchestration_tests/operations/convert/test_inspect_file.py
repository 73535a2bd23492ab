"""What a file is and whether it is sound, by reading it (row D14)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kmflow_orchestration.converters.registry import default_converters
from kmflow_orchestration.operations.convert.inspect_file import inspect_file, validate_file
from kmflow_orchestration.operations.convert.list_formats import (
    formats_markdown,
    list_formats,
)
from kmflow_orchestration.operations.convert.option_table import OPTIONS
from kmflow_orchestration_tests.operations.convert.conftest import BentConverter, only

DOCUMENT = Path(__file__).parents[3] / "docs" / "formats.md"


def test_a_table_is_told_with_exact_rows_columns_and_how_it_was_read(loans: Path) -> None:
    found = inspect_file(loans)

    [table] = found.tables
    assert (found.size_bytes, found.converter) == (loans.stat().st_size, "delimited")
    assert (table.rows, table.read_as["delimiter"]) == (3, ",")
    assert [(one["name"], one["type"], one["nulls"]) for one in table.columns] == [
        ("id", "int64", 0),
        ("name", "string", 1),
        ("amount", "decimal128(18, 2)", 1),
        ("opened", "date32[day]", 0),
    ]
    assert found.why == ()


def test_every_sheet_and_every_kind_of_piece_is_told(workbook: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# Risk\n\nTwo words.\n\nMore.\n")

    assert [(one.part, one.rows) for one in inspect_file(workbook).tables] == [
        ("Loans 2026", 2),
        ("People", 1),
    ]
    assert inspect_file(notes).pieces == {"heading": 1, "paragraph": 2}


def test_explaining_says_who_reads_it_how_sure_and_why(loans: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "loans.xlsx"
    renamed.write_bytes(loans.read_bytes())

    why = "\n".join(inspect_file(renamed, explain=True).why)

    assert "content: delimited is 100% sure that it is its own" in why
    assert "name: .xlsx belongs to spreadsheet, which does not agree" in why
    assert "read with delimiter ','" in why


def test_a_converter_that_can_say_how_sure_it_is_is_heard(loans: Path) -> None:
    why = inspect_file(loans, explain=True, registry=only(BentConverter())).why

    assert "reading: fairly sure (75%)" in why
    assert "reading: semicolons line up" in why


def test_sound_files_are_sound_with_their_rows(loans: Path, workbook: Path) -> None:
    for deep in (False, True):
        assert validate_file(loans, deep=deep).rows == 3
        assert validate_file(workbook, deep=deep).is_valid


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("empty.csv", b"", "KM-INTAKE-002", "is empty"),
        ("book.xlsx", b"PK\x03\x04" + bytes(90), "KM-INTAKE-002", "is damaged"),
        ("unknown.bin", bytes(range(256)), "KM-CONVERT-004", "no converter"),
        ("table.xlsx", b"a,b\n1,2\n3,4\n", "KM-INTAKE-002", ".xlsx, the content is delimited"),
    ],
)
def test_an_unsound_file_says_why(
    tmp_path: Path, name: str, content: bytes, code: str, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    found = validate_file(path)

    assert (found.is_valid, found.code) == (False, code)
    assert message in found.message


def test_only_a_deep_look_finds_what_breaks_late(loans: Path) -> None:
    loans.write_text("a\n" + "1\n" * 70_000)
    late = only(BentConverter(fails=ValueError))

    assert validate_file(loans, registry=late).is_valid
    assert "as it was told to" in validate_file(loans, deep=True, registry=late).message


def test_a_table_that_loses_a_row_is_not_sound(loans: Path) -> None:
    found = validate_file(loans, deep=True, registry=only(BentConverter(drops_rows=1)))

    assert (found.is_valid, found.code) == (False, "KM-CONVERT-003")


def test_a_file_of_which_a_document_is_bad_is_not_sound(tmp_path: Path) -> None:
    path = tmp_path / "many.xml"
    path.write_text("<a><b>1</b></a><?xml version='1.0'?><a><b></a>")

    found = validate_file(path)

    assert (found.is_valid, found.code) == (False, "KM-INTAKE-002")
    assert "document 2: 1 of 2 documents are not well-formed" in found.message


def test_formats_are_found_by_what_they_read_and_make() -> None:
    assert [one.converter for one in list_formats(suffix="XLSX")] == ["spreadsheet"]
    assert {one.converter for one in list_formats()} == {one.name for one in default_converters()}
    assert list_formats(output="delta") == ()


def test_a_library_that_is_missing_is_told_with_its_extra() -> None:
    bent = BentConverter()
    bent.libraries = ("python_calamine", "no_such_reader")  # type: ignore[attr-defined]

    [found] = list_formats(registry=only(bent))

    there, missing = found.libraries
    assert (there.is_there, missing.is_there) == (True, False)
    assert found.as_dict()["missing_extras"] == ["all"]
    assert replace(found, libraries=(there,)).is_available


def test_each_option_of_a_converter_has_a_flag() -> None:
    flags = {option.flags[0] for option in OPTIONS if option.is_readers} | {"--on-bad-row"}

    known = {flag for one in list_formats() for flag in one.options}
    assert known <= flags


def test_the_document_of_formats_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == formats_markdown(), "kmflow formats --markdown > docs/formats.md"
