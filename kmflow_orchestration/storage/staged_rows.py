"""Rows in a Parquet file, written a batch at a time so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.storage.disk_faults import disk_faults


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write all batches; how many rows they hold.

    Raises:
        StorageUnavailable: the disk refused. What the batches themselves raise passes through.
    """
    rows = 0
    with disk_faults(path):
        writer = pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, coerce_timestamps="us"
        )
    try:
        for batch in batches:
            with disk_faults(path):
                writer.write_batch(batch)
            rows += batch.num_rows
    except BaseException:
        # Half a file: that its end cannot be written either is no news.
        with suppress(OSError):
            writer.close()
        raise
    # Much of what it was given is written only now.
    with disk_faults(path):
        writer.close()
    return rows
