"""The bytes or the line that a refusal names, from the stored file: bounded, without secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

from kmflow_orchestration.redaction import redact

_PLACE = re.compile(r"\b(?P<kind>byte|line|row) (?P<number>\d{1,18})\b")
_AROUND = 32
_LONGEST_LINE = 500
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class OffendingPlace:
    """`kind` is `byte`, counted from 0, or `line`, from 1; `hexadecimal` is of the byte alone."""

    kind: str
    number: int
    text: str
    hexadecimal: str = ""


def offending_place(stream: BinaryIO, message: str) -> OffendingPlace | None:
    """What a message names of a file; None when it names nothing, or the file is no text."""
    found = _PLACE.search(message)
    if found is None:
        return None
    number = int(found["number"])
    if found["kind"] == "byte":
        return _byte(stream, number)
    return _line(stream, number)


def _byte(stream: BinaryIO, offset: int) -> OffendingPlace | None:
    start = max(offset - _AROUND, 0)
    left = start
    while left:
        skipped = stream.read(min(left, _CHUNK_BYTES))
        if not skipped:
            return None
        left -= len(skipped)
    around = b""
    while len(around) < 2 * _AROUND and (more := stream.read(2 * _AROUND - len(around))):
        around += more
    at = offset - start
    if at >= len(around):
        return None
    text = redact(around.decode("utf-8", "backslashreplace"))
    return OffendingPlace("byte", offset, text, f"{around[at]:#04x}")


def _line(stream: BinaryIO, number: int) -> OffendingPlace | None:
    line, text, is_over = 1, b"", False
    while not is_over and (chunk := stream.read(_CHUNK_BYTES)):
        if line == 1 and not text and b"\0" in chunk[:4096]:
            return None
        for piece in chunk.splitlines(keepends=True):
            if line == number and len(text) <= _LONGEST_LINE:
                text += piece[: _LONGEST_LINE + 1]
            if piece.endswith(b"\n"):
                line += 1
            if line > number:
                is_over = True
                break
    if not text:
        return None
    shown = text.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
    cut = f"{shown[:_LONGEST_LINE]}…" if len(shown) > _LONGEST_LINE else shown
    return OffendingPlace("line", number, redact(cut))
