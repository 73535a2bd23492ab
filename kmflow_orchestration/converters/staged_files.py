"""Staged Parquet files as batches with the number of each row, which a copy has not as a column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from kmflow_orchestration.converters.interface import FIRST_ROW, RESCUED_DATA, SOURCE_ROW

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

_ROWS_AT_ONCE = 64 << 10


def numbered_batches(
    file: Path | BinaryIO, rows_at_once: int = _ROWS_AT_ONCE
) -> Iterator[pa.RecordBatch]:
    """Rows of a staged table: `_source_row`, its columns, `_rescued_data`; bounded memory."""
    with pq.ParquetFile(file) as opened:
        metadata = opened.schema_arrow.metadata or {}
        first = metadata.get(FIRST_ROW.encode())
        if first is None:
            yield from opened.iter_batches(rows_at_once)
            return
        row = int(first)
        for batch in opened.iter_batches(rows_at_once):
            yield _numbered(batch, row)
            row += batch.num_rows


def _numbered(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    rows = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), batch.num_rows), first - 1)
    nothing = pa.nulls(batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays(
        [rows, *batch.columns, nothing], names=[SOURCE_ROW, *batch.schema.names, RESCUED_DATA]
    )
