"""What hangs on a cell of a workbook, whichever format it is of (row D27)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CellExtra:
    """A link or a comment; `target` is where a link leads, `text` what is said or shown.

    `row` and `column` count from 1; None where the cell is none that can be.
    """

    sheet: str
    cell: str
    row: int | None
    column: int | None
    kind: str
    target: str = ""
    text: str = ""
    author: str = ""
    created: str = ""
