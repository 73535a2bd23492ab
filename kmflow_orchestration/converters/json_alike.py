"""Lines of JSON records that all have the same flat keys in the same order, cut the quick way.

Such a line is text between its keys: `{"id":7,"name":"Ana"}` is `{"id":7` and `name":"Ana"}`.
Pieces that are a key and a value each are the line, whoever cut it. In no text is a quote if the
lines have no more of them than their keys and texts need.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kmflow_orchestration.converters.json_keys import Array, KnownKeys, are_there, words_of
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

_LF, _CR, _QUOTE, _CLOSE = b'\n\r"}'


def cut_alike(block: bytes, spacing: Spacing, known: KnownKeys) -> CutLines | None:
    """The values of whole lines; None where they are, or may be, of another form."""
    if not len(known) or b"\\" in block:
        return None
    try:
        return _Alike(block, spacing, known).cut()
    except MisfitError:
        return None


class _Alike:
    def __init__(self, block: bytes, spacing: Spacing, known: KnownKeys) -> None:
        self._content: bytes = block + PAD
        self._seen: Array = np.frombuffer(self._content, np.uint8)
        self._size, self._spacing, self._known = len(block), spacing, known
        self._pieces, self._words = Pieces(self._content), words_of(self._content)
        self._texts = 0

    def cut(self) -> CutLines:
        seen, width, between = self._seen, len(self._known), self._spacing.between
        ends = self._ends()
        begins = np.concatenate(([0], ends[:-1, -1] + 1))
        columns, forms = [], []
        for at, key in enumerate(self._known.keys):
            before = (b"" if at else b'{"') + key + b'"' + self._spacing.colon
            fit(are_there(self._words, begins, before))
            stops = ends[:, at] if at < width - 1 else self._closes(ends[:, at])
            column, form = self._column(begins + len(before), stops)
            columns.append(column)
            forms.append(form)
            begins = stops + len(between) + 1
        quotes = np.count_nonzero(seen == _QUOTE)
        fit(quotes == 2 * (width * len(ends) + self._texts))
        return CutLines(len(ends), columns, forms)

    def _ends(self) -> Array:
        """Where the pieces of each line end: before a delimiter, and the last at the line end."""
        seen = self._seen[: self._size]
        delimiter = self._spacing.between + b'"'
        is_end = seen == _LF
        rows = int(np.count_nonzero(is_end))
        is_delimiter = seen == delimiter[0]
        for at, byte in enumerate(delimiter[1:], start=1):
            is_delimiter &= self._seen[at : at + self._size] == byte
        is_end |= is_delimiter
        found = np.flatnonzero(is_end)
        controls = np.count_nonzero(seen < FIRST_PRINTED)
        fit(len(found) == len(self._known) * rows)
        fit(controls == rows * len(self._spacing.line_end))
        ends: Array = found.reshape(rows, -1)
        fit((seen[ends[:, -1]] == _LF).all())
        return ends

    def _closes(self, line_ends: Array) -> Array:
        """Where the braces are that close the lines."""
        stops: Array = line_ends - len(self._spacing.line_end)
        fit((self._seen[stops] == _CLOSE).all())
        fit(len(self._spacing.line_end) == 1 or (self._seen[stops + 1] == _CR).all())
        return stops

    def _column(self, starts: Array, stops: Array) -> tuple[Any, int]:
        firsts, sizes = self._seen[starts], stops - starts
        forms, is_text = FORM_OF[firsts], firsts == _QUOTE
        texts = int(np.count_nonzero(is_text))
        fit((sizes > 0).all())
        if texts:
            is_closed = (self._seen[stops - 1] == _QUOTE) & (sizes > 1)
            fit((is_closed | ~is_text).all())
            starts, sizes = starts + is_text, sizes - 2 * is_text
            self._texts += texts
        if texts < len(starts):
            fit((forms != UNKNOWN).all() and (forms != Form.NESTED).all())
            self._pieces.check_words(forms, starts, sizes)
        views = self._pieces.views(starts, sizes)
        return self._pieces.column(len(starts), views, forms != NULL, None), joined(forms)
