"""Every defect that the demo claims is looked for in the dropped bytes, not in the generator."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from openpyxl import load_workbook

from kmflow_orchestration.demo.dirt import FILLERS, UNLIKELY_DATES, WRONG_NUMBERS, Dirt
from kmflow_orchestration.demo.dirt import __doc__ as dirt_documentation
from kmflow_orchestration.demo.evidence import DIRT, KnownDirt

UNLIKELY = {day.isoformat() for day in UNLIKELY_DATES}
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}( .*)?")


def records(path: Path) -> list[list[str]]:
    if path.suffix == ".xlsx":
        with closing(load_workbook(path, read_only=True)) as book:
            return [
                ["" if cell is None else str(cell) for cell in row]
                for row in book.worksheets[0].iter_rows(values_only=True)
            ]
    text = path.read_bytes().decode("cp1252" if path.name == "employees.csv" else "utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def column(path: Path, name: str) -> list[str]:
    header, *rows = records(path)
    place = header.index(name)
    return [row[place] for row in rows if len(row) > place]


def matching(test: Callable[[str], object]) -> Callable[[Path, Dirt], int]:
    return lambda path, dirt: sum(bool(test(value)) for value in column(path, dirt.column))


def surplus(path: Path, difference: int) -> int:
    header, *rows = records(path)
    return sum(len(row) == len(header) + difference for row in rows)


def is_truncated(path: Path) -> bool:
    return path.read_bytes().startswith(b"PK") and not zipfile.is_zipfile(path)


def twins(path: Path) -> int:
    engagement = path.parents[len(path.parents) - 1 - path.parts.index("procure-to-pay")]
    others = [other for other in engagement.rglob("*") if other.is_file() and other != path]
    return sum(other.read_bytes() == path.read_bytes() for other in others)


COUNTED: dict[str, Callable[[Path, Dirt], int]] = {
    "wrong_type": matching(lambda value: value in WRONG_NUMBERS),
    "filler": matching(lambda value: value in FILLERS),
    "leading_space": matching(lambda value: value.startswith(" ")),
    "quoted_value": matching(lambda value: value[:1] == value[-1:] == '"'),
    "mixed_date": matching(lambda value: value and not _ISO_DAY.fullmatch(value)),
    "unlikely_date": matching(lambda value: value in UNLIKELY),
    "non_printing": matching(lambda value: re.search("[\x07\x1f\u200b\u00a0]", value)),
    "digits_in_name": matching(lambda value: re.search(r"\d", value)),
    "duplicate_row": lambda path, _dirt: sum(
        number - 1 for number in Counter(map(tuple, records(path))).values()
    ),
    "surplus_field": lambda path, _dirt: surplus(path, 1),
    "missing_field": lambda path, _dirt: surplus(path, -1),
    "cp1252": lambda path, _dirt: b"\xfc" in path.read_bytes(),
    "utf8_bom": lambda path, _dirt: path.read_bytes().startswith(b"\xef\xbb\xbf"),
    "empty_file": lambda path, _dirt: path.read_bytes() == b"",
    "truncated_workbook": lambda path, _dirt: is_truncated(path),
    "lying_extension": lambda path, _dirt: (
        path.suffix == ".xlsx" and path.read_bytes().startswith(b"lane,")
    ),
    "duplicate_file": lambda path, _dirt: twins(path),
    "symlink_out": lambda path, _dirt: (
        path.is_symlink()
        and not path.resolve().is_relative_to(path.parents[1].resolve())
        and path.resolve().is_file()
    ),
}


@pytest.mark.parametrize(
    "known", DIRT, ids=lambda known: f"{known.group}-{known.path}-{known.dirt.kind}"
)
def test_each_known_defect_is_really_there(known: KnownDirt, first_landing, second_landing):
    landing = first_landing if known.drop == 1 else second_landing
    path = landing / known.group / known.path
    if known.dirt.kind == "outside_engagement":
        assert not re.match(r"[a-z0-9][a-z0-9_-]*/", known.path)
    elif known.dirt.kind == "changed_file":
        assert path.read_bytes() != (first_landing / known.group / known.path).read_bytes()
    else:
        assert COUNTED[known.dirt.kind](path, known.dirt) == known.dirt.count


def test_the_documentation_lists_exactly_the_kinds_in_use():
    rows = re.findall(r"^\| ([a-z0-9_, ]+) \|", str(dirt_documentation), re.MULTILINE)[1:]
    documented = {kind for row in rows for kind in row.split(", ")}
    assert documented == {known.dirt.kind for known in DIRT}


def test_clean_workbooks_hold_typed_cells(first_landing):
    path = first_landing / "acme/loan-origination/loans/loan_tape_2026-09.xlsx"
    with closing(load_workbook(path, read_only=True)) as book:
        (first,) = book["Loans"].iter_rows(min_row=2, max_row=2, values_only=True)
    assert isinstance(first[4], int | float)
    assert first[7].year >= 2021


def test_the_table_of_pdf_positions_is_right(first_landing):
    content = (first_landing / "globex/freight-operations/tariff.pdf").read_bytes()
    start = int(re.search(rb"startxref\n(\d+)", content).group(1))
    assert content[start:].startswith(b"xref")
    for number, place in enumerate(re.findall(rb"(\d{10}) 00000 n", content), 1):
        assert content[int(place) :].startswith(b"%d 0 obj" % number)
