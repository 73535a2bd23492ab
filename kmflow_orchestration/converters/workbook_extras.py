"""What hangs on the cells of a workbook: links and comments, as a table beside its sheets (D27)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.document_archive import DocumentArchive, open_archive
from kmflow_orchestration.converters.memory_table import MemoryTable, Origin
from kmflow_orchestration.converters.safe_xml import child, children, local_name, text_of
from kmflow_orchestration.converters.text_encoding import storable
from kmflow_orchestration.converters.type_lattice import STRING, number
from kmflow_orchestration.errors import CorruptInput

EXTRAS = "extras"
BESIDE = "beside"
"""In the receipt of a table that belongs to all others of its source."""
_BOOK = "xl/workbook.xml"
_LINKS = "hyperlinks"
_PLACE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})")
_LONG = number(18)
_COLUMNS = ("sheet", "cell", "row", "column", "kind", "target", "text", "author", "created")
_TYPES = {name: _LONG if name in ("row", "column") else STRING for name in _COLUMNS}
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Extra:
    """One of them; `target` is where a link leads, `text` what is said or shown."""

    sheet: str
    cell: str
    row: int | None
    column: int | None
    kind: str
    target: str = ""
    text: str = ""
    author: str = ""
    created: str = ""


def extras_table(
    path: Path, sheets: Container[str], taken: Container[str], origin: Origin
) -> MemoryTable:
    """Links and comments of these sheets of an Office Open XML workbook.

    `taken` are the names of its other tables.

    Raises:
        CorruptInput: a part of the workbook is damaged.
    """
    with open_archive(path) as archive:
        found = [
            one
            for name, part in _sheets(archive)
            if name in sheets
            for one in _of(archive, name, part)
        ]
    # No sheet's name has a colon.
    part = f":{EXTRAS}" if EXTRAS in taken else EXTRAS
    rows = [[_told(value) for value in astuple(one)] for one in found]
    read_as = {BESIDE: "sheets"}
    return MemoryTable(part, _COLUMNS, rows, origin, types=_TYPES, read_as=read_as)


def _told(value: object) -> str | None:
    return None if value is None else storable(str(value))


def _sheets(archive: DocumentArchive) -> Iterator[tuple[str, str]]:
    targets = {one.id: one.target for one in archive.relations(_BOOK)}
    sheets = child(archive.xml(_BOOK), "sheets")
    for sheet in () if sheets is None else children(sheets, "sheet"):
        part = targets.get(_attribute(sheet, "id"), "")
        if part in archive.names:
            yield sheet.get("name", ""), part


def _attribute(element: Any, name: str) -> str:
    """Of a namespace or of none: writers differ."""
    return next((str(text) for key, text in element.items() if key.rpartition("}")[2] == name), "")


def _of(archive: DocumentArchive, sheet: str, part: str) -> Iterator[_Extra]:
    targets = archive.outside(part)
    for link in _links(archive, part):
        target = targets.get(_attribute(link, "id"), "")
        location = link.get("location", "")
        if location:
            target = f"{target}#{location}"
        text = link.get("display", "") or link.get("tooltip", "")
        yield _at(sheet, link.get("ref", ""), "hyperlink", target=target, text=text)
    people = _people(archive)
    threads = archive.related(part, "threadedComment")
    for name in threads:
        for one in children(archive.xml(name), "threadedComment"):
            yield _at(
                *(sheet, one.get("ref", ""), "comment"),
                text=text_of(child(one, "text")),
                author=people.get(one.get("personId", ""), ""),
                created=one.get("dT", ""),
            )
    threaded = {one.get("ref") for name in threads for one in archive.xml(name)}
    for name in archive.related(part, "comments"):
        yield from _notes(archive.xml(name), sheet, threaded)


def _notes(root: Any, sheet: str, threaded: Container[str]) -> Iterator[_Extra]:
    """Those of older versions; of a thread they only say that there is one."""
    listed = child(root, "authors")
    authors = [] if listed is None else [text_of(one) for one in children(listed, "author")]
    comments = child(root, "commentList")
    for one in () if comments is None else children(comments, "comment"):
        if one.get("ref") in threaded:
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


def _at(sheet: str, cell: str, kind: str, **told: str) -> _Extra:
    """A link may be of several cells: the first of them is its place."""
    place = _PLACE.match(cell)
    row = int(place[2]) if place else None
    column = _column(place[1]) if place else None
    return _Extra(sheet, cell, row, column, kind, **told)


def _column(letters: str) -> int:
    found = 0
    for letter in letters:
        found = 26 * found + ord(letter) - ord("A") + 1
    return found


def _links(archive: DocumentArchive, part: str) -> Sequence[Any]:
    """The links of a sheet, which stand behind its cells: those are not kept."""
    from lxml import etree

    parser = etree.XMLPullParser(
        events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False
    )
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


# worksheet, sheetData, row: how many are open when a row has ended.
_DEPTH_OF_ROWS = 2
