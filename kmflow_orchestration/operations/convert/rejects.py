"""Rows that do not fit: the conversion ends with the first, or they go into a file of their own.

`<name>.rejects.parquet` has the number of each row in the source, its text as JSON, the column and
the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.converters.interface import RejectedRow

_BATCH_ROWS = 8192
_REJECTS_END = ".rejects.parquet"
_TEXTS: list[Any] = [pa.field(name, pa.string()) for name in ("raw", "column", "reason")]
_SCHEMA = pa.schema([pa.field("source_row", pa.int64()), *_TEXTS])


class RejectsFile:
    """Written only if there is something to write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, rows: Iterable[RejectedRow]) -> None:
        """Write rows; each counts."""
        left = iter(rows)
        while found := list(islice(left, _BATCH_ROWS)):
            self._write(found)

    def _write(self, found: list[RejectedRow]) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, _SCHEMA, compression="zstd")
        columns = [pa.array([getattr(row, one.name) for row in found], one.type) for one in _SCHEMA]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
        self.count += len(found)


def rejects_name(name: str) -> str:
    """The file beside an output of that name."""
    return f"{PurePath(name).stem}{_REJECTS_END}"
