"""OpenDocument text (.odt): body, notes, comments, tracked deletions, headers and footers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from kmflow_orchestration.converters.chunking import MAX_HEADING
from kmflow_orchestration.converters.content_look import Container
from kmflow_orchestration.converters.document_archive import DocumentArchive, open_archive
from kmflow_orchestration.converters.documents.office_package import sureness
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    BlockKind,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.safe_xml import child, children, local_name, text_of
from kmflow_orchestration.converters.text_tables import as_text
from kmflow_orchestration.errors import CorruptInput

# A cell that is repeated more often than a sheet has columns is repeated to fill something.
_MAX_REPEATS = 64
_FRAMES = frozenset({"frame", "text-box", "section", "index-body", "table-of-content", "g"})
_TOLD = {
    "title": "title",
    "subject": "subject",
    "initial-creator": "author",
    "creator": "last_editor",
    "creation-date": "created",
    "date": "modified",
    "generator": "created_with",
}
_COUNTS = {"page-count": "pages", "word-count": "words"}


class OpenDocumentConverter(TextConverter):
    """Text as it reads; what tracked changes took out stands first, flagged."""

    name: ClassVar[str] = "open_document"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = ("application/vnd.oasis.opendocument.text",)
    suffixes: ClassVar[tuple[str, ...]] = (".odt",)
    libraries: ClassVar[tuple[str, ...]] = ("lxml",)

    def detect(self, source: Source, head: bytes) -> float:
        """Sure of the kind that the archive names."""
        return sureness(source, head, own=Container.ODT, suffixes=self.suffixes)

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Headers, the body in order, footers."""
        with refusals_of("document"), open_archive(source.path) as archive:
            _check_password(archive)
            return iter(list(_document(archive)))

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        with refusals_of("document"), open_archive(source.path) as archive:
            _check_password(archive)
            return _about(archive)


def _check_password(archive: DocumentArchive) -> None:
    manifest = "META-INF/manifest.xml"
    if manifest not in archive.names:
        return
    if next(archive.xml(manifest).iter("{*}encryption-data"), None) is not None:
        raise CorruptInput(
            "the document needs a password",
            reason="encrypted",
            hint="save it without one and drop it again",
        )


def _about(archive: DocumentArchive) -> dict[str, str]:
    if "meta.xml" not in archive.names:
        return {}
    found = {}
    for meta in archive.xml("meta.xml").iter("{*}meta"):
        found = {_TOLD[local_name(one)]: text_of(one) for one in children(meta, *_TOLD)}
        for statistic in children(meta, "document-statistic"):
            found |= {told: _attribute(statistic, name) for name, told in _COUNTS.items()}
    return {name: value for name, value in found.items() if value}


def _document(archive: DocumentArchive) -> Iterator[TextBlock]:
    margins = list(_margins(archive))
    yield from (block for block in margins if block.kind is BlockKind.HEADER)
    body = next(archive.xml("content.xml").iter("{*}text"), None)
    if body is not None:
        yield from _Body().blocks(body)
    yield from (block for block in margins if block.kind is BlockKind.FOOTER)


def _margins(archive: DocumentArchive) -> Iterator[TextBlock]:
    """Each different text once."""
    if "styles.xml" not in archive.names:
        return
    kinds = {"header": BlockKind.HEADER, "footer": BlockKind.FOOTER}
    told = set()
    for page in archive.xml("styles.xml").iter("{*}master-page"):
        for margin in children(page, *kinds):
            name, text = local_name(margin), _Line(margin).text
            if text and (name, text) not in told:
                told.add((name, text))
                yield TextBlock(kinds[name], text, "", name)


def _attribute(element: Any, name: str) -> str:
    return next((value for key, value in element.items() if key.endswith("}" + name)), "")


class _Line:
    """A paragraph's text, with the notes, comments and frames that hang on it."""

    def __init__(self, element: Any) -> None:
        self._pieces: list[str] = []
        self.notes: list[str] = []
        self.comments: list[str] = []
        self.frames: list[Any] = []
        self._read(element)

    @property
    def text(self) -> str:
        return "".join(self._pieces).strip()

    def _read(self, element: Any) -> None:
        self._add(element.text)
        for one in children(element):
            self._element(one, local_name(one))
            self._add(one.tail)

    def _element(self, element: Any, name: str) -> None:
        if name == "s":
            count = _attribute(element, "c")
            self._pieces.append(" " * (min(int(count), 1000) if count.isdecimal() else 1))
        elif name in ("tab", "line-break"):
            self._pieces.append("\t" if name == "tab" else "\n")
        elif name == "note":
            mark = text_of(child(element, "note-citation"))
            self._pieces.append(f"[note {mark}]")
            self.notes.append(f"[note {mark}] {text_of(child(element, 'note-body'))}")
        elif name == "annotation":
            words = " ".join(text_of(one) for one in children(element, "p", "list"))
            author = text_of(child(element, "creator"))
            self.comments.append(": ".join(filter(None, (author, words))))
        elif name == "frame":
            self.frames.append(element)
        else:
            self._read(element)
            if name in ("p", "h"):
                self._pieces.append("\n")

    def _add(self, text: str | None) -> None:
        # Line ends of the file are none of the text's.
        if text:
            kept = " ".join(text.split()) if text.strip() else " "
            before = " " if text[0].isspace() and text.strip() else ""
            after = " " if text[-1].isspace() and text.strip() else ""
            self._pieces.append(before + kept + after)


