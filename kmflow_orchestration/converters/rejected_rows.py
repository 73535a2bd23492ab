"""Rows left out of a table, set aside on disk as the others are."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from kmflow_orchestration.converters.interface import RejectedRow
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch

_HELD_CHARACTERS = 1 << 20
_NAMES = ("source_row", "raw", "reason")


class RejectedRows:
    """Takes rows, and gives them again in their order."""

    def __init__(self, spool: RowSpool) -> None:
        self._spool = spool
        self._held: list[RejectedRow] = []
        self._characters = self._count = 0
        self._batches: list[SpooledBatch] = []

    def __len__(self) -> int:
        return self._count

    def add(self, row: RejectedRow) -> None:
        """Raises OSError when the disk is full."""
        self._held.append(row)
        self._count += 1
        self._characters += len(row.raw) + len(row.reason)
        if self._characters >= _HELD_CHARACTERS:
            columns = [pa.array([getattr(one, name) for one in self._held]) for name in _NAMES]
            batch = pa.RecordBatch.from_arrays(columns, names=list(_NAMES))
            self._batches.append(self._spool.add(batch))
            self._held, self._characters = [], 0

    def __iter__(self) -> Iterator[RejectedRow]:
        for place in self._batches:
            for row in self._spool.read(place).to_pylist():
                yield RejectedRow(**row)
        yield from self._held
