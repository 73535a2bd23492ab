"""JSON read piece by piece: values of a document one after the other, or line by line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.json_text import DECODER, TOO_DEEP
from kmflow_orchestration.converters.record_cells import MAX_CELL_CHARACTERS
from kmflow_orchestration.converters.text_encoding import Utf8Stream
from kmflow_orchestration.errors import CorruptInput

_CHUNK_BYTES = 1 << 20
_SPACE = " \t\r\n"
# A value cut off by the end of what was read shows no further from that end.
_NEAR_END = 16


class JsonScanner:
    """A cursor in a JSON text of any size, of which only a stretch is in memory."""

    def __init__(self, stream: Utf8Stream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
        self._text, self._at = "", 0
        # Where the text in memory begins in the whole.
        self._line, self._column = 1, 1
        self._is_over = False
        self.last_size = 0
        """Characters of the last value."""

    def peek(self) -> str:
        """The next character that is no space; '' at the end."""
        while True:
            text, at = self._text, self._at
            while at < len(text):
                if text[at] not in _SPACE:
                    self._at = at
                    return text[at]
                at += 1
            self._at = at
            if not self._more(_CHUNK_BYTES):
                return ""

    def take(self, wanted: str) -> None:
        """Go past one character. Raises CorruptInput when another one comes."""
        if self.peek() != wanted:
            raise self._broken(self._at, f"{wanted!r} is missing")
        self._at += 1

    def takes(self, wanted: str) -> bool:
        """Go past a character if it comes next, and say whether it did."""
        if self.peek() != wanted:
            return False
        self._at += 1
        return True

    def value(self) -> Any:
        """The next value, whole.

        Raises:
            CorruptInput: no JSON, or a value beyond the limits (`too_large_inside`).
        """
        self.peek()
        while True:
            found, end, problem = self._tried()
            # A number may go on behind what was read, also where its point or its `e` is the end.
            if problem is None and (len(self._text) - end > _NEAR_END or self._is_over):
                self.last_size, self._at = end - self._at, end
                return found
            size = len(self._text) - self._at
            if size > MAX_CELL_CHARACTERS:
                raise CorruptInput(
                    f"line {self._place(self._at)[0]}: a value of more than "
                    f"{MAX_CELL_CHARACTERS} characters",
                    reason=TOO_LARGE,
                    hint="name the path of its records with the option record_path",
                )
            if problem is not None and not self._may_go_on(problem):
                raise self._broken(problem.pos, problem.msg)
            broken = problem and self._broken(problem.pos, problem.msg)
            if not self._more(max(_CHUNK_BYTES, size)) and broken:
                raise broken

    def key(self) -> str:
        """The name of an object's member, with the colon behind it."""
        if self.peek() != '"':
            raise self._broken(self._at, "a name in quotes is missing")
        found = str(self.value())
        self.take(":")
        return found

    def members(self) -> Iterator[str]:
        """The names in an object; whoever asks for the next has read the value of the last."""
        self.take("{")
        if self.takes("}"):
            return
        while True:
            yield self.key()
            if self.takes("}"):
                return
            self.take(",")

    def elements(self) -> Iterator[None]:
        """Stops before each element of an array; whoever asks for the next has read the last."""
        self.take("[")
        if self.takes("]"):
            return
        while True:
            yield None
            if self.takes("]"):
                return
            self.take(",")

    def opens_objects(self) -> bool:
        """Whether an array comes next whose first element is an object."""
        if self.peek() != "[":
            return False
        ahead = 1
        while True:
            while self._at + ahead < len(self._text):
                if self._text[self._at + ahead] not in _SPACE:
                    return self._text[self._at + ahead] == "{"
                ahead += 1
            if not self._more(_CHUNK_BYTES):
                return False

    def _tried(self) -> tuple[Any, int, json.JSONDecodeError | None]:
        try:
            found, end = DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            return None, 0, error
        except RecursionError as error:
            raise CorruptInput(TOO_DEEP, reason=TOO_LARGE) from error
        return found, end, None

    def _may_go_on(self, problem: json.JSONDecodeError) -> bool:
        text = self._text
        near_end = problem.pos >= len(text) - _NEAR_END
        # A text without an end is told where it begins.
        return near_end or text[problem.pos : problem.pos + 1] == '"'

    def _more(self, size_bytes: int) -> bool:
        """Read on, and forget what lies behind. False at the end."""
        if self._is_over:
            return False
        chunk = self._stream.read(size_bytes)
        self._is_over = not chunk
        self._line, self._column = self._place(self._at)
        self._text = self._text[self._at :] + self._decoder.decode(chunk, final=not chunk)
        self._at = 0
        return not self._is_over

    def _place(self, at: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character in memory."""
        lines = self._text.count("\n", 0, at)
        if lines:
            return self._line + lines, at - self._text.rfind("\n", 0, at)
        return self._line, self._column + at

    def _broken(self, at: int, what: str) -> CorruptInput:
        line, column = self._place(at)
        return CorruptInput(f"line {line}, column {column}: no JSON: {what}")


class Line(NamedTuple):
    """One line of a file of JSON values; `problem` says why it is none, '' otherwise."""

    number: int
    text: str
    value: Any
    problem: str = ""

    @property
    def is_blank(self) -> bool:
        return not self.problem and not self.text.strip()


def json_lines(stream: Utf8Stream) -> Iterator[Line]:
    """Every line with its value, also blank ones; the last line needs no end.

    Raises:
        CorruptInput: a line beyond the limits (`too_large_inside`).
    """
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    rest, number = "", 0
    while chunk := stream.read(_CHUNK_BYTES):
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        if len(rest) > MAX_CELL_CHARACTERS:
            raise CorruptInput(
                f"line {number + len(whole) + 1} has more than {MAX_CELL_CHARACTERS} characters",
                reason=TOO_LARGE,
            )
        for number, text in enumerate(whole, start=number + 1):  # noqa: B020 (goes on)
            yield _line(number, text)
    if rest:
        yield _line(number + 1, rest)


def _line(number: int, text: str) -> Line:
    bare = text.strip(_SPACE)
    if not bare:
        return Line(number, "", None)
    try:
        value, end = DECODER.raw_decode(bare)
        # What comes behind a value is told by the whole decoder.
        return Line(number, bare, value if end == len(bare) else DECODER.decode(bare))
    except json.JSONDecodeError as error:
        return Line(number, bare, None, f"column {error.colno}: no JSON: {error.msg}")
    except RecursionError:
        return Line(number, bare, None, TOO_DEEP)
