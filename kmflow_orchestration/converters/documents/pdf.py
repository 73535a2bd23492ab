"""PDF: the text layer page by page, with outline, links and attached files."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from kmflow_orchestration.converters.document_tables import (
    LONG,
    Columns,
    declared_table,
    documents_table,
    page_of,
    sound_blocks,
)
from kmflow_orchestration.converters.documents.page_ranges import check_ranges, chosen_pages
from kmflow_orchestration.converters.documents.pdf_contents import (
    BLANK,
    NEEDS_OCR,
    UNREADABLE,
    OutlineEntry,
    Page,
    attached_names,
    count_signatures,
    read_attached,
    read_outline,
    read_page,
)
from kmflow_orchestration.converters.documents.pdf_tables import tables_of_pages
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    BlockKind,
    ConversionWarning,
    ConvertedTable,
    DocumentReading,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.converters.type_lattice import BOOLEAN, DOUBLE, STRING
from kmflow_orchestration.errors import CorruptInput

# PDFium keeps state of its own and must not be entered twice at a time.
ONE_AT_A_TIME = threading.Lock()
PASSWORD_ERRORS = frozenset({4, 5})
_TOLD = (
    ("Title", "title"),
    ("Author", "author"),
    ("Subject", "subject"),
    ("Keywords", "keywords"),
    ("Creator", "created_with"),
    ("Producer", "producer"),
)
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([+-])(\d\d)'?(\d\d)?'?|Z.*)?$")
_MARK = "page mark"
_PROBLEMS = {
    UNREADABLE: "cannot be read",
    BLANK: "is blank",
    NEEDS_OCR: "has no text layer",
}
_PAGE: Columns = (
    ("page", LONG),
    ("text", STRING),
    ("characters", LONG),
    ("images", LONG),
    ("width", DOUBLE),
    ("height", DOUBLE),
    ("rotation", LONG),
    ("needs_ocr", BOOLEAN),
    ("problem", STRING),
)
_OUTLINE: Columns = (("level", LONG), ("title", STRING), ("page", LONG))
_LINK: Columns = (("page", LONG), ("address", STRING), ("to_page", LONG))
_FILE: Columns = (("name", STRING), ("size_bytes", LONG), ("sha256", STRING))


@dataclass(frozen=True, slots=True)
class PdfOptions(ReaderOptions):
    """`pages` are those to read, '' for all; `metadata` marks in the text where each begins.

    With `pdf_tables` the tables on them come, too.
    """

    pages: str = ""
    metadata: bool = False
    pdf_tables: bool = False

    def check(self) -> None:
        if self.pages:
            check_ranges(self.pages)


class PdfConverter(TextConverter):
    """A page without a text layer is kept, and flagged `needs_ocr`."""

    name: ClassVar[str] = "pdf"
    version: ClassVar[str] = "2"
    media_types: ClassVar[tuple[str, ...]] = ("application/pdf",)
    suffixes: ClassVar[tuple[str, ...]] = (".pdf",)
    libraries: ClassVar[tuple[str, ...]] = ("pypdfium2",)
    reader_options: ClassVar[type[ReaderOptions]] = PdfOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By its signature, which may stand a little behind the beginning."""
        return 1.0 if b"%PDF-" in head[:1024] else 0.0

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """A block a page, under the outline's last title before it.

        Raises:
            ConfigurationError: pages that no range names, or that the document does not have.
        """
        chosen = PdfOptions.parse(options)
        with refusals_of("PDF"), _opened(source) as document:
            pages = _pages(document, chosen, is_full=False)
            return iter(_text(document, pages, read_outline(document), chosen))

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """See ReadsDocuments; `pages` has a row for every page, also for one without text."""
        chosen, origin = PdfOptions.parse(options), self.origin(source)
        with refusals_of("PDF"), _opened(source) as document:
            pages = _pages(document, chosen, is_full=True)
            outline = read_outline(document)
            blocks = sound_blocks(_text(document, pages, outline, chosen))
            attached = list(read_attached(document))
            about = _about(document)
            if signatures := count_signatures(document):
                about["signatures"] = str(signatures)
        on_pages: list[ConvertedTable] = []
        told: list[ConversionWarning] = []
        if chosen.pdf_tables:
            readable = [page.number for page in pages if page.problem != UNREADABLE]
            on_pages, told = tables_of_pages(source.path, readable, origin)
        of_pages = [block for block in blocks if page_of(block.location) is not None]
        shown = [block for block in of_pages if not (block.flags or block.style == _MARK)]
        links = [link for page in pages for link in page.links]
        beside: tuple[tuple[str, Columns, list[tuple[object, ...]]], ...] = (
            ("outline", _OUTLINE, [(one.level, one.title, one.page) for one in outline]),
            ("links", _LINK, [(one.page, one.address, one.to_page) for one in links]),
            ("attachments", _FILE, [(one.name, one.size_bytes, one.sha256) for one in attached]),
        )
        return DocumentReading(
            blocks,
            (
                documents_table(shown, about, origin),
                declared_table("pages", _PAGE, map(_row, pages), origin),
                *(declared_table(*one, origin) for one in beside if one[-1]),
                *on_pages,
            ),
            "pages",
            (*_failed(pages), *told),
        )

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        with refusals_of("PDF"), _opened(source) as document:
            return _about(document)


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """A document for as long as it is read, by one thread.

    Raises:
        CorruptInput: damaged, or behind a password (`encrypted`).
    """
    import pypdfium2

    with ONE_AT_A_TIME:
        try:
            document = pypdfium2.PdfDocument(source.path)
        except pypdfium2.PdfiumError as error:
            if error.err_code in PASSWORD_ERRORS:
                raise CorruptInput(
                    "the PDF needs a password",
                    reason="encrypted",
                    hint="save it without one and drop it again",
                ) from error
            raise CorruptInput(f"the PDF cannot be read: {error}") from error
        with closing(document):
            yield document


