"""Word (.docx, .docm): body, text boxes, notes, comments, tracked changes, headers and footers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kmflow_orchestration.converters.chunking import MAX_HEADING
from kmflow_orchestration.converters.content_look import Container
from kmflow_orchestration.converters.document_archive import DocumentArchive
from kmflow_orchestration.converters.document_tables import LONG, Columns, declared_table
from kmflow_orchestration.converters.documents.office_package import (
    chosen,
    embedded,
    main_part,
    opened,
    sureness,
)
from kmflow_orchestration.converters.documents.word_text import (
    Line,
    Style,
    comments_of,
    is_on,
    notes_of,
    outline_level,
    paragraphs,
    plain,
    styles_of,
)
from kmflow_orchestration.converters.interface import (
    BlockKind,
    DocumentReading,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.media_types import DOCX
from kmflow_orchestration.converters.office_properties import office_properties
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.converters.safe_xml import attribute, child, children, local_name
from kmflow_orchestration.converters.text_tables import as_text
from kmflow_orchestration.converters.type_lattice import STRING

_WRAPPERS = frozenset({"sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag"})
_BODY = Style(0, is_list=False)


_COMMENT: Columns = (
    ("seq", LONG),
    *((name, STRING) for name in ("author", "initials", "created", "text")),
)


@dataclass(frozen=True, slots=True)
class WordOptions(ReaderOptions):
    """`extras`: comments are a table, too, with who wrote each and when."""

    extras: bool = False


class WordConverter(TextConverter):
    """Text as it reads with all changes accepted; what they take out follows, flagged."""

    name: ClassVar[str] = "word"
    version: ClassVar[str] = "2"
    media_types: ClassVar[tuple[str, ...]] = (DOCX,)
    suffixes: ClassVar[tuple[str, ...]] = (".docx", ".docm")
    libraries: ClassVar[tuple[str, ...]] = ("lxml",)
    reader_options: ClassVar[type[ReaderOptions]] = WordOptions

    def detect(self, source: Source, head: bytes) -> float:
        """Sure of Word's own members."""
        return sureness(source, head, own=Container.DOCX, suffixes=self.suffixes)

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Headers, the body in order, footers, and the names of embedded files."""
        WordOptions.parse(options)
        with opened(source, "Word document") as archive:
            found = list(_Document(archive).blocks())
        return iter(found)

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """See ReadsDocuments; with `extras` a table of the comments, too."""
        found = super().read_document(source, options)
        if not WordOptions.parse(options).extras:
            return found
        with opened(source, "Word document") as archive:
            main = main_part(archive)
            told = [
                (*(attribute(one, name) for name in ("author", "initials", "date")), plain(one))
                for part in archive.related(main, "comments")
                for one in children(archive.xml(part), "comment")
            ]
        rows = [(number, *row) for number, row in enumerate(told, start=1)]
        table = declared_table("comments", _COMMENT, rows, self.origin(source))
        return replace(found, tables=(*found.tables, table))

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        with opened(source, "Word document") as archive:
            return office_properties(archive)


class _Document:
    """The parts of one document; a heading stays until the next one."""

    def __init__(self, archive: DocumentArchive) -> None:
        self._archive = archive
        self._main = main_part(archive)
        self._styles = styles_of(self._part("styles"))
        self._comments = comments_of(self._part("comments"))
        self._notes = {
            "footnote": notes_of(self._part("footnotes")),
            "endnote": notes_of(self._part("endnotes")),
        }
        self._heading = ""
        self._paragraphs = self._tables = 0
        self._items: list[str] = []
        self._items_at = ""
        self._item_flags: tuple[str, ...] = ()
        self._item_style = ""

    def _part(self, kind: str) -> Any | None:
        found = self._archive.related(self._main, kind)
        return self._archive.xml(found[0]) if found else None

    def blocks(self) -> Iterator[TextBlock]:
        yield from self._margins("header", BlockKind.HEADER)
        body = child(self._archive.xml(self._main), "body")
        if body is not None:
            yield from self._flow(body)
            yield from self._list_so_far()
        yield from self._left_over()
        yield from self._margins("footer", BlockKind.FOOTER)
        yield from embedded(self._archive, [self._main])

    def _margins(self, name: str, kind: BlockKind) -> Iterator[TextBlock]:
        """Each different text once: sections repeat them."""
        parts = self._archive.related(self._main, name)
        for text in dict.fromkeys(plain(self._archive.xml(part)) for part in parts):
            if text:
                yield TextBlock(kind, text, "", name)

    def _flow(self, holder: Any) -> Iterator[TextBlock]:
        for element in chosen(holder):
            name = local_name(element)
            if name == "p":
                yield from self._paragraph(element)
            elif name == "tbl":
                yield from self._list_so_far()
                yield from self._table(element)
            elif name in _WRAPPERS:
                yield from self._flow(element)

    def _paragraph(self, element: Any) -> Iterator[TextBlock]:
        self._paragraphs += 1
        place = f"paragraph {self._paragraphs}"
        line = Line()
        line.read(element)
        properties = child(element, "pPr")
        style = self._style(properties)
        if line.text and style.is_list:
            if not self._items:
                self._items_at, self._item_flags, self._item_style = place, (), style.name
            self._item_flags = ("hidden",) if line.is_hidden else self._item_flags
            self._items.append(f"{'  ' * _depth(properties)}- {line.text}")
            if not _has_more(line):
                return
        yield from self._list_so_far()
        if line.text and not style.is_list:
            yield self._block(line, style, place)
        yield from self._beside(line, place)

    def _block(self, line: Line, style: Style, place: str) -> TextBlock:
        flags = ("hidden",) if line.is_hidden else ()
        if style.level and len(line.text) <= MAX_HEADING:
            self._heading = " ".join(line.text.split())
            heading = self._heading
            return TextBlock(
                BlockKind.HEADING, heading, heading, place, flags, style.level, style.name
            )
        text = line.text
        return TextBlock(BlockKind.PARAGRAPH, text, self._heading, place, flags, style=style.name)

    def _style(self, properties: Any | None) -> Style:
        if properties is None:
            return _BODY
        style = self._styles.get(attribute(child(properties, "pStyle"), "val"), _BODY)
        level = outline_level(properties) or style.level
        numbering = child(properties, "numPr")
        is_off = (
            attribute(child(numbering, "numId"), "val") == "0" if numbering is not None else False
        )
        is_list = not level and not is_off and (style.is_list or numbering is not None)
        return Style(level, is_list, style.name)

    def _list_so_far(self) -> Iterator[TextBlock]:
        if self._items:
            text = "\n".join(self._items)
            at, flags, style = self._items_at, self._item_flags, self._item_style
            yield TextBlock(BlockKind.LIST, text, self._heading, at, flags, style=style)
            self._items = []

    def _beside(self, line: Line, place: str) -> Iterator[TextBlock]:
        """What hangs on a paragraph, after it."""
        for author, text in line.deleted:
            by = f" by {author}" if author else ""
            if text.strip():
                told = f"[deleted{by}: {text.strip()}]"
                yield TextBlock(BlockKind.DELETED, told, self._heading, place, ("deleted",))
        for kind, identity in line.notes:
            if text := self._notes[kind].pop(identity, ""):
                told = f"[{kind} {identity}] {text}"
                yield TextBlock(BlockKind.NOTE, told, self._heading, place)
        for identity in line.comments:
            if text := self._comments.pop(identity, ""):
                yield TextBlock(BlockKind.COMMENT, text, self._heading, place)
        for box in line.boxes:
            yield from self._flow(box)

    def _left_over(self) -> Iterator[TextBlock]:
        """Notes and comments that no paragraph refers to."""
        for kind, notes in self._notes.items():
            for identity, text in notes.items():
                yield TextBlock(BlockKind.NOTE, f"[{kind} {identity}] {text}", "", "notes")
        for text in filter(None, self._comments.values()):
            yield TextBlock(BlockKind.COMMENT, text, "", "comments")

    def _table(self, element: Any) -> Iterator[TextBlock]:
        self._tables += 1
        place = f"table {self._tables}"
        rows: list[list[str]] = []
        beside = Line()
        has_header = False
        for row in _rows(element):
            # Such a row stands again on each page that the table goes on to.
            has_header |= not rows and is_on(child(row, "trPr"), "tblHeader")
            cells: list[str] = []
            for cell in _cells(row):
                cells += self._cell(cell, beside)
            rows.append(cells)
        if text := as_text(rows):
            cells_of = tuple(map(tuple, rows))
            yield TextBlock(
                BlockKind.TABLE, text, self._heading, place, rows=cells_of, has_header=has_header
            )
        yield from self._beside(beside, place)

    def _cell(self, cell: Any, beside: Line) -> list[str]:
        """A cell's text, with empty ones for the columns it spans."""
        properties = child(cell, "tcPr")
        span = attribute(child(properties, "gridSpan"), "val") if properties is not None else ""
        line = Line(beside.pieces, beside.deleted, beside.notes, beside.comments, beside.boxes)
        lines = []
        for paragraph in paragraphs(cell):
            line.pieces = []
            line.read(paragraph)
            lines.append(line.text)
        width = int(span) if span.isdecimal() and len(span) < 4 else 1
        return [" ".join(filter(None, lines)), *[""] * (width - 1)]


def _rows(table: Any) -> Iterator[Any]:
    for one in chosen(table):
        if local_name(one) == "tr":
            yield one
        elif local_name(one) in _WRAPPERS:
            yield from _rows(one)


def _cells(row: Any) -> Iterator[Any]:
    for one in chosen(row):
        if local_name(one) == "tc":
            yield one
        elif local_name(one) in _WRAPPERS:
            yield from _cells(one)


def _depth(properties: Any | None) -> int:
    numbering = child(properties, "numPr") if properties is not None else None
    level = attribute(child(numbering, "ilvl"), "val") if numbering is not None else ""
    return min(int(level), 8) if level.isdecimal() else 0


def _has_more(line: Line) -> bool:
    return bool(line.deleted or line.notes or line.comments or line.boxes)
