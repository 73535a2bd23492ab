"""Plain text and Markdown as blocks of text under their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import look_at
from kmflow_orchestration.converters.document_tables import document_reading
from kmflow_orchestration.converters.front_matter import (
    front_matter,
    front_matter_json,
    told_properties,
)
from kmflow_orchestration.converters.interface import (
    BlockKind,
    DocumentReading,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.text_encoding import read_text, scan_text

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LIST_ITEM = re.compile(r" {0,3}([-*+]|\d{1,9}[.)])[ \t]+")
_TABLE_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*$")
_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_BAR = re.compile(r"(?<!\\)\|")
_MARKDOWN = (".md", ".markdown")


class PlainTextConverter(TextConverter):
    """Paragraphs between blank lines; in Markdown also headings, lists, tables and code."""

    name: ClassVar[str] = "plain_text"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = ("text/plain", "text/markdown")
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".md", ".markdown")

    def detect(self, source: Source, head: bytes) -> float:
        """Prose has no signature: the suffix decides, and readable characters confirm it."""
        look = look_at(head)
        if not look.is_text or look.announced or source.suffix not in self.suffixes:
            return 0.0
        # A Markdown table lines up like a delimited file, and is none.
        return 1.0 if source.suffix in _MARKDOWN else 0.5

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Blocks in reading order."""
        text = read_text(source.path, scan_text(source.path).encoding)
        return iter(_blocks(text.splitlines(), is_markdown=source.suffix in _MARKDOWN))

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """See ReadsDocuments; a Markdown file's front matter is what it says of itself."""
        scan = scan_text(source.path)
        text, is_markdown = read_text(source.path, scan.encoding), source.suffix in _MARKDOWN
        found = front_matter(text) if is_markdown else {}
        return document_reading(
            _blocks(text.splitlines(), is_markdown=is_markdown),
            told_properties(found),
            Origin(self.name, self.version, scan.content_hash),
            front_matter=front_matter_json(found),
        )


@dataclass(slots=True)
class _Draft:
    """The block being gathered; mutable while lines come in."""

    heading: str = ""
    kind: BlockKind = BlockKind.PARAGRAPH
    lines: list[str] = field(default_factory=list)
    first_line: int = 0
    fence: str = ""

    def add(self, line: str, number: int) -> None:
        if not self.lines:
            self.first_line = number
        self.lines.append(line)

    def take(self) -> Iterator[TextBlock]:
        """The block so far, if it holds anything; a new one begins."""
        text = "\n".join(self.lines).strip("\n")
        if text.strip():
            place = f"line {self.first_line}"
            is_table = self.kind is BlockKind.TABLE
            rows = tuple(map(_cells, filter(_is_data, self.lines))) if is_table else ()
            has_header = is_table and len(self.lines) > 1 and not _is_data(self.lines[1])
            yield TextBlock(self.kind, text, self.heading, place, rows=rows, has_header=has_header)
        self.lines, self.kind = [], BlockKind.PARAGRAPH


def _blocks(lines: list[str], *, is_markdown: bool) -> Iterator[TextBlock]:
    draft = _Draft()
    for number, line in enumerate(lines, start=1):
        if is_markdown:
            yield from _markdown_line(draft, line, number)
        elif line.strip():
            draft.add(line, number)
        else:
            yield from draft.take()
    yield from draft.take()


def _markdown_line(draft: _Draft, line: str, number: int) -> Iterator[TextBlock]:
    fence = _FENCE.match(line)
    if draft.fence or fence:
        yield from _code_line(draft, line, number)
    elif heading := _HEADING.match(line):
        yield from draft.take()
        yield from _heading(draft, heading[2], number, len(heading[1]))
    elif _is_underline(draft, line):
        text = draft.lines.pop()
        yield from _heading(draft, text.strip(), number - 1, 1 if "=" in line else 2)
    elif not line.strip():
        yield from draft.take()
    else:
        yield from _flowing_line(draft, line, number)


def _code_line(draft: _Draft, line: str, number: int) -> Iterator[TextBlock]:
    fence = _FENCE.match(line)
    if not draft.fence and fence:
        yield from draft.take()
        draft.kind, draft.fence = BlockKind.CODE, fence[1]
    elif fence and fence[1].startswith(draft.fence):
        draft.fence = ""
        yield from draft.take()
    else:
        draft.add(line, number)


def _is_underline(draft: _Draft, line: str) -> bool:
    is_one_line = draft.kind is BlockKind.PARAGRAPH and len(draft.lines) == 1
    return is_one_line and _UNDERLINE.match(line) is not None


def _heading(draft: _Draft, text: str, number: int, level: int) -> Iterator[TextBlock]:
    draft.heading = text
    if text:
        yield TextBlock(BlockKind.HEADING, text, text, f"line {number}", level=level)


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().removeprefix("|").removesuffix("|")
    return tuple(cell.strip().replace(r"\|", "|") for cell in _BAR.split(inner))


def _is_data(line: str) -> bool:
    """Whether it is no line of dashes below a header."""
    return _RULE.fullmatch(line.strip()) is None


def _flowing_line(draft: _Draft, line: str, number: int) -> Iterator[TextBlock]:
    kind = _kind(draft, line)
    if kind is not draft.kind:
        yield from draft.take()
        draft.kind = kind
    draft.add(line, number)


def _kind(draft: _Draft, line: str) -> BlockKind:
    if _TABLE_ROW.match(line):
        return BlockKind.TABLE
    if _LIST_ITEM.match(line):
        return BlockKind.LIST
    # An indented or lazy line goes on with its list item.
    is_in_list = draft.kind is BlockKind.LIST and bool(draft.lines)
    return BlockKind.LIST if is_in_list else BlockKind.PARAGRAPH
