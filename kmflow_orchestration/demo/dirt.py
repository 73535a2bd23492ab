"""What is wrong with the demo's evidence, and how it gets in: nothing is dirty by accident.

| kind | what it is |
|---|---|
| wrong_type | text in a column of numbers |
| filler | a word that stands for nothing |
| leading_space | blanks before the value |
| quoted_value | the value between quotation marks of its own |
| mixed_date | dates in other forms than the column's |
| unlikely_date | days nobody meant |
| non_printing | control or zero-width characters inside text |
| digits_in_name | letters replaced by digits in names of people or places |
| duplicate_row | rows that are there twice |
| surplus_field, missing_field | rows with more, or fewer, fields than the header |
| cp1252, utf8_bom | encodings other than plain UTF-8 |
| empty_file, truncated_workbook, lying_extension | files that are not what they seem |
| duplicate_file | the same bytes under another name in the same engagement |
| changed_file | a later drop brings other bytes under the same name |
| outside_engagement | a file above any engagement folder, or in a folder that is no id |
| symlink_out | a link to another group's folder |
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from kmflow_orchestration.demo.column_kit import Cell, Row, Table


@dataclass(frozen=True, slots=True)
class Dirt:
    """One known defect of one file; `count` is in cells or rows, 1 for a whole file."""

    kind: str
    column: str = ""
    count: int = 1


_ROW_KINDS = ("duplicate_row", "surplus_field", "missing_field")


def stained(table: Table, stains: Sequence[Dirt], rng: random.Random) -> Table:
    """The table with exactly these defects; no cell or row gets two of them."""
    rows = list(table.rows)
    touched: set[int] = set()
    for dirt in stains:
        if dirt.kind in _CELLS:
            column = table.column(dirt.column)
            free = [n for n in range(len(rows)) if n not in touched and rows[n][column] is not None]
            chosen = rng.sample(free, dirt.count)
            touched.update(chosen)
            for number in chosen:
                cells = list(rows[number])
                cells[column] = _CELLS[dirt.kind](cells[column], rng)
                rows[number] = tuple(cells)
    for dirt in stains:
        if dirt.kind in _ROW_KINDS:
            chosen = rng.sample([n for n in range(len(rows)) if n not in touched], dirt.count)
            touched.update(chosen)
            _stain_rows(rows, dirt.kind, chosen)
    return replace(table, rows=tuple(rows))


def _stain_rows(rows: list[Row], kind: str, chosen: Sequence[int]) -> None:
    if kind == "duplicate_row":
        # At the end, so that the numbers of the rows before stay what they were.
        rows.extend(rows[number] for number in chosen)
        return
    for number in chosen:
        row = rows[number]
        rows[number] = (*row, "see comment") if kind == "surplus_field" else row[:-1]


def _filler(_value: Cell, rng: random.Random) -> Cell:
    return rng.choice(FILLERS)


def _wrong_type(_value: Cell, rng: random.Random) -> Cell:
    return rng.choice(WRONG_NUMBERS)


def _leading_space(value: Cell, rng: random.Random) -> Cell:
    return " " * rng.randint(1, 3) + str(value)


def _quoted(value: Cell, _rng: random.Random) -> Cell:
    return f'"{value}"'


def _mixed_date(value: Cell, rng: random.Random) -> Cell:
    if not isinstance(value, date):
        return value
    return value.strftime(rng.choice(("%d/%m/%Y", "%b %d, %Y", "%Y%m%d")))


def _unlikely_date(_value: Cell, rng: random.Random) -> Cell:
    return rng.choice(UNLIKELY_DATES)


def _non_printing(value: Cell, rng: random.Random) -> Cell:
    text = str(value)
    return f"{text[:3]}{rng.choice(NON_PRINTING)}{text[3:]}"


def _digits_in_name(value: Cell, _rng: random.Random) -> Cell:
    return f"{str(value)[:2]}0{str(value)[2:]}"


FILLERS = ("N/A", "n/a", "-", "none", "unknown")
WRONG_NUMBERS = ("see note", "12,5 EUR", "approx. 400", "TBD", "1 200 USD")
UNLIKELY_DATES = (date(1899, 12, 31), date(1900, 1, 1), date(2099, 12, 31), date(9999, 12, 31))
NON_PRINTING = ("\x07", "\u200b", "\x1f", "\u00a0")

_CELLS: dict[str, Callable[[Cell, random.Random], Cell]] = {
    "wrong_type": _wrong_type,
    "filler": _filler,
    "leading_space": _leading_space,
    "quoted_value": _quoted,
    "mixed_date": _mixed_date,
    "unlikely_date": _unlikely_date,
    "non_printing": _non_printing,
    "digits_in_name": _digits_in_name,
}
