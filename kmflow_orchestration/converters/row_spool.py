"""Rows of one source set aside on disk between the look that types them and the writing."""

from __future__ import annotations

import os
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class SpooledBatch:
    """Where a batch lies in its spool."""

    offset: int
    size_bytes: int


class RowSpool:
    """Batches of any schemas in one private file, which goes with this object.

    It is open only while it is used: an archive has a spool for each of thousands of files.
    """

    def __init__(self) -> None:
        descriptor, name = tempfile.mkstemp(prefix="kmflow-rows-")
        os.close(descriptor)
        self._path = Path(name)
        weakref.finalize(self, self._path.unlink, missing_ok=True)
        self._end = 0

    def add(self, batch: pa.RecordBatch) -> SpooledBatch:
        """Raises OSError when the disk is full."""
        sink = pa.BufferOutputStream()
        options: Any = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
            writer.write_batch(batch)
        content = sink.getvalue()
        with self._path.open("r+b") as file:
            file.seek(self._end)
            file.write(content)
        place = SpooledBatch(self._end, content.size)
        self._end += content.size
        return place

    def read(self, place: SpooledBatch) -> pa.RecordBatch:
        with self._path.open("rb") as file:
            file.seek(place.offset)
            content = file.read(place.size_bytes)
        with pa.ipc.open_stream(content) as reader:
            return reader.read_next_batch()
