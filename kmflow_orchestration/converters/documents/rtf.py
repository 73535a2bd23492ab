"""RTF: its plain text, line by line, and what its information group says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import look_at
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import (
    BlockKind,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import TextConverter
from kmflow_orchestration.converters.text_tables import as_text
from kmflow_orchestration.errors import CorruptInput

_MAX_BYTES = 64 << 20
_ABOUT = re.compile(r"\{\\(title|author|subject|keywords|operator) ([^{}]{1,500})\}")
_TOLD = {"operator": "last_editor"}


class RtfConverter(TextConverter):
    """Paragraphs and tables; pictures and objects are left out."""

    name: ClassVar[str] = "rtf"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = ("application/rtf",)
    suffixes: ClassVar[tuple[str, ...]] = (".rtf",)
    libraries: ClassVar[tuple[str, ...]] = ("striprtf",)

    def detect(self, source: Source, head: bytes) -> float:
        """By its signature."""
        return 1.0 if look_at(head).announced == "rtf" else 0.0

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Blocks with the line of the text they begin in."""
        return iter(list(_blocks(_plain(_content(source.path)))))

    def properties(self, source: Source) -> Mapping[str, str]:
        """See DescribesDocuments."""
        head = _content(source.path)[: 1 << 20]
        return {
            _TOLD.get(name, name): _plain(f"{{\\rtf1 {value}}}").strip()
            for name, value in _ABOUT.findall(head)
        }


def _content(path: Path) -> str:
    """The file's own characters; letters beyond ASCII are spelt out in them.

    Raises:
        CorruptInput: too large, or cut off before its last group is closed.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise CorruptInput("an RTF file of more than 64 MiB", reason=TOO_LARGE)
    content = path.read_bytes().decode("latin-1")
    if not content.rstrip("\0 \r\n\t").endswith("}"):
        raise CorruptInput("the RTF file ends in the middle")
    return content


def _plain(content: str) -> str:
    from striprtf.striprtf import rtf_to_text

    with refusals_of("RTF file"):
        text: str = rtf_to_text(content, errors="replace")
        # Letters beyond the first plane are written as two halves.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _blocks(text: str) -> Iterator[TextBlock]:
    rows: list[list[str]] = []
    first_row = 0
    lines = [line.strip() for line in text.replace("\x00", "").split("\n")]
    for number, line in enumerate([*lines, ""], start=1):
        # Cells end with a bar each.
        if line.endswith("|"):
            first_row = first_row if rows else number
            rows.append(line[:-1].split("|"))
            continue
        if table := as_text(rows):
            cells = tuple(map(tuple, rows))
            yield TextBlock(BlockKind.TABLE, table, "", f"line {first_row}", rows=cells)
        rows = []
        if line:
            yield TextBlock(BlockKind.PARAGRAPH, line, "", f"line {number}")
