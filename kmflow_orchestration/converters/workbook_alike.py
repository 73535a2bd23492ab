"""Rows of a sheet that are the same but for their numbers and values: cut all at once.

What was cut is proven: the first row, with each row's number and values put into it, must give the
same bytes again. No value has a `<`, so that there is no other way to cut them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute
ROW_BEGIN, ROW_END = b'<row r="', b"</row>"
_CELL_END = b"</c>"


class CellFrame(NamedTuple):
    """A cell of the first row, `<c r="A1"`, and what stands around its value.

    `after` is empty where there is no value, and ends with the end of the cell elsewhere.
    """

    letters: bytes
    before: bytes
    after: bytes


def values_of_alike(
    content: bytes, begin: bytes, cells: Sequence[CellFrame], first: int
) -> list[Any] | None:
    """By each cell that has a value, those of all rows, as arrays of bytes; None if a row differs.

    `begin` is how the first of the rows, which has that number, begins; the numbers of all are of
    as many digits.
    """
    if not cells or not cells[-1].after or not content.endswith(ROW_END):
        return None
    frames = _frames(begin, cells, b"%d" % first)
    width = len(frames)
    # The end of the last row, before the first: each row then ends with its last cell.
    turned = ROW_END + content[: -len(ROW_END)]
    pieces = pc.split_pattern(pa.array([turned], pa.binary()), _CELL_END).flatten()
    count, rest = divmod(len(pieces) - 1, width)
    if rest or not count:
        return None
    by_row = pa.FixedSizeListArray.from_arrays(pieces[:-1], width)
    values = [
        pc.binary_slice(pc.list_element(by_row, at), frame.begin_bytes, -frame.end_bytes)
        for at, frame in enumerate(frames)
    ]
    numbers = pa.array([b"%d" % at for at in range(first, first + count)], pa.binary())
    if not all(map(_is_plain, values)) or not _gives(turned, frames, numbers, values):
        return None
    return values


class _Frame(NamedTuple):
    """What stands before a value, with each row's number between the parts, and behind it."""

    before: tuple[bytes, ...]
    after: bytes
    begin_bytes: int

    @property
    def end_bytes(self) -> int:
        return len(self.after) - len(_CELL_END)


def _frames(begin: bytes, cells: Sequence[CellFrame], number: bytes) -> list[_Frame]:
    frames = []
    parts, last = [ROW_END + ROW_BEGIN], begin[len(ROW_BEGIN) + len(number) :]
    for cell in cells:
        parts.append(last + b'<c r="' + cell.letters)
        last = b'"' + cell.before
        if cell.after:
            parts.append(last)
            size = sum(map(len, parts)) + (len(parts) - 1) * len(number)
            frames.append(_Frame(tuple(parts), cell.after, size))
            parts, last = [], b""
    return frames


def _is_plain(values: Any) -> bool:
    """Whether each is there, and none holds a tag."""
    return pc.min(pc.binary_length(values)).as_py() > 0 and b"<" not in bytes_of(values)


def _gives(content: bytes, frames: Sequence[_Frame], numbers: Any, values: Sequence[Any]) -> bool:
    pieces: list[Any] = []
    for frame, own in zip(frames, values, strict=True):
        for at, part in enumerate(frame.before):
            if at:
                pieces.append(numbers)
            pieces.append(pa.scalar(part, pa.binary()))
        pieces += [own, pa.scalar(frame.after, pa.binary())]
    joined = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))
    return bytes_of(joined) == content


def bytes_of(values: Any) -> bytes:
    """All bytes of an array of texts that was just made, one after the other."""
    count = pc.sum(pc.binary_length(values)).as_py()
    found: bytes = values.buffers()[2].slice(0, count).to_pybytes() if count else b""
    return found
