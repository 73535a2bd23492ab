"""Whether a delimited file keeps the rules from end to end, and where its records end."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from kmflow_orchestration.converters.delimited_records import Format

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.int64]

_CHUNK_BYTES: Final = 4 << 20
_START_BYTES, _PIECE_BYTES = 1 << 20, 64 << 10
_MOST_PIECES: Final = 16
_LONGEST_RECORD: Final = 12 << 20
_LF, _CR = ord("\n"), ord("\r")
# A record ends before the first byte of a file, as it were, and no line is open.
_BEFORE: Final = b"\n\n"


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole records somewhere in a file."""

    begin: int
    end: int

    def read(self, path: Path) -> bytes:
        with path.open("rb") as stream:
            stream.seek(self.begin)
            return stream.read(self.end - self.begin)


@dataclass(frozen=True, slots=True)
class Rules:
    """A file whose every quote opens, closes or doubles, without blank lines, in one line end.

    `pieces` are samples of it: all there is of its start, then some from the rest.
    """

    records: int
    pieces: tuple[Piece, ...]


def rules_of(path: Path, form: Format, *, begin: int = 0) -> Rules | None:
    """What a file that keeps the rules is like; None for any other.

    All of it is looked at; `begin` is where its first sample begins, behind a mark of UTF-8.
    """
    with path.open("rb") as stream:
        mark = mark_bytes(stream)
        sweep = _Sweep(form, mark + begin, mark)
        for chunk in _chunks(stream):
            if not sweep.takes(chunk):
                return None
    return sweep.done()


def mark_bytes(stream: BinaryIO) -> int:
    """How many bytes the mark of UTF-8 takes at the start of a file; they are read."""
    if stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8:
        return len(codecs.BOM_UTF8)
    stream.seek(0)
    return 0


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The file, with a line end behind its last record; each but the first brings three bytes.

    Two of them were judged already and the third was not: what stands behind it was not known.
    """
    before, last = _BEFORE, b""
    while chunk := stream.read(_CHUNK_BYTES):
        whole = before + last + chunk
        yield whole
        before, last = whole[-3:-1], whole[-1:]
    # A lone carriage return at the end is no pair with a line feed that is not there.
    yield before + last + {b"\n": b"\n", b"\r": b"\0"}.get(last, b"\n\n")


@dataclass(slots=True)
class _Sweep:
    """One pass over a file; mutable while it runs."""

    form: Format
    begin: int
    mark: int
    quotes: int = 0
    records: int = 0
    before: int = 0
    last: int = 0
    is_paired: bool | None = None
    pieces: list[Piece] = field(default_factory=list)

    def takes(self, chunk: bytes) -> bool:
        """Judges all of a chunk but two bytes before it and one at its end."""
        import numpy as np

        seen = np.frombuffer(chunk, np.uint8)
        judged = seen[:-1].copy()
        judged[:2] = 0
        quotes = np.flatnonzero(judged == ord(self.form.quote)) if self.form.quote else None
        if quotes is not None and not self._are_kept(seen, quotes):
            return False
        ends = self._outside(np.flatnonzero(judged == _LF), quotes)
        if b"\r" in chunk:
            returns = self._outside(np.flatnonzero(judged == _CR), quotes)
            if np.any(seen[returns + 1] != _LF):
                return False
        if not self._are_alike(seen, ends):
            return False
        if not self._are_short(ends):
            return False
        self.records += len(ends)
        self._sample(ends)
        self.quotes += 0 if quotes is None else len(quotes)
        self.before += len(chunk) - 3
        return True

    def _are_kept(self, seen: Any, quotes: Places) -> bool:
        """Whether quotes open behind a delimiter or line end, and close before one, or double."""
        import numpy as np

        is_edge = np.zeros(256, bool)
        is_edge[[ord(self.form.quote), ord(self.form.delimiter), _LF, _CR]] = True
        first = self.quotes % 2
        opening, closing = quotes[first::2], quotes[1 - first :: 2]
        return bool(is_edge[seen[opening - 1]].all() and is_edge[seen[closing + 1]].all())

    def _outside(self, places: Places, quotes: Places | None) -> Places:
        """Those of some places that do not stand within quotes."""
        import numpy as np

        if quotes is None or not len(places):
            return places
        before = np.searchsorted(quotes, places) + self.quotes
        outside: Places = places[before % 2 == 0]
        return outside

    def _are_alike(self, seen: Any, ends: Places) -> bool:
        """Whether all records end alike, and none is a blank line."""
        import numpy as np

        if not len(ends):
            return True
        returned = seen[ends - 1] == _CR
        if self.is_paired is None:
            self.is_paired = bool(returned[0])
        is_blank = seen[ends - (2 if self.is_paired else 1)] == _LF
        return bool(np.all(returned == self.is_paired)) and not is_blank.any()

    def _are_short(self, ends: Places) -> bool:
        """Whether no record is so long that its quotes may be taken for stray ones."""
        import numpy as np

        places = np.concatenate([[self.last], ends + self.before])
        self.last = int(places[-1])
        longest = max(int(np.diff(places, append=self.before + _CHUNK_BYTES).max()), 0)
        return longest <= _LONGEST_RECORD

    def _sample(self, ends: Places) -> None:
        """A piece of each chunk, of the first one all that is there."""
        import numpy as np

        offset = self.mark + self.before - len(_BEFORE) + 1
        starts = ends + offset
        if not self.pieces:
            starts = np.concatenate([[self.begin], starts[starts > self.begin]])
        if len(starts) < 2:
            return
        size = _PIECE_BYTES if self.pieces else _START_BYTES
        last = int(np.searchsorted(starts, starts[0] + size, side="right")) - 1
        self.pieces.append(Piece(int(starts[0]), int(starts[max(last, 1)])))

    def done(self) -> Rules | None:
        if self.quotes % 2:
            return None
        start, rest = self.pieces[:1], self.pieces[1:]
        every = -(-len(rest) // _MOST_PIECES) or 1
        return Rules(self.records, (*start, *rest[every - 1 :: every]))
