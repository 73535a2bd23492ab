"""Ranges of a sheet as people write them: `A5:F200`, `B:D`, `3:9`; and what of it they take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from kmflow_orchestration.converters.spreadsheet_values import is_empty

_MAX_ROWS, _MAX_COLUMNS = 1_048_576, 16_384
_CORNER = r"\$?([A-Za-z]{1,3})?\$?([1-9][0-9]{0,6})?"
_RANGE = re.compile(rf"{_CORNER}:{_CORNER}")


@dataclass(frozen=True, slots=True)
class CellRange:
    """Rows and columns counted from 0; both ends belong to it."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, with what is wrong, for a text that is no range from left above."""
        found = _RANGE.fullmatch(text.strip())
        corners = found.groups() if found else ()
        if len({bool(part) for part in corners[::2]}) != 1 or _is_lopsided(corners):
            raise ValueError("is no range such as A5:F200, B:D or 3:9")
        left, top, right, bottom = corners
        cells = cls(
            int(top) - 1 if top else 0,
            column_index(left) if left else 0,
            int(bottom) - 1 if bottom else _MAX_ROWS - 1,
            column_index(right) if right else _MAX_COLUMNS - 1,
        )
        if cells.bottom < cells.top or cells.right < cells.left:
            raise ValueError("ends before it begins")
        if cells.bottom >= _MAX_ROWS or cells.right >= _MAX_COLUMNS:
            raise ValueError("reaches beyond what a sheet can have")
        return cells

    def within(self, rows: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], int]:
        """The sheet with its cells where they were, and how many with a value lay outside."""
        kept: list[list[Any]] = []
        for at, row in enumerate(rows[: self.bottom + 1]):
            inside = row[self.left : self.right + 1] if at >= self.top else ()
            kept.append(["" for _ in row[: self.left]] + list(inside) if inside else [])
        return kept, _filled(rows) - _filled(kept)


def _is_lopsided(corners: Sequence[str | None]) -> bool:
    """`A5:F`, `A:F9` and `:` say less than a range must."""
    rows = {bool(part) for part in corners[1::2]}
    return len(rows) != 1 or not any(corners)


def _filled(rows: Sequence[Sequence[Any]]) -> int:
    return sum(not is_empty(cell) for row in rows for cell in row)


def column_index(letters: str) -> int:
    """Of `A` 0, of `AA` 26."""
    index = 0
    for letter in letters.upper():
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1


def column_letters(index: int) -> str:
    """Of 0 `A`, of 26 `AA`."""
    letters, rest = "", index + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
