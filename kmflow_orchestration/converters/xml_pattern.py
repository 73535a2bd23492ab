"""One pattern for records of XML that look the same: flat ones, with attributes and texts.

What it takes is well-formed whatever the texts say, so that no parser has to look at it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.safe_xml import ENTITIES

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute
NAME, GAP = rb"[A-Za-z_][A-Za-z0-9_.-]*", rb"[ \t\r\n]*"
# Neither markup, nor what XML forbids, nor line ends that a parser makes one.
_TEXT = rb"[^<\x00-\x08\x0b-\x1f]*"
_VALUE = rb'[^"<\x00-\x1f]*'
_ENTITY = re.compile("|".join(ENTITIES) + "|&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));")
_ATTRIBUTE = re.compile(rb"( +)(" + NAME + rb')="' + _VALUE + rb'"')
_CHILD = re.compile(rb"(" + GAP + rb")<(" + NAME + rb")(?:/>|>" + _TEXT + rb"</(" + NAME + rb")>)")
_BEGIN = re.compile(rb"<(" + NAME + rb")((?: +" + NAME + rb'="' + _VALUE + rb'")*)(/?)>')
_END = re.compile(rb"(" + GAP + rb")</(" + NAME + rb")>")
_CHARACTERS = ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
_MOST_PIECES = 200
_NAMESPACE = b"xmlns"


class UnlikeError(Exception):
    """The records are not of the kind that a pattern takes."""


class _Piece(NamedTuple):
    """An attribute or a child: its name, and the layout before it."""

    name: bytes
    layout: bytes
    is_attribute: bool


class Record(NamedTuple):
    """A flat record as it stands, up to its end: the layout before its end tag, too."""

    name: bytes
    pieces: tuple[_Piece, ...]
    last_layout: bytes
    is_closed: bool
    """`<name/>`: it has no end tag."""
    empty: frozenset[bytes]
    """Children that are `<name/>`."""
    end: int


def record_at(content: bytes, start: int) -> Record | None:
    """The flat record that begins there; None when there is none."""
    begin = _BEGIN.match(content, start)
    if begin is None:
        return None
    pieces = [_Piece(one[2], one[1], True) for one in _ATTRIBUTE.finditer(begin[2])]
    at = begin.end()
    if begin[3]:
        found = Record(begin[1], tuple(pieces), b"", True, frozenset(), at)
        return found if pieces and _are_sound(pieces) else None
    empty = set()
    while child := _CHILD.match(content, at):
        pieces.append(_Piece(child[2], child[1], False))
        if child[3] is None:
            empty.add(child[2])
        elif child[3] != child[2]:
            return None
        at = child.end()
        if len(pieces) > _MOST_PIECES:
            return None
    end = _END.match(content, at)
    has_children = bool(pieces) and not pieces[-1].is_attribute
    if end is None or end[2] != begin[1] or not has_children or not _are_sound(pieces):
        return None
    return Record(begin[1], tuple(pieces), end[1], False, frozenset(empty), end.end())


def _are_sound(pieces: Iterable[_Piece]) -> bool:
    """Each attribute and each child is there once, and none gives a namespace."""
    keys = [(one.name, one.is_attribute) for one in pieces]
    return len(set(keys)) == len(keys) and (_NAMESPACE, True) not in keys


class Taken(NamedTuple):
    """Records that the pattern took: how many, of how many bytes, and their texts by piece.

    A text is NULL where its piece is left out.
    """

    records: int
    size_bytes: int
    columns: list[Any]


@dataclass(slots=True)
class Pattern:
    """Grows by what further records have that those before had not."""

    name: bytes
    between: bytes
    pieces: list[_Piece]
    last_layout: bytes
    is_closed: bool
    loose: set[_Piece] = field(default_factory=set)
    """Pieces that may be left out, or be `<name/>`."""
    _compiled: re.Pattern[bytes] = re.compile(b"")
    _fixed: int = 0

    @classmethod
    def of(cls, record: Record, between: bytes) -> Pattern:
        """`between` is the layout between two records."""
        found = cls(record.name, between, list(record.pieces), record.last_layout, record.is_closed)
        found.loose = {one for one in record.pieces if one.name in record.empty}
        found._compile()
        return found

    def take_in(self, record: Record) -> None:
        """Raises UnlikeError for a record in another layout or order."""
        is_like = record.name == self.name and record.is_closed == self.is_closed
        if not is_like or record.last_layout != self.last_layout:
            raise UnlikeError
        there = {one: at for at, one in enumerate(self.pieces)}
        known = [there[one] for one in record.pieces if one in there]
        if known != sorted(known):
            raise UnlikeError
        pieces, at = list(self.pieces), 0
        for one in record.pieces:
            if one in there:
                at = pieces.index(one) + 1
            else:
                pieces.insert(at, one)
                at += 1
                self.loose.add(one)
        self.loose |= {one for one in self.pieces if one not in record.pieces}
        self.loose |= {one for one in pieces if not one.is_attribute and one.name in record.empty}
        if not _are_sound(pieces) or len(pieces) > _MOST_PIECES:
            raise UnlikeError
        self.pieces = pieces
        self._compile()

    def _compile(self) -> None:
        # Of a record with nothing in it a parser makes something else.
        inner = [one for one in self.pieces if one.is_attribute == self.is_closed]
        if self.loose.issuperset(inner):
            raise UnlikeError
        opening = self.between + b"<" + self.name
        ways, fixed = [re.escape(opening)], len(opening)
        children = [one for one in self.pieces if not one.is_attribute]
        for piece in self.pieces:
            if children and piece == children[0]:
                ways.append(b">")
                fixed += 1
            before, after = _around(piece)
            if piece in self.loose:
                whole = re.escape(before) + _inner(piece) + re.escape(after)
                if not piece.is_attribute:
                    whole += b"|" + re.escape(before[:-1] + b"/>")
                ways.append(b"((?:" + whole + b")?)")
            else:
                ways.append(re.escape(before) + b"(" + _inner(piece) + b")" + re.escape(after))
                fixed += len(before) + len(after)
        closing = b"/>" if self.is_closed else self.last_layout + b"</" + self.name + b">"
        ways.append(re.escape(closing))
        self._fixed = fixed + len(closing)
        self._compiled = re.compile(b"".join(ways))

    @property
    def end(self) -> bytes:
        """What each record ends with."""
        return b"/>" if self.is_closed else b"</" + self.name + b">"

    def take(self, content: bytes) -> Taken:
        """As many whole records as there are from the beginning on, one after the other.

        Raises UnlikeError for bytes that are no UTF-8.
        """
        records = self._compiled.findall(content)
        if not records:
            return Taken(0, 0, [])
        columns, size = self._columns(records)
        if size == len(content):
            return Taken(len(records), size, _decoded(content, columns))
        # Between two of them lies something else, or behind the last.
        count = at = 0
        while found := self._compiled.match(content, at):
            count, at = count + 1, found.end()
        if not count:
            return Taken(0, 0, [])
        columns = [column.slice(0, count) for column in columns]
        return Taken(count, at, _decoded(content[:at], columns))

    def _columns(self, records: Sequence[Any]) -> tuple[list[Any], int]:
        """Texts by piece, and how many bytes the records have."""
        size = self._fixed * len(records)
        texts = [records] if len(self.pieces) == 1 else zip(*records, strict=True)
        columns = []
        for piece, column in zip(self.pieces, texts, strict=True):
            if piece in self.loose:
                size += sum(map(len, column))
                columns.append(_text_array(_without_tags(piece, column)))
            else:
                found = _text_array(column)
                size += _data_bytes(found)
                columns.append(found)
        return columns, size


def _decoded(content: bytes, columns: list[Any]) -> list[Any]:
    """Texts with what entities stand for. Raises UnlikeError for others than XML's own."""
    if b"&" not in content:
        return columns
    return [
        _without_entities(one) if pc.any(pc.match_substring(one, "&")).as_py() else one
        for one in columns
    ]


