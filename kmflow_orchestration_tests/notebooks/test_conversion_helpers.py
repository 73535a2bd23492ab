"""The helpers that notebooks import: the same functions and options as the command (row D16)."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration import notebook
from kmflow_orchestration.errors import (
    DatabricksConversionError,
    DataLossError,
    InvalidOptions,
    UnsupportedFormatError,
)
from kmflow_orchestration.notebook import batch_convert, convert_file
from kmflow_orchestration.operations.convert.option_table import OPTIONS
from kmflow_orchestration_tests.operations.convert.conftest import LOANS, loans, workbook

__all__ = ["loans", "workbook"]


def test_a_file_gives_the_path_of_its_result(loans: Path, workbook: Path) -> None:
    one, several = convert_file(str(loans)), convert_file(workbook)

    assert one == str(loans.with_suffix(".parquet"))
    assert several == str(workbook.parent / "book_parquet")
    assert pq.read_table(one).num_rows == 3
    assert {path.name for path in Path(several).glob("*.parquet")} == {
        *("book_Loans_2026.parquet", "book_People.parquet"),
    }


def test_a_document_gives_the_folder_of_its_tables(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Risk\n\nTwo words.\n")

    found = Path(convert_file(tmp_path / "notes.md"))

    assert found == tmp_path / "notes_parquet"
    assert (found / "blocks.parquet").is_file()


def test_options_are_those_of_the_command_and_others_are_refused(loans: Path) -> None:
    for helper in (convert_file, batch_convert):
        parameters = inspect.signature(helper).parameters
        assert {option.name for option in OPTIONS} <= set(parameters)

    convert_file(loans, compression="gzip", types="string")
    with pytest.raises(InvalidOptions, match="did you mean compression"):
        convert_file(loans, compresion="gzip")


def test_what_fails_raises_and_leaves_no_path(tmp_path: Path) -> None:
    unknown, head = tmp_path / "unknown.bin", tmp_path / "head.csv"
    unknown.write_bytes(bytes(range(256)))
    head.write_text("a,b\n")

    with pytest.raises(UnsupportedFormatError):
        convert_file(unknown)
    with pytest.raises(DataLossError, match="there is a header and no row"):
        convert_file(head)
    assert convert_file(head, force=True, allow_skip=True) == str(tmp_path / "head.parquet")
    with pytest.raises(DatabricksConversionError):
        convert_file(tmp_path / "nowhere.csv")


def test_a_folder_gives_a_list_of_paths_that_knows_every_file(loans: Path) -> None:
    folder, out = loans.parent, loans.parent.with_name("out")
    (folder / "bad.xlsx").write_bytes(b"PK\x03\x04" + bytes(90))
    (folder / "notes.txt").write_text("not asked for")
    (folder / "more.csv").write_text(LOANS)

    done = batch_convert(folder, out, "*.[cx]*", parallel=1)

    assert done == [str(out / "loans.parquet"), str(out / "more.parquet")]
    assert [(one.file, one.status, one.rows) for one in done.results] == [
        ("bad.xlsx", "failed", 0),
        ("loans.csv", "converted", 3),
        ("more.csv", "converted", 3),
    ]
    assert done.results[0].error.startswith("KM-INTAKE-002: ")
    assert [one.error for one in done.results[1:]] == ["", ""]


def test_a_running_event_loop_is_no_hindrance(loans: Path) -> None:
    async def cell() -> str:
        return convert_file(loans)

    assert Path(asyncio.run(cell())).exists()


def test_both_names_are_one_function() -> None:
    assert notebook.convert_in_notebook is notebook.convert_file
    assert notebook.batch_convert_folder is notebook.batch_convert
