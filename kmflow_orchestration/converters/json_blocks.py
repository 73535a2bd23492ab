"""A file of JSON records, one a line, as blocks of lines and as batches of what is cut of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from kmflow_orchestration.converters.json_alike import cut_alike
from kmflow_orchestration.converters.json_cut import Cutting, NewKeysError
from kmflow_orchestration.converters.json_keys import KnownKeys
from kmflow_orchestration.converters.json_views import CutLines, Spacing
from kmflow_orchestration.converters.proven_copy import MOST_COLUMNS, MisfitError

START_BYTES: Final = 128 << 10
BLOCK_BYTES: Final = 1 << 20
_PIECE_BYTES, _MOST_PIECES = 16 << 10, 32
_MOST_LINE_BYTES: Final = 8 << 20
_LF: Final = b"\n"


class JsonLines:
    """The lines of a file, cut as its start is laid out."""

    def __init__(self, path: Path) -> None:
        """Looks at places all over the file, or at all of it where some have keys of their own.

        Raises:
            MisfitError: it begins otherwise, or has more keys than columns may be.
        """
        self._path = path
        start, *pieces = _pieces(path)
        self._spacing = _spacing_of(start)
        self._known = self._with_keys_of(KnownKeys(()), start)
        first = len(self._known)
        for piece in pieces:
            self._known = self._with_keys_of(self._known, piece)
        self._pieces = [start, *pieces]
        if len(self._known) > first:
            self.look_for_keys()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in the order of their appearance."""
        return tuple(key.decode() for key in self._known.keys)

    def look_for_keys(self) -> None:
        """Look at all lines. Raises MisfitError."""
        self._known = KnownKeys(())
        for block in self._blocks():
            self._known = self._with_keys_of(self._known, block)

    def samples(self) -> list[CutLines]:
        """What the places have that were looked at. Raises MisfitError."""
        return [cut(piece, self._spacing, self._known) for piece in self._pieces]

    def all(self) -> Iterator[CutLines]:
        """All lines. Raises MisfitError; a key that is not among ours is a NewKeysError."""
        for block in self._blocks():
            yield cut(block, self._spacing, self._known)

    def _blocks(self) -> Iterator[bytes]:
        with self._path.open("rb") as stream:
            while block := stream.read(BLOCK_BYTES):
                if not block.endswith(_LF):
                    rest = stream.readline(_MOST_LINE_BYTES)
                    if len(rest) == _MOST_LINE_BYTES:
                        raise MisfitError("a line of many bytes")
                    block += rest
                yield block if block.endswith(_LF) else block + self._spacing.line_end

    def _with_keys_of(self, known: KnownKeys, block: bytes) -> KnownKeys:
        try:
            cut(block, self._spacing, known)
        except NewKeysError as error:
            known = KnownKeys((*known.keys, *error.keys))
            if len(known) > MOST_COLUMNS:
                raise MisfitError("many keys") from None
        return known


class CutStream:
    """Batches for the engine, which asks for a stream of them each time it reads."""

    def __init__(self, lines: JsonLines, forms: list[int]) -> None:
        """`forms` are those of the columns so far (0: none); all values of one have one form."""
        self.rows, self.forms, self.has_new_keys = 0, forms, False
        self._lines = lines
        self._names = [f"c{at}" for at in range(len(forms))]

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        schema = pa.schema([(name, pa.string_view()) for name in self._names])
        batches: Any = pa.RecordBatchReader.from_batches(schema, self._batches())
        return batches.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        self.rows = 0
        try:
            for lines in self._lines.all():
                self.forms = together(self.forms, lines.forms)
                self.rows += lines.rows
                yield pa.RecordBatch.from_arrays(lines.columns, names=self._names)
        except NewKeysError:
            self.has_new_keys = True
            raise


def cut(block: bytes, spacing: Spacing, known: KnownKeys) -> CutLines:
    """The values of whole lines. Raises MisfitError, NewKeysError."""
    return cut_alike(block, spacing, known) or Cutting(block, spacing).cut(known)


def together(forms: list[int], others: list[int]) -> list[int]:
    """The forms of columns; of several forms a column is told by our own reader alone."""
    joint = [one | other for one, other in zip(forms, others, strict=True)]
    if any(form & (form - 1) for form in joint):
        raise MisfitError("a column of several forms")
    return joint


def _pieces(path: Path) -> Iterator[bytes]:
    """Whole lines of the start and of places spread over the rest. Raises MisfitError."""
    size = path.stat().st_size
    step = max((size - START_BYTES) // _MOST_PIECES, _PIECE_BYTES)
    with path.open("rb") as stream:
        start = stream.read(START_BYTES)
        start = start[: start.rfind(_LF) + 1]
        if not start:
            raise MisfitError("no line end near its start")
        yield start
        for begin in range(START_BYTES, size, step):
            stream.seek(begin)
            piece = stream.read(_PIECE_BYTES)
            # Its first line and its last may be cut.
            if whole := piece[piece.find(_LF) + 1 : piece.rfind(_LF) + 1]:
                yield whole


def _spacing_of(start: bytes) -> Spacing:
    """How lines are written. Raises MisfitError."""
    line = start[: start.find(_LF) + 1]
    line_end = b"\r\n" if line.endswith(b"\r\n") else _LF
    for between in (b",", b", "):
        for colon in (b":", b": "):
            spacing = Spacing(between, colon, line_end)
            try:
                cut(start, spacing, KnownKeys(()))
            except NewKeysError:
                return spacing
            except MisfitError:
                continue
    raise MisfitError("lines of another form")
