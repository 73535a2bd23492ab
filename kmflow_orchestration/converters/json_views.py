"""Texts of values as columns that point into the bytes of their lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from kmflow_orchestration.converters.json_keys import Array, words_of
from kmflow_orchestration.converters.proven_copy import MisfitError
from kmflow_orchestration.converters.record_cells import Form

PAD: Final = bytes(24)
"""Stands behind what is cut: words are read from the last place too, and beyond a text of 12."""
FIRST_PRINTED: Final = 0x20
"""Bytes below it control something, and stand in no text."""
NULL, UNKNOWN = -1, -2
"""Beside forms: what `null` is, and what is no value."""
_INLINE_BYTES: Final = 12
_HALF, _LOW, _FIVE = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFF)


def _forms() -> Array:
    found = np.full(256, UNKNOWN, np.int8)
    found[list(b"-0123456789")] = Form.NUMBER
    found[list(b"tf")] = Form.BOOLEAN
    found[list(b"{[")] = Form.NESTED
    found[ord('"')] = Form.TEXT
    found[ord("n")] = NULL
    return found


def _masks(first: int, count: int) -> Array:
    """By length: which of `count` bytes from `first` on a short text has."""
    sizes = range(_INLINE_BYTES + 1)
    return np.array([(1 << 8 * min(max(one - first, 0), count)) - 1 for one in sizes], np.uint64)


FORM_OF: Final = _forms()
"""What the first byte of a value says of it."""
_FIRST_MASK, _LAST_MASK = _masks(0, 8), _masks(8, 4)
_NULL_WORD, _TRUE_WORD, _FALSE_WORD = (
    np.uint64(int.from_bytes(word, "little")) for word in (b"null", b"true", b"false")
)


@dataclass(frozen=True, slots=True)
class Spacing:
    """What stands between values, between a key and its value, and behind a line."""

    between: bytes
    colon: bytes
    line_end: bytes


@dataclass(frozen=True, slots=True)
class CutLines:
    """Records of some lines: of each key its values' texts, and the forms they have, as bits."""

    rows: int
    columns: list[pa.Array[Any]]
    forms: list[int]


class Pieces:
    """Values within the bytes of some lines, by where they begin and how long they are."""

    def __init__(self, data: bytes) -> None:
        """`data` ends in PAD."""
        self._words, self._texts = words_of(data), pa.py_buffer(data)

    def views(self, starts: Array, sizes: Array) -> Array:
        """Two words a value: short texts stand in them, of others the place does."""
        first, longest = self._words[starts], int(sizes.max(initial=0))
        views = np.empty((len(starts), 2), np.uint64)
        if longest <= _INLINE_BYTES:
            first &= _FIRST_MASK[sizes]
            behind: Any = np.uint64(0)
            if longest > _INLINE_BYTES - 4:
                behind = self._words[starts + 8] & _LAST_MASK[sizes]
        else:
            is_short, masks = sizes <= _INLINE_BYTES, np.minimum(sizes, _INLINE_BYTES)
            behind = starts.astype(np.uint64)
            if is_short.any():
                short_end = self._words[starts + 8] & _LAST_MASK[masks]
                behind = np.where(is_short, short_end, behind)
                first &= np.where(is_short, _FIRST_MASK[masks], _LOW)
            else:
                first &= _LOW
        np.left_shift(first, _HALF, out=views[:, 0])
        views[:, 0] |= sizes.view(np.uint64)
        np.left_shift(behind, _HALF, out=views[:, 1])
        first >>= _HALF
        views[:, 1] |= first
        return views

    def column(self, rows: int, views: Array, is_valid: Array, places: Array | None) -> Any:
        """A column of so many rows; the values are at `places`, or in each row."""
        if places is not None:
            whole, valid = np.zeros((rows, 2), np.uint64), np.zeros(rows, bool)
            whole[places], valid[places] = views, is_valid
            views, is_valid = whole, valid
        bits = None if is_valid.all() else _buffer(np.packbits(is_valid, bitorder="little"))
        buffers = [bits, _buffer(np.ascontiguousarray(views)), self._texts]
        return pa.Array.from_buffers(pa.string_view(), rows, buffers)

    def check_words(self, forms: Array, starts: Array, sizes: Array) -> None:
        """`null`, `true` and `false` are whole. Raises MisfitError."""
        nulls = np.flatnonzero(forms == NULL)
        if len(nulls):
            fit((sizes[nulls] == 4).all())
            fit((self._words[starts[nulls]] & _LOW == _NULL_WORD).all())
        truths = np.flatnonzero(forms == Form.BOOLEAN)
        if len(truths):
            found, length = self._words[starts[truths]], sizes[truths]
            is_true = (length == 4) & (found & _LOW == _TRUE_WORD)
            is_false = (length == 5) & (found & _FIVE == _FALSE_WORD)
            fit((is_true | is_false).all())


def _buffer(content: Any) -> pa.Buffer:
    return pa.py_buffer(content)


def joined(forms: Array) -> int:
    """All forms of some values; 0 where all are NULL."""
    if not len(forms) or (forms == forms[0]).all():
        return max(int(forms[0]), 0) if len(forms) else 0
    return int(np.bitwise_or.reduce(forms[forms != NULL]))


def fit(is_so: Any) -> None:
    """Raises MisfitError unless it is so."""
    if not is_so:
        raise MisfitError("lines of another form")
