"""HTML as browsers read it; scripts and styles dropped, nothing fetched."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import look_at
from kmflow_orchestration.converters.documents.html_text import html_blocks
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.safe_xml import root_name
from kmflow_orchestration.converters.text_encoding import UTF8, UTF16, read_text, scan_text
from kmflow_orchestration.errors import CorruptInput

_MAX_BYTES = 256 << 20
_META_CHARSET = re.compile(
    rb"""<meta[^>]{0,500}charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE
)
_TAG = re.compile(rb"<(?:!--|!doctype|/?[a-z][a-z0-9]*[\s/>])", re.IGNORECASE)
_META = {
    "author": "author",
    "description": "description",
    "keywords": "keywords",
    "date": "created",
    "generator": "created_with",
}


class HtmlConverter(TextConverter):
    """Text of the page; a link keeps its target, a picture its description."""

    name: ClassVar[str] = "html"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = ("text/html",)
    suffixes: ClassVar[tuple[str, ...]] = (".html", ".htm", ".xhtml")
    libraries: ClassVar[tuple[str, ...]] = ("selectolax",)
    # XHTML is XML, and more of a page.
    priority: ClassVar[int] = 1

    def detect(self, source: Source, head: bytes) -> float:
        """By its first tag; with our suffix any tag or text will do."""
        look = look_at(head)
        if not look.is_text:
            return 0.0
        if look.announced == "html" or root_name(head).endswith("}html"):
            return 1.0
        if source.suffix not in self.suffixes or look.announced not in ("", "xml"):
            return 0.0
        # Lines of markup may line up like those of a table: ours win by priority.
        return 1.0 if _TAG.search(head) else 0.5

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Blocks in reading order."""
        with refusals_of("page"):
            root = parsed(_text(source.path)).body
            return iter([] if root is None else list(html_blocks(root)))

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        with refusals_of("page"):
            return _about(parsed(_text(source.path)))


def parsed(text: str) -> Any:
    """The tree of a page."""
    from selectolax.lexbor import LexborHTMLParser

    return LexborHTMLParser(text)


def _about(page: Any) -> dict[str, str]:
    title = page.css_first("title")
    found = {"title": "" if title is None else " ".join((title.text() or "").split())}
    for meta in page.css("meta[name]"):
        told = _META.get((meta.attributes.get("name") or "").lower())
        if told:
            found.setdefault(told, (meta.attributes.get("content") or "").strip())
    return {name: value for name, value in found.items() if value}


def _text(path: Path) -> str:
    """The page's characters: by BOM, as UTF-8 where it is that, else as it says."""
    if path.stat().st_size > _MAX_BYTES:
        raise CorruptInput("a page of more than 256 MiB", reason=TOO_LARGE)
    scan = scan_text(path)
    said = ""
    if scan.encoding not in (UTF8, UTF16):
        with path.open("rb") as stream:
            said = declared_charset(stream.read(4096))
    if said:
        return path.read_bytes().decode(said, "replace")
    return read_text(path, scan.encoding)


def declared_charset(head: bytes) -> str:
    """What a page says its characters are, if Python knows it; '' otherwise."""
    match = _META_CHARSET.search(head)
    name = match[1].decode("ascii").lower() if match else ""
    try:
        found = codecs.lookup(name).name if name else ""
    except LookupError:
        return ""
    # Browsers read both as Windows' own, and a page that was no UTF-8 lies about it.
    return "" if found in ("iso8859-1", "ascii", "utf-8", "utf-16") else found
