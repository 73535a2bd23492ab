"""Links and comments of the cells of an OpenDocument workbook, read in one pass (row D27)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kmflow_orchestration.converters.cell_extra import CellExtra
from kmflow_orchestration.converters.document_archive import DocumentArchive
from kmflow_orchestration.converters.safe_xml import (
    attribute,
    child,
    children,
    local_name,
    pull_parser,
    text_of,
)
from kmflow_orchestration.converters.spreadsheet_range import column_letters
from kmflow_orchestration.errors import CorruptInput

CONTENT = "content.xml"
_CHUNK_BYTES = 1 << 20
_TABLE, _ROW, _CELLS = "table", "table-row", frozenset({"table-cell", "covered-table-cell"})
_ROWS_REPEATED, _COLUMNS_REPEATED = "number-rows-repeated", "number-columns-repeated"
# No count of cells or blanks that can be has more digits.
_MOST_DIGITS = 7
_MOST_BLANKS = 1000


def open_sheet_extras(archive: DocumentArchive) -> Iterator[CellExtra]:
    """Of all sheets, in the order of their cells. Raises CorruptInput."""
    from lxml import etree

    parser = pull_parser("start", "end")
    walk = _Walk()
    try:
        for chunk in archive.chunks(CONTENT, _CHUNK_BYTES):
            parser.feed(chunk)
            for event, element in parser.read_events():
                if event == "start":
                    walk.begin(element)
                else:
                    yield from walk.end(element)
    except etree.XMLSyntaxError as error:
        raise CorruptInput(f"{CONTENT} is no sound XML: {error}") from error


class _Walk:
    """Knows at which cell it is; what was passed is not kept."""

    def __init__(self) -> None:
        # Tables may stand within cells: those are no sheets.
        self._depth = 0
        self._sheet = ""
        self._row = self._column = 0

    def begin(self, element: Any) -> None:
        name = local_name(element)
        if name == _TABLE:
            self._depth += 1
            if self._depth == 1:
                self._sheet, self._row = attribute(element, "name"), 0
        elif name == _ROW and self._depth == 1:
            self._column = 0

    def end(self, element: Any) -> Iterator[CellExtra]:
        name = local_name(element)
        if name == _TABLE:
            self._depth -= 1
        elif self._depth == 1 and name in _CELLS:
            yield from self._of(element)
            self._column += _count(element, _COLUMNS_REPEATED)
        elif self._depth == 1 and name == _ROW:
            self._row += _count(element, _ROWS_REPEATED)
            element.clear(keep_tail=False)
            element.getparent().remove(element)

    def _of(self, cell: Any) -> Iterator[CellExtra]:
        """One that is repeated tells of its first place."""
        row, column = self._row + 1, self._column + 1
        place = (self._sheet, f"{column_letters(self._column)}{row}", row, column)
        for one in children(cell):
            if local_name(one) == "annotation":
                yield CellExtra(
                    *(*place, "comment"),
                    text="\n".join(map(_text, children(one, "p", "list"))),
                    author=text_of(child(one, "creator")),
                    created=text_of(child(one, "date")),
                )
                continue
            for link in one.iter("{*}a"):
                target = attribute(link, "href")
                yield CellExtra(*(*place, "hyperlink"), target=target, text=_text(link))


def _count(element: Any, name: str) -> int:
    told = attribute(element, name)
    return int(told) if told.isdecimal() and len(told) <= _MOST_DIGITS else 1


def _text(element: Any) -> str:
    """Blanks, tabs and line breaks are elements of their own."""
    pieces = [element.text or ""]
    for one in children(element):
        name = local_name(one)
        if name == "s":
            pieces.append(" " * min(_count(one, "c"), _MOST_BLANKS))
        elif name in ("tab", "line-break"):
            pieces.append("\t" if name == "tab" else "\n")
        else:
            pieces.append(_text(one))
        pieces.append(one.tail or "")
    return "".join(pieces)