class _Body:
    """Walks a body; a heading stays until the next one."""

    def __init__(self) -> None:
        self._heading = ""
        self._paragraphs = self._tables = 0

    def blocks(self, holder: Any) -> Iterator[TextBlock]:
        for element in children(holder):
            name = local_name(element)
            if name in ("p", "h"):
                yield from self._paragraph(element, is_heading=name == "h")
            elif name == "list":
                yield from self._list(element)
            elif name == "table":
                yield from self._table(element)
            elif name == "tracked-changes":
                yield from self._deleted(element)
            elif name in _FRAMES:
                yield from self.blocks(element)

    def _block(
        self, kind: BlockKind, text: str, place: str, *flags: str, style: str = ""
    ) -> TextBlock:
        return TextBlock(kind, text, self._heading, place, flags, style=style)

    def _paragraph(self, element: Any, *, is_heading: bool) -> Iterator[TextBlock]:
        self._paragraphs += 1
        place = f"paragraph {self._paragraphs}"
        line = _Line(element)
        style = _attribute(element, "style-name")
        if is_heading and 0 < len(line.text) <= MAX_HEADING:
            self._heading = " ".join(line.text.split())
            level = _attribute(element, "outline-level")
            found = self._block(BlockKind.HEADING, self._heading, place, style=style)
            yield replace(found, level=int(level[:2]) if level[:2].isdecimal() else 1)
        elif line.text:
            yield self._block(BlockKind.PARAGRAPH, line.text, place, style=style)
        yield from self._beside([line], place)

    def _beside(self, lines: Sequence[_Line], place: str) -> Iterator[TextBlock]:
        for line in lines:
            for note in line.notes:
                yield self._block(BlockKind.NOTE, note, place)
            for comment in line.comments:
                yield self._block(BlockKind.COMMENT, comment, place)
            for frame in line.frames:
                yield from self.blocks(frame)

    def _list(self, element: Any) -> Iterator[TextBlock]:
        place = f"paragraph {self._paragraphs + 1}"
        items: list[str] = []
        lines: list[_Line] = []
        self._items(element, 0, items, lines)
        if items:
            yield self._block(BlockKind.LIST, "\n".join(items), place)
        yield from self._beside(lines, place)

    def _items(self, element: Any, depth: int, items: list[str], lines: list[_Line]) -> None:
        for item in children(element, "list-item", "list-header"):
            for one in children(item):
                if local_name(one) == "list":
                    self._items(one, depth + 1, items, lines)
                    continue
                self._paragraphs += 1
                lines.append(_Line(one))
                if lines[-1].text:
                    items.append(f"{'  ' * min(depth, 8)}- {lines[-1].text}")

    def _table(self, element: Any) -> Iterator[TextBlock]:
        self._tables += 1
        place = f"table {self._tables}"
        rows: list[tuple[str, ...]] = []
        lines = []
        has_header = next(element.iter("{*}table-header-rows"), None) is not None
        for row in element.iter("{*}table-row"):
            cells: list[str] = []
            for cell in children(row, "table-cell", "covered-table-cell"):
                line = _Line(cell)
                lines.append(line)
                count = _attribute(cell, "number-columns-repeated")
                repeats = min(int(count), _MAX_REPEATS) if count[:6].isdecimal() else 1
                cells += [line.text] * repeats
            rows.append(tuple(cells))
        if text := as_text(rows):
            found = self._block(BlockKind.TABLE, text, place)
            yield replace(found, rows=tuple(rows), has_header=has_header)
        yield from self._beside(lines, place)

    def _deleted(self, changes: Any) -> Iterator[TextBlock]:
        for deletion in changes.iter("{*}deletion"):
            author = text_of(next(deletion.iter("{*}creator"), None))
            by = f" by {author}" if author else ""
            for one in children(deletion, "p", "h"):
                if text := text_of(one):
                    told = f"[deleted{by}: {text}]"
                    yield self._block(BlockKind.DELETED, told, "tracked changes", "deleted")
