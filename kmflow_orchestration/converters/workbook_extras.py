"""What hangs on the cells of a workbook: links and comments, as a table beside its sheets (D27)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.cell_extra import CellExtra
from kmflow_orchestration.converters.document_archive import DocumentArchive, open_archive
from kmflow_orchestration.converters.document_tables import LONG, Columns, declared_table
from kmflow_orchestration.converters.memory_table import MemoryTable, Origin
from kmflow_orchestration.converters.open_sheet_extras import CONTENT, open_sheet_extras
from kmflow_orchestration.converters.receipt_words import BESIDE
from kmflow_orchestration.converters.safe_xml import (
    attribute,
    child,
    children,
    local_name,
    pull_parser,
    text_of,
)
from kmflow_orchestration.converters.spreadsheet_range import column_index
from kmflow_orchestration.converters.type_lattice import STRING
from kmflow_orchestration.errors import CorruptInput

EXTRAS = "extras"
_BOOK = "xl/workbook.xml"
_LINKS = "hyperlinks"
_PLACE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})")
_COLUMNS: Columns = (
    *((name, STRING) for name in ("sheet", "cell")),
    *((name, LONG) for name in ("row", "column")),
    *((name, STRING) for name in ("kind", "target", "text", "author", "created")),
)
_CHUNK_BYTES = 1 << 20
# worksheet, sheetData, row: how many are open when a row has ended.
_DEPTH_OF_ROWS = 2


def extras_table(
    path: Path, sheets: Container[str], taken: Container[str], origin: Origin
) -> MemoryTable:
    """Links and comments of these sheets of a workbook of Office Open XML or OpenDocument.

    `taken` are the names of its other tables.

    Raises:
        CorruptInput: a part of the workbook is damaged.
    """
    with open_archive(path) as archive:
        is_open = CONTENT in archive.names and _BOOK not in archive.names
        extras = open_sheet_extras(archive) if is_open else _office_extras(archive, sheets)
        found = [astuple(one) for one in extras if one.sheet in sheets]
    # No sheet's name has a colon.
    part = f":{EXTRAS}" if EXTRAS in taken else EXTRAS
    return declared_table(part, _COLUMNS, found, origin, read_as={BESIDE: "sheets"})


def _office_extras(archive: DocumentArchive, sheets: Container[str]) -> Iterator[CellExtra]:
    people = _people(archive)
    for name, part in _sheets(archive):
        if name in sheets:
            yield from _of(archive, name, part, people)


def _sheets(archive: DocumentArchive) -> Iterator[tuple[str, str]]:
    targets = {one.id: one.target for one in archive.relations(_BOOK)}
    sheets = child(archive.xml(_BOOK), "sheets")
    for sheet in () if sheets is None else children(sheets, "sheet"):
        part = targets.get(attribute(sheet, "id"), "")
        if part in archive.names:
            yield sheet.get("name", ""), part


def _of(
    archive: DocumentArchive, sheet: str, part: str, people: Mapping[str, str]
) -> Iterator[CellExtra]:
    targets = archive.outside(part)
    for link in _links(archive, part):
        target = targets.get(attribute(link, "id"), "")
        location = link.get("location", "")
        if location:
            target = f"{target}#{location}"
        text = link.get("display", "") or link.get("tooltip", "")
        yield _at(sheet, link.get("ref", ""), "hyperlink", target=target, text=text)
    threaded: set[str] = set()
    for name in archive.related(part, "threadedComment"):
        for one in children(archive.xml(name), "threadedComment"):
            threaded.add(one.get("ref", ""))
            yield _at(
                *(sheet, one.get("ref", ""), "comment"),
                text=text_of(child(one, "text")),
                author=people.get(one.get("personId", ""), ""),
                created=one.get("dT", ""),
            )
    for name in archive.related(part, "comments"):
        yield from _notes(archive.xml(name), sheet, threaded)


def _notes(root: Any, sheet: str, threaded: Container[str]) -> Iterator[CellExtra]:
    """Those of older versions; of a thread they only say that there is one."""
    listed = child(root, "authors")
    authors = [] if listed is None else [text_of(one) for one in children(listed, "author")]
    comments = child(root, "commentList")
    for one in () if comments is None else children(comments, "comment"):
        if one.get("ref", "") in threaded:
            continue
        number_of = one.get("authorId", "")
        known = number_of.isdecimal() and int(number_of) < len(authors)
        author = authors[int(number_of)] if known else ""
        text = "".join(piece.text or "" for piece in one.iter() if local_name(piece) == "t")
        yield _at(sheet, one.get("ref", ""), "comment", text=text, author=author)


def _people(archive: DocumentArchive) -> Mapping[str, str]:
    return {
        one.get("id", ""): one.get("displayName", "")
        for part in archive.related(_BOOK, "person")
        for one in children(archive.xml(part), "person")
    }


def _at(sheet: str, cell: str, kind: str, **told: str) -> CellExtra:
    """A link may be of several cells: the first of them is its place."""
    place = _PLACE.match(cell)
    row = int(place[2]) if place else None
    column = column_index(place[1]) + 1 if place else None
    return CellExtra(sheet, cell, row, column, kind, **told)


def _links(archive: DocumentArchive, part: str) -> Sequence[Any]:
    """The links of a sheet, which stand behind its cells: those are not kept."""
    from lxml import etree

    parser = pull_parser("start", "end")
    found: list[Any] = []
    depth = 0
    try:
        for chunk in archive.chunks(part, _CHUNK_BYTES):
            parser.feed(chunk)
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if event == "start":
                    continue
                if local_name(element) == _LINKS:
                    found += children(element, "hyperlink")
                elif depth <= _DEPTH_OF_ROWS and local_name(element) != "hyperlink":
                    element.clear(keep_tail=False)
                    parent = element.getparent()
                    if parent is not None and local_name(element) == "row":
                        parent.remove(element)
    except etree.XMLSyntaxError as error:
        raise CorruptInput(f"{part} is no sound XML: {error}") from error
    return found
