"""Tables on PDF pages: ruled ones, and those whose columns are plainly aligned (row D32).

A PDF knows characters and lines, and no table. What is only likely to be one is left as text,
which has all of it in any case: docs/decisions/0059.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from kmflow_orchestration.converters.document_tables import table_of
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    BlockKind,
    ConversionWarning,
    ConvertedTable,
    TextBlock,
)
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.written_numbers import looks_like_number
from kmflow_orchestration.errors import CorruptInput

_SKIPPED = "tables_skipped"
_LEAST_ROWS, _LEAST_COLUMNS, _LEAST_ALIGNED = 2, 2, 3
_MOST_CHARACTERS = 200_000
# In widths of a character: a wider gap parts two cells, not two words.
_CELL_GAP = 2.5
_SAME_LINE = 3.0
# Prose in columns has longer lines than a table has cells.
_LONGEST_CELL = 40
_RULED = {"vertical_strategy": "lines", "horizontal_strategy": "lines"}

Rows = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """Words that stand together on a line."""

    text: str
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class _Found:
    """A table from `top` down, of which `kind` says what made it one."""

    top: float
    kind: str
    rows: Rows


def tables_of_pages(
    path: Path, pages: Sequence[int], origin: Origin
) -> tuple[list[ConvertedTable], list[ConversionWarning]]:
    """Tables of these pages, as `p<page>_t<number>`, and what could not be looked at.

    The reader of the text may read what this one does not.
    """
    import pdfplumber

    tables: list[ConvertedTable] = []
    told: list[ConversionWarning] = []
    try:
        with refusals_of("PDF"), closing(pdfplumber.open(path)) as document:
            for number in pages:
                place = f"page {number}"
                try:
                    with refusals_of(place):
                        found = _tables_of(document.pages[number - 1])
                except CorruptInput as error:
                    told.append(ConversionWarning(_SKIPPED, error.message, place))
                    continue
                tables += _converted(found, number, origin)
    except CorruptInput as error:
        told.append(ConversionWarning(_SKIPPED, error.message))
    return tables, told


def _converted(found: Sequence[_Found], page: int, origin: Origin) -> Iterator[ConvertedTable]:
    for count, one in enumerate(found, start=1):
        heading, place = f"{one.kind} table", f"page {page}"
        block = TextBlock(BlockKind.TABLE, "", heading, place, rows=one.rows)
        yield table_of(f"p{page}_t{count}", block, origin)


def _tables_of(page: Any) -> list[_Found]:
    try:
        if len(page.chars) > _MOST_CHARACTERS:
            raise CorruptInput(f"{len(page.chars)} characters are more than a page has")
        ruled = [one for one in page.find_tables(_RULED) if _is_table(_texts(one))]
        found = [_Found(one.bbox[1], "ruled", _texts(one)) for one in ruled]
        boxes = [one.bbox for one in ruled]
        words = [word for word in page.extract_words() if not _lies_in(word, boxes)]
        found += _aligned(words)
    finally:
        # It keeps all that it made of each page.
        page.close()
    return sorted(found, key=lambda one: one.top)


def _texts(table: Any) -> Rows:
    return tuple(tuple((cell or "").strip() for cell in row) for row in table.extract())


def _is_table(rows: Rows) -> bool:
    """Not one box around a text, and not an empty grid."""
    filled = [sum(map(bool, row)) for row in rows]
    return (
        len(rows) >= _LEAST_ROWS
        and max(map(len, rows)) >= _LEAST_COLUMNS
        and sum(count >= _LEAST_COLUMNS for count in filled) >= _LEAST_ROWS
    )


def _lies_in(word: Any, boxes: Sequence[Any]) -> bool:
    across, down = (word["x0"] + word["x1"]) / 2, (word["top"] + word["bottom"]) / 2
    return any(
        left <= across <= right and top <= down <= bottom for left, top, right, bottom in boxes
    )


def _aligned(words: Sequence[Any]) -> Iterator[_Found]:
    """Lines one below the other with as many cells, whose columns do not touch."""
    run: list[tuple[float, list[_Cell]]] = []
    for top, cells in [*_lines(words), (0.0, [])]:
        if run and not _fits(run, cells):
            if found := _of_run(run):
                yield found
            run = []
        if len(cells) >= _LEAST_ALIGNED:
            run.append((top, cells))


def _fits(run: Sequence[tuple[float, list[_Cell]]], cells: Sequence[_Cell]) -> bool:
    lines = [line for _, line in run]
    return len(cells) == len(lines[0]) and _are_apart([*lines, list(cells)])


def _are_apart(lines: Sequence[Sequence[_Cell]]) -> bool:
    columns = list(zip(*lines, strict=True))
    ends = [max(cell.right for cell in column) for column in columns]
    starts = [min(cell.left for cell in column) for column in columns]
    return all(end < start for end, start in zip(ends, starts[1:], strict=False))


def _of_run(run: Sequence[tuple[float, list[_Cell]]]) -> _Found | None:
    rows = tuple(tuple(cell.text for cell in cells) for _, cells in run)
    is_short = all(len(cell) <= _LONGEST_CELL for row in rows for cell in row)
    if len(rows) < _LEAST_ALIGNED or not is_short or not _has_numbers(rows):
        return None
    return _Found(run[0][0], "aligned", rows)


def _has_numbers(rows: Rows) -> bool:
    """Whether a column is of numbers below its header: words alone may be prose in columns."""
    return any(all(map(looks_like_number, column[1:])) for column in zip(*rows, strict=True))


def _lines(words: Sequence[Any]) -> Iterator[tuple[float, list[_Cell]]]:
    lines: list[list[Any]] = []
    for word in sorted(words, key=lambda one: (one["top"], one["x0"])):
        if lines and abs(lines[-1][0]["top"] - word["top"]) <= _SAME_LINE:
            lines[-1].append(word)
        else:
            lines.append([word])
    for line in lines:
        yield line[0]["top"], _cells(sorted(line, key=lambda one: one["x0"]))


def _cells(line: Sequence[Any]) -> list[_Cell]:
    width = median((word["x1"] - word["x0"]) / max(len(word["text"]), 1) for word in line)
    groups: list[list[Any]] = []
    for word in line:
        if groups and word["x0"] - groups[-1][-1]["x1"] < _CELL_GAP * width:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [
        _Cell(" ".join(word["text"] for word in group), group[0]["x0"], group[-1]["x1"])
        for group in groups
    ]