def _about(document: Any) -> dict[str, str]:
    found = {told: document.get_metadata_value(name).strip() for name, told in _TOLD}
    found["created"] = iso_date(document.get_metadata_value("CreationDate"))
    found["modified"] = iso_date(document.get_metadata_value("ModDate"))
    found["pages"] = str(len(document))
    return {name: value for name, value in found.items() if value}


def _pages(document: Any, options: PdfOptions, *, is_full: bool) -> list[Page]:
    """Raises CorruptInput when nothing of the file can be read."""
    numbers = chosen_pages(options.pages, len(document))
    found = [read_page(document, number, is_full=is_full) for number in numbers]
    if not found or any(page.problem != UNREADABLE for page in found):
        return found
    if not document.count_attachments() and not any(
        one.is_heading for one in read_outline(document)
    ):
        raise CorruptInput(f"none of the {len(found)} pages can be read")
    return found


def _text(
    document: Any, pages: Sequence[Page], outline: Sequence[OutlineEntry], options: PdfOptions
) -> list[TextBlock]:
    titles: dict[int, list[OutlineEntry]] = {}
    for entry in outline:
        if entry.is_heading and entry.page is not None:
            titles.setdefault(entry.page, []).append(entry)
    blocks: list[TextBlock] = []
    heading, seen = "", 0
    for page in pages:
        place = f"page {page.number}"
        # A page stands under the last title before it, also when that one's page is left out.
        for number in range(seen + 1, page.number):
            heading = titles[number][-1].title if number in titles else heading
        seen = page.number
        if options.metadata:
            blocks.append(_mark(f"--- Page {page.number} ---", place))
        for entry in titles.get(page.number, ()):
            heading = entry.title
            blocks.append(TextBlock(BlockKind.HEADING, heading, heading, place, level=entry.level))
        text, flags = _said(page)
        blocks.append(TextBlock(BlockKind.PARAGRAPH, text, heading, place, flags))
        if options.metadata:
            blocks.append(_mark(f"--- End Page {page.number} ---", place))
    if names := attached_names(document):
        text = "\n".join(f"- {name}" for name in names)
        told = f"Attached files:\n{text}"
        blocks.append(TextBlock(BlockKind.LIST, told, "", "attached files"))
    return blocks


def _mark(text: str, place: str) -> TextBlock:
    return TextBlock(BlockKind.PARAGRAPH, text, "", place, style=_MARK)


def _said(page: Page) -> tuple[str, tuple[str, ...]]:
    """Text of a page, or what to say of one that has none."""
    if not page.problem:
        return page.text, ()
    return f"[page {page.number} {_PROBLEMS[page.problem]}]", (page.problem,)


def _row(page: Page) -> tuple[object, ...]:
    characters = None if page.problem == UNREADABLE else len(page.text)
    return (
        *(page.number, page.text, characters, page.images, page.width, page.height),
        *(page.rotation, page.problem == NEEDS_OCR, page.problem),
    )


def _failed(pages: Sequence[Page]) -> Iterator[ConversionWarning]:
    for page in pages:
        if page.problem == UNREADABLE:
            told = "the page is damaged: its row has no text"
            yield ConversionWarning("page_skipped", told, f"page {page.number}")


def iso_date(text: str) -> str:
    """A PDF's date as ISO 8601, as far as it says; '' for what is none."""
    match = _DATE.match(text.strip())
    if match is None:
        return ""
    year, month, day, hour, minute, second, sign, hours, minutes = match.groups()
    found = f"{year}-{month or '01'}-{day or '01'}"
    if hour:
        found += f"T{hour}:{minute or '00'}:{second or '00'}"
        found += f"{sign}{hours}:{minutes or '00'}" if sign else "Z" if "Z" in text else ""
    return found