def _without_entities(values: Any) -> Any:
    return pa.array(
        [_plain(text) if text and "&" in text else text for text in values.to_pylist()],
        pa.string(),
    )


def _plain(text: str) -> str:
    found = _ENTITY.sub(_character, text)
    if "&" in _ENTITY.sub("", text):
        raise UnlikeError
    return found


def _character(found: re.Match[str]) -> str:
    if found[0] in ENTITIES:
        return ENTITIES[found[0]]
    code = int(found[1], 16) if found[1] else int(found[2])
    is_one = code in (9, 10, 13) or any(first <= code <= last for first, last in _CHARACTERS)
    if not is_one:
        raise UnlikeError
    return chr(code)


def _around(piece: _Piece) -> tuple[bytes, bytes]:
    if piece.is_attribute:
        return piece.layout + piece.name + b'="', b'"'
    return piece.layout + b"<" + piece.name + b">", b"</" + piece.name + b">"


def _inner(piece: _Piece) -> bytes:
    return _VALUE if piece.is_attribute else _TEXT


def _without_tags(piece: _Piece, texts: Sequence[bytes]) -> list[bytes | None]:
    before, after = map(len, _around(piece))
    if piece.is_attribute:
        return [text[before:-after] if text else None for text in texts]
    return [
        None if not text else b"" if text.endswith(b"/>") else text[before:-after] for text in texts
    ]


def _text_array(texts: Sequence[bytes | None]) -> Any:
    try:
        return pa.array(texts, pa.string())
    except pa.ArrowInvalid as error:
        raise UnlikeError from error


def _data_bytes(values: Any) -> int:
    """Of texts that fill their array from its beginning."""
    _, offsets, _ = values.buffers()
    return int.from_bytes(offsets[4 * len(values) : 4 * len(values) + 4].to_pybytes(), "little")
