"""PowerPoint (.pptx, .pptm): slides in order, with notes, comments and what is hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kmflow_orchestration.converters.chunking import MAX_HEADING
from kmflow_orchestration.converters.content_look import Container
from kmflow_orchestration.converters.document_archive import DocumentArchive
from kmflow_orchestration.converters.documents.office_package import (
    chosen,
    embedded,
    main_part,
    opened,
    reference,
    sureness,
)
from kmflow_orchestration.converters.interface import (
    BlockKind,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.media_types import PPTX
from kmflow_orchestration.converters.office_properties import office_properties
from kmflow_orchestration.converters.safe_xml import child, children, local_name, text_of
from kmflow_orchestration.converters.text_tables import as_text

_TITLES = frozenset({"title", "ctrTitle"})
_BULLETED = frozenset({"body", "obj", ""})
_MARGINS: Mapping[str, BlockKind] = {
    "ftr": BlockKind.FOOTER,
    "dt": BlockKind.FOOTER,
    "hdr": BlockKind.HEADER,
}


class SlidesConverter(TextConverter):
    """One heading a slide: its title, or its number."""

    name: ClassVar[str] = "slides"
    version: ClassVar[str] = "2"
    media_types: ClassVar[tuple[str, ...]] = (PPTX,)
    suffixes: ClassVar[tuple[str, ...]] = (".pptx", ".pptm", ".ppsx")
    libraries: ClassVar[tuple[str, ...]] = ("lxml",)

    def detect(self, source: Source, head: bytes) -> float:
        """Sure of PowerPoint's own members."""
        return sureness(source, head, own=Container.PPTX, suffixes=self.suffixes)

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Slides in the order they are shown in; hidden ones are flagged."""
        with opened(source, "presentation") as archive:
            main = main_part(archive)
            authors = _authors(archive, main)
            parts = _slides(archive, main)
            found = [
                block
                for number, part in enumerate(parts, start=1)
                for block in _Slide(archive, part, number, authors).blocks()
            ]
            found += embedded(archive, parts)
        return iter(found)

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        with opened(source, "presentation") as archive:
            slides = _slides(archive, main_part(archive))
            return {**office_properties(archive), "slides": str(len(slides))}


def _slides(archive: DocumentArchive, main: str) -> list[str]:
    parts = {one.id: one.target for one in archive.relations(main)}
    order = child(archive.xml(main), "sldIdLst")
    # A slide that is listed and not there makes the file damaged: reading it says so.
    return [] if order is None else [parts.get(reference(one), "") for one in children(order)]


def _authors(archive: DocumentArchive, main: str) -> dict[str, str]:
    return {
        one.get("id") or "": one.get("name") or ""
        for kind in ("commentAuthors", "authors")
        for part in archive.related(main, kind)
        for one in children(archive.xml(part))
    }


@dataclass(frozen=True, slots=True)
class _Shape:
    """`role` is that of its placeholder: '' for one of no role, None for no placeholder."""

    kind: BlockKind
    text: str
    role: str | None = None
    rows: tuple[tuple[str, ...], ...] = ()


class _Slide:
    def __init__(
        self, archive: DocumentArchive, part: str, number: int, authors: Mapping[str, str]
    ) -> None:
        self._archive = archive
        self._part = part
        self._root = archive.xml(part)
        self._authors = authors
        self._place = f"slide {number}"
        self._flags = ("hidden",) if self._root.get("show") in ("0", "false") else ()
        shapes = [shape for shape in self._shapes(self._tree(self._root)) if shape.text]
        titles = [shape for shape in shapes if shape.role in _TITLES]
        title = " ".join(titles[0].text.split()) if titles else ""
        is_short = 0 < len(title) <= MAX_HEADING
        self._heading = title if is_short else f"Slide {number}"
        self._rest = [shape for shape in shapes if not (is_short and shape is titles[0])]

    def blocks(self) -> Iterator[TextBlock]:
        yield replace(self._block(BlockKind.HEADING, self._heading), level=1)
        for shape in self._rest:
            yield replace(self._block(shape.kind, shape.text), rows=shape.rows)
        for text in self._notes():
            yield self._block(BlockKind.NOTE, text)
        for text in self._comments():
            yield self._block(BlockKind.COMMENT, text)

    def _block(self, kind: BlockKind, text: str) -> TextBlock:
        return TextBlock(kind, text, self._heading, self._place, self._flags)

    @staticmethod
    def _tree(root: Any) -> Any | None:
        content = child(root, "cSld")
        return None if content is None else child(content, "spTree")

    def _shapes(self, holder: Any | None) -> Iterator[_Shape]:
        for element in chosen(holder) if holder is not None else ():
            name = local_name(element)
            if name == "grpSp":
                yield from self._shapes(element)
            elif name == "graphicFrame":
                yield from self._frame(element)
            elif name == "pic":
                yield from _picture(element)
            elif name in ("sp", "cxnSp"):
                yield from _text_shape(element)

    def _frame(self, element: Any) -> Iterator[_Shape]:
        for table in element.iter("{*}tbl"):
            rows = tuple(tuple(_cells(row)) for row in children(table, "tr"))
            yield _Shape(BlockKind.TABLE, as_text(rows), rows=rows)
        parts = {one.id: one.target for one in self._archive.relations(self._part)}
        for diagram in element.iter("{*}relIds"):
            data = parts.get(reference(diagram, "dm"), "")
            if data in self._archive.names:
                points = self._archive.xml(data).iter("{*}pt")
                texts = (_paragraphs(child(point, "t")) for point in points)
                lines = [f"- {text}" for found in texts for text in found]
                yield _Shape(BlockKind.LIST, "\n".join(lines))

    def _notes(self) -> Iterator[str]:
        for part in self._archive.related(self._part, "notesSlide"):
            for shape in self._shapes(self._tree(self._archive.xml(part))):
                if shape.role == "body" and shape.text:
                    yield shape.text.replace("\n- ", "\n").removeprefix("- ")

    def _comments(self) -> Iterator[str]:
        for part in self._archive.related(self._part, "comments"):
            for comment in self._archive.xml(part).iter("{*}cm", "{*}reply"):
                words = child(comment, "text")
                body = child(comment, "txBody")
                text = text_of(words) if words is not None else " ".join(_paragraphs(body))
                author = self._authors.get(comment.get("authorId") or "", "")
                if text:
                    yield ": ".join(filter(None, (author, text)))


def _text_shape(element: Any) -> Iterator[_Shape]:
    role = _role(element)
    lines = _paragraphs(child(element, "txBody"))
    if role == "sldNum":
        return
    kind = _MARGINS.get(role or "", BlockKind.PARAGRAPH)
    if role in _BULLETED and len(lines) > 1:
        yield _Shape(BlockKind.LIST, "\n".join(f"- {line}" for line in lines), role)
    elif lines:
        yield _Shape(kind, "\n".join(lines), role)


def _role(element: Any) -> str | None:
    placeholder = next(element.iter("{*}ph"), None)
    return None if placeholder is None else placeholder.get("type") or ""


def _picture(element: Any) -> Iterator[_Shape]:
    about = next(element.iter("{*}cNvPr"), None)
    if about is not None and about.get("descr"):
        yield _Shape(BlockKind.PARAGRAPH, f"[picture: {about.get('descr')}]")


def _paragraphs(body: Any | None) -> list[str]:
    """Lines of a text body that hold something."""
    if body is None:
        return []
    return list(filter(None, (_line(one) for one in children(body, "p"))))


def _line(paragraph: Any) -> str:
    pieces = []
    for one in chosen(paragraph):
        if local_name(one) == "br":
            pieces.append("\n")
        pieces += [text.text or "" for text in one.iter("{*}t")]
    return "".join(pieces).strip()


def _cells(row: Any) -> list[str]:
    return [" ".join(_paragraphs(child(cell, "txBody"))) for cell in children(row, "tc")]
