"""A document as tables: one row about it, its blocks of text, and each table it holds (D34)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kmflow_orchestration.converters.interface import (
    BlockKind,
    ConversionWarning,
    ConvertedTable,
    DocumentReading,
    TextBlock,
)
from kmflow_orchestration.converters.memory_table import MemoryTable, Origin
from kmflow_orchestration.converters.text_encoding import storable
from kmflow_orchestration.converters.type_lattice import STRING, ColumnType, number

LONG = number(18)
Columns = Sequence[tuple[str, ColumnType]]
BLOCKS = "blocks"
_DOCUMENT: Columns = (
    *((name, STRING) for name in ("title", "author", "subject", "keywords")),
    *((name, STRING) for name in ("created", "modified", "last_editor")),
    *((name, LONG) for name in ("revision", "pages", "words")),
    *((name, STRING) for name in ("created_with", "front_matter", "properties")),
)
_BLOCK: Columns = (
    ("seq", LONG),
    ("kind", STRING),
    ("level", LONG),
    *((name, STRING) for name in ("style", "text", "heading")),
    ("page", LONG),
    *((name, STRING) for name in ("location", "flags", "table")),
)
_COUNTED = frozenset(
    {BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.TABLE, BlockKind.CODE}
)
_WORD = re.compile(r"\w+(?:['\u2019.-]\w+)*")
_PAGE = re.compile(r"(?:page|slide) (\d{1,9})\b")
_NUMBER = re.compile(r"[+-]?[\d.,]+%?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")


def document_reading(
    blocks: Iterable[TextBlock],
    properties: Mapping[str, str],
    origin: Origin,
    *,
    front_matter: str = "",
    warnings: tuple[ConversionWarning, ...] = (),
) -> DocumentReading:
    """`documents`, `blocks`, and `table_1` and so on for the tables that hold a row."""
    sound = sound_blocks(blocks)
    about = documents_table(sound, properties, origin, front_matter=front_matter)
    return DocumentReading(sound, (about, *text_tables(sound, origin)), BLOCKS, warnings)


def text_tables(blocks: Sequence[TextBlock], origin: Origin) -> tuple[ConvertedTable, ...]:
    """`blocks`, and `table_1` and so on, of texts that are not one document."""
    named = _named_tables(blocks)
    inner = [table_of(name, blocks[at], origin) for at, name in named.items()]
    return (_blocks_table(blocks, named, origin), *inner)


def sound_blocks(blocks: Iterable[TextBlock]) -> tuple[TextBlock, ...]:
    """With texts that a file can hold: readers hand out what damaged documents say."""
    return tuple(
        replace(block, text=storable(block.text), heading=storable(block.heading))
        for block in blocks
    )


def declared_table(
    part: str,
    columns: Columns,
    rows: Iterable[Sequence[object]],
    origin: Origin,
    warnings: tuple[ConversionWarning, ...] = (),
    *,
    read_as: Mapping[str, str] | None = None,
) -> MemoryTable:
    """A table whose columns have the same types whatever the source holds."""
    headers = [name for name, _ in columns]
    texts = [[_told(value) for value in row] for row in rows]
    types = dict(columns)
    return MemoryTable(part, headers, texts, origin, warnings, types=types, read_as=read_as)


def documents_table(
    blocks: Sequence[TextBlock],
    properties: Mapping[str, str],
    origin: Origin,
    *,
    front_matter: str = "",
) -> MemoryTable:
    """One row; `properties` has as JSON all that the document says of itself."""
    known = {
        **properties,
        "revision": _whole(properties.get("revision", "")),
        "pages": _whole(properties.get("pages", "") or properties.get("slides", "")),
        "words": sum(len(_WORD.findall(one.text)) for one in blocks if one.kind in _COUNTED),
        "front_matter": front_matter,
        "properties": as_json(properties) if properties else None,
    }
    row = [known.get(name) for name, _ in _DOCUMENT]
    return declared_table("documents", _DOCUMENT, [row], origin)


def table_of(part: str, block: TextBlock, origin: Origin) -> MemoryTable:
    """A table inside a document; cells that the document leaves out at the end of a row are NULL.

    Its first row is the header if the document says so, or if it looks like one.
    """
    rows = _trimmed(block.rows)
    has_header = len(rows) > 1 and (block.has_header or _looks_like_header(rows[0]))
    width = len(rows[0])
    headers = [" ".join(cell.split()) for cell in rows[0]] if has_header else [""] * width
    headers = [header or f"column_{at}" for at, header in enumerate(headers, start=1)]
    body = rows[1:] if has_header else rows
    about = {
        "header": "first row" if has_header else "none",
        "heading": block.heading,
        "location": block.location,
    }
    read_as = {name: text for name, text in about.items() if text}
    return MemoryTable(part, headers, body, origin, read_as=read_as)


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _named_tables(blocks: Sequence[TextBlock]) -> dict[int, str]:
    """Names of the tables by where they stand; what holds no text at all is none."""
    held = [at for at, block in enumerate(blocks) if any(map(any, block.rows))]
    return {at: f"table_{count}" for count, at in enumerate(held, start=1)}


def _blocks_table(
    blocks: Sequence[TextBlock], tables: Mapping[int, str], origin: Origin
) -> MemoryTable:
    rows = [
        (
            *(at + 1, block.kind.value, block.level or None, block.style, block.text),
            *(block.heading, page_of(block.location), block.location, " ".join(block.flags)),
            tables.get(at),
        )
        for at, block in enumerate(blocks)
    ]
    return declared_table(BLOCKS, _BLOCK, rows, origin)


def page_of(location: str) -> int | None:
    """The page or slide that a location names."""
    match = _PAGE.match(location)
    return int(match[1]) if match else None


def _trimmed(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows of one width, without columns at the right edge that hold nothing."""
    width = max(
        (at for row in rows for at, cell in enumerate(row, start=1) if cell.strip()), default=1
    )
    padded = [[storable(cell).strip() for cell in row[:width]] for row in rows]
    return [[*row, *[""] * (width - len(row))] for row in padded]


def _looks_like_header(row: Sequence[str]) -> bool:
    """Every cell says something of its own, and none is a number or a date."""
    folded = {" ".join(cell.split()).casefold() for cell in row}
    is_filled = "" not in folded and len(folded) == len(row)
    return is_filled and not any(_NUMBER.fullmatch(cell) for cell in folded)


def _whole(text: str) -> str | None:
    return str(int(text)) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def _told(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else storable(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
