"""Long lists of values, in pieces a statement can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# Well under the 32 766 parameters SQLite takes, few enough for a quick plan on PostgreSQL.
_SLICE = 500


def slices(values: Sequence[T], size: int = _SLICE) -> Iterator[Sequence[T]]:
    """Pieces of a sequence, each small enough for one IN list."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
