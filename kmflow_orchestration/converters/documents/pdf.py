"""PDF: the text layer page by page, its outline, and the names of attached files."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, ClassVar

from kmflow_orchestration.converters.chunking import MAX_HEADING
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    BlockKind,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
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
# PDFium's mark for a hyphen at the end of a line.
_HYPHEN = "\ufffe"


class PdfConverter(TextConverter):
    """A page without a text layer is kept, and flagged `needs_ocr`."""

    name: ClassVar[str] = "pdf"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = ("application/pdf",)
    suffixes: ClassVar[tuple[str, ...]] = (".pdf",)
    libraries: ClassVar[tuple[str, ...]] = ("pypdfium2",)

    def detect(self, source: Source, head: bytes) -> float:
        """By its signature, which may stand a little behind the beginning."""
        return 1.0 if b"%PDF-" in head[:1024] else 0.0

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """A block a page, under the outline's last title before it."""
        with refusals_of("PDF"), _opened(source) as document:
            found = [*_pages(document), *_attachments(document)]
        unreadable = sum("unreadable" in block.flags for block in found)
        if unreadable and unreadable == len(found):
            raise CorruptInput(f"none of the {unreadable} pages can be read")
        return iter(found)

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        with refusals_of("PDF"), _opened(source) as document:
            found = {told: document.get_metadata_value(name).strip() for name, told in _TOLD}
            found["created"] = iso_date(document.get_metadata_value("CreationDate"))
            found["modified"] = iso_date(document.get_metadata_value("ModDate"))
            found["pages"] = str(len(document))
        return {name: value for name, value in found.items() if value}


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


def _pages(document: Any) -> Iterator[TextBlock]:
    titles = _outline(document)
    heading = ""
    for number in range(len(document)):
        place = f"page {number + 1}"
        for title in titles.get(number, ()):
            heading = title
            yield TextBlock(BlockKind.HEADING, title, title, place)
        text, flags = _page(document, number)
        yield TextBlock(BlockKind.PARAGRAPH, text, heading, place, flags)


def _page(document: Any, number: int) -> tuple[str, tuple[str, ...]]:
    """Text of a page, or what to say of one that has none."""
    import pypdfium2

    try:
        page = document[number]
        try:
            text = page.get_textpage().get_text_range()
            is_blank = next(page.get_objects(max_depth=1), None) is None
        finally:
            page.close()
    except pypdfium2.PdfiumError:
        return f"[page {number + 1} cannot be read]", ("unreadable",)
    lines = text.replace("\r\n", "\n").replace(_HYPHEN, "-").replace("\x00", "")
    if lines.strip():
        return lines.strip(), ()
    if is_blank:
        return f"[page {number + 1} is blank]", ("blank",)
    return f"[page {number + 1} has no text layer]", ("needs_ocr",)


def _outline(document: Any) -> dict[int, list[str]]:
    """Titles by the index of the page they lead to."""
    import pypdfium2

    found: dict[int, list[str]] = {}
    for entry in document.get_toc():
        try:
            destination = entry.get_dest()
            at = None if destination is None else destination.get_index()
            title = " ".join(entry.get_title().split())
        except pypdfium2.PdfiumError:
            continue
        if at is not None and 0 < len(title) <= MAX_HEADING:
            found.setdefault(at, []).append(title)
    return found


def _attachments(document: Any) -> Iterator[TextBlock]:
    names = [document.get_attachment(at).get_name() for at in range(document.count_attachments())]
    if names:
        text = "\n".join(f"- {name}" for name in names)
        yield TextBlock(BlockKind.LIST, f"Attached files:\n{text}", "", "attached files")


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
