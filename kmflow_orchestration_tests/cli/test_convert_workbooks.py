"""Workbooks and locked files as a person converts them (rows D12, D27)."""

from __future__ import annotations

import io
from pathlib import Path

import openpyxl
import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from kmflow_orchestration_tests.cli.conftest import Kmflow

WORD = "correct-horse-battery"


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, first in (("Jan", 1), ("Feb", 2)):
        sheet = book.create_sheet(title)
        for row in (["title"], ["id", "amount"], [first, 2.5]):
            sheet.append(row)
    book.worksheets[1].sheet_state = "hidden"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.xlsx"
    path.write_bytes(workbook())
    return path


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    path = tmp_path / "locked.xlsx"
    with path.open("wb+") as target:
        OOXMLFile(io.BytesIO(workbook())).encrypt(WORD, target)
    return path


def test_flags_say_what_of_a_workbook_is_read(kmflow: Kmflow, book: Path) -> None:
    combined = kmflow("convert", str(book), "--combine", "--range", "A2:B3")
    shown = kmflow("convert", str(book), "--force", "--no-include-hidden")
    cells = kmflow("convert", str(book), "cells/", "--grid", "always", "--sheet", "Jan")
    absent = kmflow("convert", str(book), "--force", "--table", "Loans")

    assert combined.out == f"{book.with_suffix('.parquet')}: 2 rows, 3 columns\n"
    assert "hidden_left_out (sheet Feb)" in shown.err
    assert cells.out.endswith(": 5 rows, 4 columns\n")
    assert (absent.code, "the workbook defines none" in absent.err) == (2, True)
    assert [one.code for one in (combined, shown, cells)] == [0, 0, 0]


def test_a_password_comes_by_one_way_and_is_never_shown(
    kmflow: Kmflow, locked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOD", WORD)
    monkeypatch.setenv("BAD", "something-else")
    convert = ("convert", str(locked), "--sheet", "Jan", "--force")

    by_name = kmflow(*convert, "--password-env", "GOOD")
    wrong = kmflow(*convert, "--password-env", "BAD")
    plain = kmflow(*convert, "--password", WORD)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{WORD}\n"))
    piped = kmflow("info", str(locked), "--password-stdin")

    assert [one.code for one in (by_name, wrong, plain, piped)] == [0, 4, 0, 0]
    assert "warning" in plain.err
    assert "warning: lists of processes" not in by_name.err
    told = "".join(one.out + one.err for one in (by_name, wrong, plain, piped))
    assert WORD not in told
    assert "something-else" not in told


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        ((), 1, "--password-env"),
        (("--password-env", "NOWHERE_SET"), 3, "env:NOWHERE_SET is not set"),
        (("--password-env", "A", "--password", "b"), 2, "give one of"),
    ],
)
def test_a_locked_file_without_its_password_is_refused(
    kmflow: Kmflow, locked: Path, more: tuple[str, ...], code: int, told: str
) -> None:
    outcome = kmflow("convert", str(locked), *more)

    assert (outcome.code, outcome.out) == (code, "")
    assert told in outcome.err
