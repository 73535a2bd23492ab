"""Lines of JSON records cut into the texts of their values, a block at once and without loss.

Every byte of a line is accounted for: it is `{`, a key, a colon, a value, a comma, or `}`, in that
order. A value is a text, a word or what the decoder reads; of the rest it is said that it is a
number, which whoever takes it has to prove.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kmflow_orchestration.converters.json_keys import Array, KnownKeys, words_of
from kmflow_orchestration.converters.json_pieces import escaped_text, nested_text
from kmflow_orchestration.converters.json_text import MAX_DEPTH
from kmflow_orchestration.converters.json_views import (
    FIRST_PRINTED,
    FORM_OF,
    NULL,
    PAD,
    UNKNOWN,
    CutLines,
    Pieces,
    Spacing,
    fit,
    joined,
)
from kmflow_orchestration.converters.proven_copy import MisfitError
from kmflow_orchestration.converters.record_cells import Form

_LF, _CR, _QUOTE, _COMMA, _COLON, _BACKSLASH, _BLANK = b'\n\r",:\\ '
_OPEN, _CLOSE = b"{}"
# `[` and `{` differ in one bit, as do `]` and `}`.
_ONE_BIT: Final = 0x20


class NewKeysError(MisfitError):
    """Lines have keys that were not known, here in the order of their appearance."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        super().__init__("other keys")
        self.keys = keys


