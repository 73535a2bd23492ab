"""XML files of many flat records: a parser reads what lies around them, a pattern the records.

One document, in UTF-8, without a document type. Whatever is otherwise ends the attempt, and all of
the file is then read by the parser alone, which also knows to say what is wrong and where.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from xml.parsers import expat

import pyarrow as pa

from kmflow_orchestration.converters.gathered_table import count_of_empty, without_empty
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch
from kmflow_orchestration.converters.text_values import observed_type
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType
from kmflow_orchestration.converters.xml_parsing import Reader, declared_encoding, parser_for
from kmflow_orchestration.converters.xml_pattern import (
    GAP,
    NAME,
    Pattern,
    Record,
    Taken,
    UnlikeError,
    record_at,
)
from kmflow_orchestration.converters.xml_plan import written_name
from kmflow_orchestration.converters.xml_shape import Element, Shape
from kmflow_orchestration.errors import CorruptInput

LEAST_BYTES = 2 << 20
"""Of a smaller file nothing is won."""
_WINDOW_BYTES, _LEAST_WINDOW_BYTES = 1 << 20, 16 << 10
_BATCH_ROWS = 8192
# A shorter stretch is dearer than the parser; and where so many are no records, hardly any are.
_SHORT_BYTES, _MOST_SHORT, _MOST_TRIED = 128 << 10, 20, 200
_FURTHEST_BYTES = 64 << 10
_NATIVE = frozenset({"", "utf-8", "utf8"})
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SIBLINGS = re.compile(rb"(?:/>|</(" + NAME + rb")>)(" + GAP + rb")(?=<(" + NAME + rb")[ />])")
# Characters that XML has not, though UTF-8 does; and an end that no text may hold.
_NONCHARACTERS, _SECTION_END = (b"\xef\xbf\xbe", b"\xef\xbf\xbf"), b"]]>"


@dataclass(frozen=True, slots=True)
class RecordColumn:
    """An attribute of records, or a child that is but text: its values in a stretch of them."""

    child: Element | None
    attribute: str
    place: str
    type: ColumnType
    valid: int
    empty: int
    first: int
    """The first record that has it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of one element, one after the other, set aside."""

    element: Element
    count: int
    columns: tuple[RecordColumn, ...]
    spool: RowSpool
    batch: SpooledBatch

    def read(self) -> pa.RecordBatch:
        return self.spool.read(self.batch)


class TakesStretches(Reader, Protocol):
    """A reader that takes many records at once, where it can."""

    def stretch(self, stretch: Stretch) -> bool:
        """False when it wants to hear of each record instead."""
        ...


@dataclass(frozen=True, slots=True)
class _Span:
    """Bytes that are the parser's."""

    start: int
    end: int


class NotStretchesError(Exception):
    """The file is not of this kind."""


