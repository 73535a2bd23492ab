"""Rows of one source set aside on disk between the look that types them and the writing."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """Where a batch lies in its spool."""

    offset: int
    size_bytes: int


class RowSpool:
    """Batches of any schemas in one nameless file, which goes with the process whatever happens."""

    def __init__(self) -> None:
        file = tempfile.TemporaryFile(prefix="kmflow-rows-")  # noqa: SIM115 (closed by the finalizer)
        weakref.finalize(self, file.close)
        self._file = file
        self._end = 0

    def add(self, batch: pa.RecordBatch) -> SpooledBatch:
        """Raises OSError when the disk is full."""
        sink = pa.BufferOutputStream()
        options: Any = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
            writer.write_batch(batch)
        content = sink.getvalue()
        self._file.seek(self._end)
        self._file.write(content)
        place = SpooledBatch(self._end, content.size)
        self._end += content.size
        return place

    def read(self, place: SpooledBatch) -> pa.RecordBatch:
        self._file.seek(place.offset)
        with pa.ipc.open_stream(self._file.read(place.size_bytes)) as reader:
            return reader.read_next_batch()
