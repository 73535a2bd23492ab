"""Single records of a delimited text as they stand in it: not a character is taken away."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from kmflow_orchestration.converters.delimited_records import Format, Record, text_records
from kmflow_orchestration.converters.text_encoding import decoder_of

_LINE_END = re.compile(r"\r\n|\n|\r")
_BOM = "\ufeff"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record's text without its line end, the line it begins on, from 1, and its fields."""

    line: int
    text: str
    fields: Record


def raw_records(
    stream: BinaryIO, read_as: Mapping[str, str], rows: Collection[int]
) -> dict[int, RawRecord]:
    """The records of these numbers, from 1; `read_as` is what a receipt says of the reading.

    Bytes that the encoding does not have raise UnicodeDecodeError. Not more than a record and a
    megabyte is held.
    """
    form = Format(read_as["delimiter"], read_as["quote"], read_as["escape"])
    found: dict[int, RawRecord] = {}
    wanted, last = frozenset(rows), max(rows, default=0)
    buffer, number, line = "", 0, 1
    for chunk, is_whole in _pieces(stream, read_as["encoding"]):
        buffer += chunk
        end = 0
        for record in text_records(buffer, form, is_whole=is_whole):
            number += 1
            text = buffer[record.start : record.end]
            if number in wanted:
                found[number] = RawRecord(line, _without_end(text), record.fields)
            if number >= last:
                return found
            line += len(_LINE_END.findall(text))
            end = record.end
        buffer = buffer[end:]
    return found


def _pieces(stream: BinaryIO, encoding: str) -> Iterator[tuple[str, bool]]:
    """Texts, and whether nothing comes after."""
    decoder, is_first = decoder_of(encoding), True
    while True:
        content = stream.read(_CHUNK_BYTES)
        text = decoder.decode(content, final=not content)
        if is_first and text:
            text, is_first = text.removeprefix(_BOM), False
        yield text, not content
        if not content:
            return


def _without_end(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")
