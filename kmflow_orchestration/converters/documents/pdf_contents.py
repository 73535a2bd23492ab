"""What PDFium tells of an open document: pages, outline, links, attached files, signatures."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.converters.chunking import MAX_HEADING

# PDFium's mark for a hyphen at the end of a line.
_HYPHEN = "\ufffe"
# A page that people made has fewer; a link may lead to itself in a damaged file.
_MAX_LINKS = 10_000
BLANK, NEEDS_OCR, UNREADABLE = "blank", "needs_ocr", "unreadable"


@dataclass(frozen=True, slots=True)
class Link:
    """From a page, counted from 1, to an address or to another page."""

    page: int
    address: str
    to_page: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page, counted from 1; `problem` says why it has no text, '' if it has."""

    number: int
    text: str = ""
    problem: str = ""
    images: int | None = None
    width: float | None = None
    height: float | None = None
    rotation: int | None = None
    links: Sequence[Link] = ()


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """`page` counts from 1, None for a title that leads nowhere; `level` from 1."""

    level: int
    title: str
    page: int | None

    @property
    def is_heading(self) -> bool:
        return self.page is not None and 0 < len(self.title) <= MAX_HEADING


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """`size_bytes` and `sha256` are None for one whose bytes cannot be read."""

    name: str
    size_bytes: int | None
    sha256: str | None


def read_page(document: Any, number: int, *, is_full: bool) -> Page:
    """A page's text; only with `is_full` its measures, pictures and links."""
    import pypdfium2
    from pypdfium2 import raw

    try:
        page = document[number - 1]
        try:
            text = page.get_textpage().get_text_range()
            is_blank = next(page.get_objects(max_depth=1), None) is None
            problem = BLANK if is_blank else NEEDS_OCR
            text = text.replace("\r\n", "\n").replace(_HYPHEN, "-").replace("\x00", "").strip()
            if not is_full:
                return Page(number, text, "" if text else problem)
            width, height = page.get_size()
            return Page(
                number,
                text,
                "" if text else problem,
                sum(1 for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])),
                round(width, 2),
                round(height, 2),
                page.get_rotation(),
                list(_links(document, page, number)),
            )
        finally:
            page.close()
    except pypdfium2.PdfiumError:
        return Page(number, problem=UNREADABLE)


def _links(document: Any, page: Any, number: int) -> Iterator[Link]:
    from pypdfium2 import raw

    at, link = ctypes.c_int(0), raw.FPDF_LINK()
    for _ in range(_MAX_LINKS):
        if not raw.FPDFLink_Enumerate(page, ctypes.byref(at), ctypes.byref(link)):
            return
        action = raw.FPDFLink_GetAction(link)
        kind = raw.FPDFAction_GetType(action) if action else raw.PDFACTION_UNSUPPORTED
        if kind == raw.PDFACTION_URI:
            size = raw.FPDFAction_GetURIPath(document, action, None, 0)
            address = ctypes.create_string_buffer(size)
            raw.FPDFAction_GetURIPath(document, action, address, size)
            yield Link(number, address.value.decode("utf-8", "replace"), None)
            continue
        target = raw.FPDFLink_GetDest(document, link)
        if not target and kind == raw.PDFACTION_GOTO:
            target = raw.FPDFAction_GetDest(document, action)
        index = raw.FPDFDest_GetDestPageIndex(document, target) if target else -1
        if index >= 0:
            yield Link(number, "", index + 1)


def read_outline(document: Any) -> list[OutlineEntry]:
    """Titles in their order."""
    import pypdfium2

    found = []
    for entry in document.get_toc():
        try:
            destination = entry.get_dest()
            at = None if destination is None else destination.get_index()
            title = " ".join(entry.get_title().split())
        except pypdfium2.PdfiumError:
            continue
        found.append(OutlineEntry(entry.level + 1, title, None if at is None else at + 1))
    return found


def attached_names(document: Any) -> list[str]:
    return [document.get_attachment(at).get_name() for at in range(document.count_attachments())]


def read_attached(document: Any) -> Iterator[AttachedFile]:
    """Each with the size and hash of its bytes."""
    import pypdfium2

    for at in range(document.count_attachments()):
        file = document.get_attachment(at)
        try:
            content = bytes(file.get_data())
        except pypdfium2.PdfiumError:
            yield AttachedFile(file.get_name(), None, None)
            continue
        yield AttachedFile(file.get_name(), len(content), hashlib.sha256(content).hexdigest())


def count_signatures(document: Any) -> int:
    from pypdfium2 import raw

    return max(int(raw.FPDF_GetSignatureCount(document)), 0)
