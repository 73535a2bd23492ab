"""How the lines of a JSON file are laid out, where all have the same keys in the same order.

Such a line is text between its keys: `{"id":7,"name":"Ana"}` is `{"id":7` and `name":"Ana"}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from kmflow_orchestration.converters.json_text import DECODER, forms_and_texts
from kmflow_orchestration.converters.proven_copy import MOST_COLUMNS
from kmflow_orchestration.converters.record_cells import Form

START_BYTES: Final = 128 << 10
_CHUNK_BYTES: Final = 1 << 20
_PIECE_BYTES, _MOST_PIECES = 16 << 10, 32
# A blank behind the colon first: it would count as part of a value.
_LAYOUTS: Final = ((", ", ": "), (",", ": "), (", ", ":"), (",", ":"))
_FLAT: Final = frozenset({0, Form.TEXT, Form.NUMBER, Form.BOOLEAN})
_LAST_CONTROL: Final = 0x1F
_LF, _QUOTE, _BACKSLASH = b"\n", b'"', b"\\"


@dataclass(frozen=True, slots=True)
class Template:
    """What all lines have in common; their values are flat."""

    keys: tuple[str, ...]
    between: str
    colon: str

    def before(self, at: int) -> str:
        """What stands before the value of a key, behind a delimiter."""
        opening = "" if at else '{"'
        return f'{opening}{self.keys[at]}"{self.colon}'

    def behind(self, at: int) -> str:
        """What stands behind it, before a delimiter."""
        return "}" if at == len(self.keys) - 1 else ""

    @property
    def delimiter(self) -> str:
        """It ends no value: within a text its quote would be behind a backslash."""
        return f'{self.between}"'


def template_of(path: Path) -> Template | None:
    """That of the first line; None for a line of no record, or of keys that are not plain."""
    with path.open("rb") as stream:
        line = stream.readline(START_BYTES)
    if not line.endswith(_LF):
        return None
    try:
        text = line.rstrip(b"\r\n").decode()
        record = DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    keys = _keys(record)
    is_plain = all('"' not in key and "\\" not in key and key.isprintable() for key in keys)
    if not 1 < len(keys) <= MOST_COLUMNS or len(set(keys)) < len(keys) or not is_plain:
        return None
    for between, colon in _LAYOUTS:
        found = Template(keys, between, colon)
        fields = text.split(found.delimiter)
        if len(fields) == len(keys) and all(
            field.startswith(found.before(at)) for at, field in enumerate(fields)
        ):
            return found
    return None


def _keys(record: Any) -> tuple[str, ...]:
    return tuple(key for key, _ in record) if isinstance(record, tuple) else ()


@dataclass(frozen=True, slots=True)
class Samples:
    """Values out of the whole file: of each column its form (0: all are NULL) and texts."""

    forms: tuple[int, ...]
    texts: tuple[pa.StringArray, ...]


def samples_of(path: Path, template: Template) -> Samples | None:
    """None where a line has other keys, or a column values that are not flat or of two forms."""
    rows = []
    for line in _lines(path):
        try:
            record = DECODER.decode(line.decode())
        except (ValueError, RecursionError):
            return None
        if _keys(record) != template.keys:
            return None
        rows.append([value for _, value in record])
    forms, texts = [], []
    for values in zip(*rows, strict=True):
        form, found = forms_and_texts(values)
        if form not in _FLAT:
            return None
        try:
            texts.append(pa.array(found, pa.string()))
        except UnicodeEncodeError:
            return None
        forms.append(form)
    return Samples(tuple(forms), tuple(texts))


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines of the start and of places spread over the rest."""
    size = path.stat().st_size
    step = max((size - START_BYTES) // _MOST_PIECES, _PIECE_BYTES)
    with path.open("rb") as stream:
        yield from stream.read(START_BYTES).split(_LF)[:-1]
        for begin in range(START_BYTES, size, step):
            stream.seek(begin)
            # Its first line and its last may be cut.
            yield from stream.read(_PIECE_BYTES).split(_LF)[1:-1]


@dataclass(frozen=True, slots=True)
class Census:
    """What a whole file holds: lines, quotes, and whether text in it has escapes."""

    lines: int
    quotes: int
    has_escapes: bool


def census_of(path: Path) -> Census | None:
    """None for a file with control characters but for one kind of line end, or with `\\u0000`."""
    import numpy as np

    lines = quotes = controls = escapes = pairs = 0
    before = b"\n"
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            seen = np.frombuffer(chunk, np.uint8)
            lines += int(np.count_nonzero(seen == ord(_LF)))
            quotes += int(np.count_nonzero(seen == ord(_QUOTE)))
            controls += int(np.count_nonzero(seen <= _LAST_CONTROL))
            if _BACKSLASH in chunk:
                escapes += 1
                if b"\\u0000" in before + chunk:
                    return None
            if b"\r" in chunk or before.endswith(b"\r"):
                pairs += (before[-1:] + chunk).count(b"\r\n")
            before = chunk[-8:]
    # A line end is one control character, or two in a file where all are.
    if pairs not in (0, lines) or controls != lines + pairs:
        return None
    return Census(lines + (not before.endswith(_LF)), quotes, bool(escapes))
