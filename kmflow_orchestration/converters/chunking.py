"""Blocks of text into chunks of a size that search and language models like (row B14)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from kmflow_orchestration.converters.interface import BlockKind, TextBlock
from kmflow_orchestration.converters.text_encoding import storable

CHARS_PER_TOKEN = 4
TARGET_TOKENS, OVERLAP_TOKENS, MAX_TOKENS, MIN_TOKENS = 384, 50, 512, 30
_TARGET, _OVERLAP = TARGET_TOKENS * CHARS_PER_TOKEN, OVERLAP_TOKENS * CHARS_PER_TOKEN
_MAX, _MIN = MAX_TOKENS * CHARS_PER_TOKEN, MIN_TOKENS * CHARS_PER_TOKEN
# Longer headings would crowd out the text they stand over: converters make them paragraphs.
MAX_HEADING = 200
_GAP = "\n\n"
# A piece, a heading and an overlap together never pass the maximum.
_MAX_PIECE = _TARGET - _OVERLAP - MAX_HEADING - 2 * len(_GAP)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, its heading in front of `text`.

    `kind` is that of its blocks, paragraph when they differ; `location` is where it begins, and
    `flags` are those of any of its blocks.
    """

    kind: BlockKind
    text: str
    heading: str = ""
    location: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: BlockKind
    text: str
    location: str
    flags: tuple[str, ...]


def chunks(blocks: Iterable[TextBlock]) -> list[Chunk]:
    """Chunks in reading order: about 384 tokens (of 4 characters), at most 512, with 50 repeated.

    A table is one chunk whatever its size. What is under 30 tokens joins a neighbour if it may;
    nothing is dropped.
    """
    found: list[Chunk] = []
    sections = groupby(_sections(blocks), key=lambda pair: pair[0])
    for (_, heading), pairs in sections:
        found.extend(_section(heading, [block for _, block in pairs]))
    return _without_crumbs(found)


def _sections(blocks: Iterable[TextBlock]) -> Iterator[tuple[tuple[int, str], TextBlock]]:
    """Each block with its section: two sections under one heading stay two."""
    number = 0
    for block in blocks:
        number += block.kind is BlockKind.HEADING
        # Readers of documents hand out what damaged files hold.
        heading = storable(block.heading)
        yield (number, heading), replace(block, text=storable(block.text), heading=heading)


def _section(heading: str, blocks: list[TextBlock]) -> Iterator[Chunk]:
    body = [block for block in blocks if block.kind is not BlockKind.HEADING]
    if not body:
        first = blocks[0]
        yield Chunk(BlockKind.HEADING, heading, heading, first.location, first.flags)
        return
    for is_table, run in groupby(body, key=lambda block: block.kind is BlockKind.TABLE):
        if is_table:
            yield from (_chunk(heading, [_piece(block, block.text)]) for block in run)
        else:
            pieces = [piece for block in run for piece in _pieces(block)]
            yield from _filled(heading, pieces)


def _pieces(block: TextBlock) -> Iterator[_Piece]:
    if len(block.text) <= _MAX_PIECE:
        yield _piece(block, block.text)
        return
    text = ""
    for sentence in _SENTENCE_END.split(block.text):
        for part in _cut(sentence):
            if text and len(text) + 1 + len(part) > _MAX_PIECE:
                yield _piece(block, text)
                text = ""
            text = f"{text} {part}" if text else part
    if text:
        yield _piece(block, text)


def _piece(block: TextBlock, text: str) -> _Piece:
    return _Piece(block.kind, text, block.location, block.flags)


def _cut(text: str) -> Iterator[str]:
    """At spaces where there are any, else anywhere: a word may be longer than a chunk."""
    while len(text) > _MAX_PIECE:
        at = text.rfind(" ", 1, _MAX_PIECE)
        at = at if at > 0 else _MAX_PIECE
        yield text[:at]
        text = text[at:].lstrip()
    if text:
        yield text


def _filled(heading: str, pieces: list[_Piece]) -> Iterator[Chunk]:
    waiting: list[_Piece] = []
    overlap = ""
    for piece in pieces:
        if waiting and _length(heading, overlap, [*waiting, piece]) > _TARGET:
            yield _chunk(heading, waiting, overlap)
            overlap = _tail(waiting[-1].text)
            waiting = []
        waiting.append(piece)
    if waiting:
        yield _chunk(heading, waiting, overlap)


def _length(heading: str, overlap: str, pieces: list[_Piece]) -> int:
    parts = [_short(heading), overlap, *(piece.text for piece in pieces)]
    return sum(len(part) + len(_GAP) for part in parts if part)


def _tail(text: str) -> str:
    """The last words of a text, about the overlap long."""
    if len(text) <= _OVERLAP:
        return text
    cut = text[-_OVERLAP:]
    return cut[cut.find(" ") + 1 :]


def _chunk(heading: str, pieces: list[_Piece], overlap: str = "") -> Chunk:
    kinds = {piece.kind for piece in pieces}
    parts = [_short(heading), overlap, *(piece.text for piece in pieces)]
    return Chunk(
        kinds.pop() if len(kinds) == 1 else BlockKind.PARAGRAPH,
        _GAP.join(part for part in parts if part),
        heading,
        pieces[0].location,
        _union(*(piece.flags for piece in pieces)),
    )


def _union(*flags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({flag for some in flags for flag in some}))


def _short(heading: str) -> str:
    return heading if len(heading) <= MAX_HEADING else heading[: MAX_HEADING - 1] + "…"


def _without_crumbs(found: list[Chunk]) -> list[Chunk]:
    """Small chunks joined with the one before, a small first one with the one after."""
    joined: list[Chunk] = []
    for chunk in found:
        last = joined[-1] if joined else None
        if last is not None and _may_join(last, chunk):
            joined[-1] = _merged(last, chunk)
        else:
            joined.append(chunk)
    return joined


def _may_join(first: Chunk, second: Chunk) -> bool:
    is_table = BlockKind.TABLE in (first.kind, second.kind)
    has_crumb = min(len(first.text), len(second.text)) < _MIN
    fits = len(first.text) + len(_GAP) + len(second.text) <= _MAX
    # A hidden slide must not make its neighbour look hidden.
    return has_crumb and fits and not is_table and first.flags == second.flags


def _merged(first: Chunk, second: Chunk) -> Chunk:
    kind = first.kind if first.kind is second.kind else BlockKind.PARAGRAPH
    text = second.text
    if first.heading and first.heading == second.heading:
        text = text.removeprefix(_short(second.heading) + _GAP)
    flags = _union(first.flags, second.flags)
    return replace(first, kind=kind, text=first.text + _GAP + text, flags=flags)
