"""Rows in a Parquet file, written a batch at a time so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.errors import StorageUnavailable


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write all batches; how many rows they hold.

    Raises:
        StorageUnavailable: the disk refused. What the batches themselves raise passes through.
    """
    rows = 0
    with _disk_faults(path):
        writer = pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, coerce_timestamps="us"
        )
    with writer:
        for batch in batches:
            with _disk_faults(path):
                writer.write_batch(batch)
            rows += batch.num_rows
    return rows


@contextmanager
def _disk_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageUnavailable(f"{path}: {reason}", hint="check disk space") from error