class StretchedFile:
    """A file in pieces: those for the parser, and the stretches between them."""

    def __init__(self, path: Path, shape: Shape, *, window_bytes: int = _WINDOW_BYTES) -> None:
        """Reads it once, so many bytes at a time; the shape learns of all of it.

        Raises:
            NotStretchesError: no such file, or one that is not well-formed.
        """
        self._window_bytes = window_bytes
        self._path = path
        self._pieces: list[_Span | Stretch] = []
        self._spool = RowSpool()
        self._types: dict[tuple[Element | None, Element, str], ColumnType] = {}
        self._short = 0
        self._shape = shape
        try:
            with path.open("rb") as stream:
                self._read(stream, parser_for(shape, namespaces=True))
        except (expat.ExpatError, UnlikeError, CorruptInput) as error:
            # What is wrong, and where, the parser alone knows.
            raise NotStretchesError from error
        if not any(isinstance(one, Stretch) for one in self._pieces):
            raise NotStretchesError

    def replay(self, reader: TakesStretches) -> None:
        """Let a reader hear of all of it again."""
        parser = parser_for(reader, namespaces=True)
        reader.document(1)
        with self._path.open("rb") as stream:
            for one in self._pieces:
                if isinstance(one, Stretch):
                    if not reader.stretch(one):
                        _told(one, reader)
                    continue
                stream.seek(one.start)
                left = one.end - one.start
                while left and (chunk := stream.read(min(left, self._window_bytes))):
                    parser.Parse(chunk, False)
                    left -= len(chunk)
        parser.Parse(b"", True)

    def _read(self, stream: BinaryIO, parser: Any) -> None:
        head = stream.read(self._window_bytes)
        is_ours = declared_encoding(head).lower() in _NATIVE and not head.startswith(_WIDE_MARKS)
        if not is_ours:
            raise NotStretchesError
        parser.StartDoctypeDeclHandler = _refused
        self._shape.document(1)
        at = self._fed = 0
        while True:
            stream.seek(at)
            window = stream.read(self._window_bytes)
            if not window:
                break
            found = None if self._short > _MOST_SHORT else _first_record(window)
            if found is None:
                at = self._parsed(parser, window, at)
                continue
            record, pattern = found
            at = self._parsed_to_end(parser, window[: record.end], at, record)
            at = self._stretch(stream, at, pattern, parser)
        parser.Parse(b"", True)

    def _parsed_to_end(self, parser: Any, content: bytes, at: int, record: Record) -> int:
        """In a comment there is no record, whatever it looks like."""
        ends: list[int] = []

        def end(name: str) -> None:
            ends.append(parser.CurrentByteIndex)
            self._shape.end(name)

        # Where the last tag begins; one that is `<name/>` ends at its end.
        last = {self._fed + content.rfind(b"<")}
        if record.is_closed:
            last.add(self._fed + len(content))
        parser.EndElementHandler = end
        at = self._parsed(parser, content, at)
        parser.EndElementHandler = self._shape.end
        if not ends or ends[-1] not in last:
            raise NotStretchesError
        return at

    def _parsed(self, parser: Any, content: bytes, at: int) -> int:
        """Bytes for the parser, from a place on; where they end."""
        parser.Parse(content, False)
        self._fed += len(content)
        self._span(at, at + len(content))
        return at + len(content)

    def _span(self, start: int, end: int) -> None:
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, _Span) and last.end == start:
            self._pieces[-1] = _Span(last.start, end)
        else:
            self._pieces.append(_Span(start, end))

    def _stretch(self, stream: BinaryIO, at: int, pattern: Pattern, parser: Any) -> int:
        """Records from a place on; where they end."""
        begun, size = at, self._window_bytes
        while True:
            stream.seek(at)
            window = stream.read(size)
            cut = window.rfind(pattern.end) + len(pattern.end)
            content = window[:cut] if cut >= len(pattern.end) else b""
            taken = pattern.take(content)
            if taken.records:
                _check_characters(content[: taken.size_bytes])
                self._add(pattern, taken)
                at += taken.size_bytes
            if taken.records and taken.size_bytes == len(content):
                size = self._window_bytes
                continue
            # What comes next is otherwise: another kind of record, or none.
            size = min(self._window_bytes, max(_LEAST_WINDOW_BYTES, 2 * taken.size_bytes))
            next_at = self._learned(content[taken.size_bytes :], at, pattern, parser)
            if next_at == at:
                break
            self._short += taken.size_bytes < _SHORT_BYTES
            if self._short > _MOST_SHORT:
                return next_at
            at = next_at
        self._short += at - begun < _SHORT_BYTES
        return at

    def _learned(self, content: bytes, at: int, pattern: Pattern, parser: Any) -> int:
        """Where the next record ends when the pattern could take it in; else the same place."""
        if not content.startswith(pattern.between):
            return at
        record = record_at(content, len(pattern.between))
        if record is None or record.name != pattern.name:
            return at
        try:
            pattern.take_in(record)
        except UnlikeError:
            return at
        # The shape must hear of what is new in it.
        return self._parsed(parser, content[: record.end], at)

    def _add(self, pattern: Pattern, taken: Taken) -> None:
        for start in range(0, taken.records, _BATCH_ROWS):
            columns = [one.slice(start, _BATCH_ROWS) for one in taken.columns]
            self._add_batch(pattern, columns, min(_BATCH_ROWS, taken.records - start))

    def _add_batch(self, pattern: Pattern, columns: list[Any], count: int) -> None:
        element = _named(self._shape.around, pattern.name)
        found: list[RecordColumn] = []
        kept: list[Any] = []
        for piece, values in zip(pattern.pieces, columns, strict=True):
            valid = count - values.null_count
            if not valid:
                continue
            name = piece.name.decode()
            child = None if piece.is_attribute else _named(element.children, piece.name)
            key = (child, element, name if piece.is_attribute else "")
            known = self._types[key] = observed_type(
                without_empty(values), self._types.get(key, EMPTY)
            )
            first = values.is_valid().index(pa.scalar(True)).as_py() if values.null_count else 0
            found.append(
                RecordColumn(
                    child,
                    name if piece.is_attribute else "",
                    str(len(found)),
                    known,
                    valid,
                    count_of_empty(values),
                    first,
                )
            )
            kept.append(values)
            if child is not None:
                child.count += valid
            else:
                element.has_attributes = True
        element.repeats = True
        element.count += count
        batch = pa.RecordBatch.from_arrays(kept, names=[one.place for one in found])
        place = self._spool.add(batch)
        self._pieces.append(Stretch(element, count, tuple(found), self._spool, place))


def _named(elements: Mapping[str, Element], written: bytes) -> Element:
    """The element with this name in the file; there its namespace is not told."""
    found = [one for name, one in elements.items() if written_name(name) == written.decode()]
    if len(found) != 1:
        raise NotStretchesError
    return found[0]


def _refused(*_: object) -> None:
    raise NotStretchesError


def _first_record(window: bytes) -> tuple[Record, Pattern] | None:
    """The first flat record that another of its name follows, and a pattern for more of them."""
    for found in islice(_SIBLINGS.finditer(window), _MOST_TRIED):
        name = found[3]
        least = max(0, found.start() - _FURTHEST_BYTES)
        begin = window.rfind(b"<" + name, least, found.start() + 1)
        if begin < 0:
            continue
        record = record_at(window, begin)
        if (
            record is not None
            and record.name == name
            and record.end == found.end(2) - len(found[2])
        ):
            with suppress(UnlikeError):
                return record, Pattern.of(record, found[2])
    return None


def _check_characters(content: bytes) -> None:
    if _SECTION_END in content:
        raise NotStretchesError
    if not content.isascii() and any(one in content for one in _NONCHARACTERS):
        raise NotStretchesError


def _told(stretch: Stretch, reader: Reader) -> None:
    """Each record as a parser would tell it."""
    batch = stretch.read()
    columns: list[tuple[RecordColumn, list[Any]]] = [
        (one, batch.column(at).to_pylist()) for at, one in enumerate(stretch.columns)
    ]
    for at in range(stretch.count):
        attributes = {
            one.attribute: values[at]
            for one, values in columns
            if one.child is None and values[at] is not None
        }
        reader.start(stretch.element.name, attributes)
        for one, values in columns:
            if one.child is not None and values[at] is not None:
                reader.start(one.child.name, {})
                if values[at]:
                    reader.text(values[at])
                reader.end(one.child.name)
        reader.end(stretch.element.name)