class Cutting:
    """Some whole lines on their way into columns.

    Strings are told by their number: the one at `_opens[n]` closes at `_closes[n]`.
    """

    def __init__(self, block: bytes, spacing: Spacing) -> None:
        self._text, self._spacing, self._size = block, spacing, len(block)
        self._content: bytes = block + PAD
        self._seen: Array = np.frombuffer(self._content, np.uint8)
        self._escapes: Array | None = None

    def cut(self, known: KnownKeys) -> CutLines:
        """The values of all lines.

        Raises:
            NewKeysError: there are other keys.
            MisfitError: anything that only our own reader can judge.
        """
        self._opens, self._closes = self._strings()
        ends = self._line_ends()
        self._opens, self._closes = self._outer(len(ends))
        upto = np.searchsorted(self._opens, ends)
        is_key, is_last, limits = self._laid_out(ends, upto)
        keys, is_text, starts, sizes = self._values(is_key, is_last, limits)
        forms = np.where(is_text, Form.TEXT, FORM_OF[self._seen[starts]])
        fit((forms != UNKNOWN).all())
        Pieces(self._content).check_words(forms, starts, sizes)

        counts = np.diff(np.searchsorted(keys, upto), prepend=0)
        order = self._by_column(known, keys, counts)
        escaped = np.empty(0, np.int64)
        if self._escapes is not None:
            fit(not self._escapes[keys].any())
            values = np.flatnonzero(is_text)
            escaped = values[self._escapes[keys[values] + 1]]
        starts, sizes, data = self._read_out(starts, sizes, forms, escaped)
        pieces = Pieces(data)
        views, is_valid = pieces.views(starts, sizes), forms != NULL
        columns = [
            pieces.column(len(ends), views[mine], is_valid[mine], places) for mine, places in order
        ]
        return CutLines(len(ends), columns, [joined(forms[mine]) for mine, _ in order])

    def _laid_out(self, ends: Array, upto: Array) -> tuple[Array, Array, Array]:
        """Of each string: whether it is a key, and the last of its line, and a limit.

        That is where the value must end that the string is, or that stands behind it. `upto` has
        the strings before each line end.
        """
        opens, closes, seen = self._opens, self._closes, self._seen
        firsts = np.concatenate(([0], upto[:-1]))
        begins = np.concatenate(([0], ends[:-1] + 1))
        stops = ends - len(self._spacing.line_end)
        fit((firsts < upto).all())
        fit((seen[begins] == _OPEN).all() and (opens[firsts] == begins + 1).all())
        fit((closes[upto - 1] < stops).all())
        is_key = seen[closes + 1] == _COLON
        # A text stands behind its key.
        fit(is_key[firsts].all() and (is_key[1:] | is_key[:-1]).all())
        is_last = np.zeros(len(opens), bool)
        is_last[upto - 1] = True
        limits = np.empty(len(opens), np.int64)
        limits[:-1] = opens[1:] - len(self._spacing.between)
        limits[upto - 1] = stops
        return is_key, is_last, limits

    def _values(
        self, is_key: Array, is_last: Array, limits: Array
    ) -> tuple[Array, Array, Array, Array]:
        """Keys, and of each whether its value is a text, where that begins and how long it is."""
        seen, colon, between = self._seen, self._spacing.colon, self._spacing.between
        keys = np.flatnonzero(is_key)
        is_text = ~np.append(is_key, True)[keys + 1] & ~is_last[keys]
        starts = self._closes[keys] + 1 + len(colon)
        fit(len(colon) == 1 or (seen[self._closes[keys] + 2] == _BLANK).all())
        final = keys + is_text
        stops, at_end = limits[final], is_last[final]
        fit((seen[stops] == np.where(at_end, _CLOSE, _COMMA)).all())
        fit(len(between) == 1 or (at_end | (seen[stops + 1] == _BLANK)).all())
        sizes = stops - starts
        texts = np.flatnonzero(is_text)
        own = keys[texts] + 1
        fit((self._opens[own] == starts[texts]).all())
        fit((self._closes[own] + 1 == stops[texts]).all())
        fit((sizes > 0).all())
        return keys, is_text, starts + is_text, sizes - 2 * is_text

    def _strings(self) -> tuple[Array, Array]:
        """Where texts and keys open and close."""
        is_quote = self._seen == _QUOTE
        slashes = None
        if b"\\" in self._text:
            slashes = np.flatnonzero(self._seen == _BACKSLASH)
            is_quote[slashes[_are_escaping(slashes)] + 1] = False
        quotes = np.flatnonzero(is_quote)
        fit(len(quotes) and len(quotes) % 2 == 0)
        if slashes is not None:
            place = np.searchsorted(quotes, slashes)
            fit((place % 2 == 1).all())
            self._escapes = np.zeros(len(quotes) // 2, bool)
            self._escapes[place // 2] = True
        return quotes[::2], quotes[1::2]

    def _line_ends(self) -> Array:
        """Line ends are the only control characters."""
        controls = np.flatnonzero(self._seen[: self._size] < FIRST_PRINTED)
        size = len(self._spacing.line_end)
        ends = controls[size - 1 :: size]
        fit(len(controls) == size * len(ends) and (self._seen[ends] == _LF).all())
        if size > 1:
            fit((controls[::size] == ends - 1).all() and (self._seen[ends - 1] == _CR).all())
        return ends

    def _outer(self, lines: int) -> tuple[Array, Array]:
        """The strings that do not lie within a nested value."""
        opens, closes = self._opens, self._closes
        if self._text.count(b"{") == lines and b"[" not in self._text:
            return opens, closes
        folded = self._seen | _ONE_BIT
        brackets = np.flatnonzero((folded == _OPEN) | (folded == _CLOSE))
        place = np.searchsorted(opens, brackets)
        is_outside = (place == 0) | (closes[place - 1] < brackets)
        brackets = brackets[is_outside]
        depth = np.cumsum(np.where(folded[brackets] == _OPEN, 1, -1))
        # Each line is one level itself.
        fit(len(depth) and depth.max() <= MAX_DEPTH)
        before = np.searchsorted(brackets, opens)
        fit(len(before) and (before > 0).all())
        is_outer = depth[before - 1] == 1
        if self._escapes is not None:
            self._escapes = self._escapes[is_outer]
        fit(is_outer.any())
        return opens[is_outer], closes[is_outer]

    def _by_column(
        self, known: KnownKeys, keys: Array, counts: Array
    ) -> list[tuple[Any, Array | None]]:
        """Of each key: which values are its own, and in which rows (None: in all)."""
        width, words = len(known), words_of(self._content)
        begins, sizes = self._opens[keys] + 1, self._closes[keys] - self._opens[keys] - 1
        if (counts == width).all() and known.are_in_order(words, begins, sizes):
            return [(slice(at, None, width), None) for at in range(width)]
        numbers = known.numbers_of(words, begins, sizes)
        new = np.flatnonzero(numbers < 0)
        if len(new):
            places = zip(begins[new].tolist(), sizes[new].tolist(), strict=True)
            found = (self._text[begin : begin + size] for begin, size in places)
            raise NewKeysError(tuple(dict.fromkeys(found)))
        order = np.argsort(numbers.astype(np.int16), kind="stable")
        rows = np.repeat(np.arange(len(counts)), counts)[order]
        cuts = np.searchsorted(numbers[order], np.arange(width + 1))
        columns: list[tuple[Any, Array | None]] = []
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            mine = rows[begin:end]
            # A key that is there twice.
            fit((np.diff(mine) > 0).all())
            columns.append((order[begin:end], None if len(mine) == len(counts) else mine))
        return columns

    def _read_out(
        self, starts: Array, sizes: Array, forms: Array, escaped: Array
    ) -> tuple[Array, Array, bytes]:
        """Texts with escapes and nested values as our own reader has them, behind the lines."""
        nested = np.flatnonzero(forms == Form.NESTED)
        if not len(escaped) and not len(nested):
            return starts, sizes, self._content
        others = np.concatenate((escaped, nested))
        begins, ends = starts[others], starts[others] + sizes[others]
        places, pieces = list(zip(begins.tolist(), ends.tolist(), strict=True)), [self._text]
        for begin, end in places[: len(escaped)]:
            pieces.append(escaped_text(self._text[begin - 1 : end + 1]))
        for begin, end in places[len(escaped) :]:
            pieces.append(nested_text(self._text[begin:end]))
        pieces.append(PAD)
        lengths = np.array([len(piece) for piece in pieces], np.int64)
        starts[others] = np.cumsum(lengths)[:-2]
        sizes[others] = lengths[1:-1]
        return starts, sizes, b"".join(pieces)


def _are_escaping(slashes: Array) -> Array:
    """Of backslashes that stand together each second one is escaped."""
    numbers = np.arange(len(slashes))
    begins = np.ones(len(slashes), bool)
    begins[1:] = np.diff(slashes) != 1
    found: Array = (numbers - np.maximum.accumulate(np.where(begins, numbers, 0))) % 2 == 0
    return found
