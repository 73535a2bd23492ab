"""A fingerprint of every column's values in their order, however they come in batches (row H4)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_LENGTHS = b"lengths"


@dataclass(frozen=True, slots=True)
class ColumnPrint:
    """Rows, those of them without a value, and the fingerprint in hex."""

    rows: int
    nulls: int
    fingerprint: str


class ColumnHash:
    """Takes a column piece by piece; equal columns give equal prints, cut up in any way."""

    def __init__(self) -> None:
        self._valid = hashlib.sha256()
        self._lengths = hashlib.sha256(_LENGTHS)
        self._values = hashlib.sha256()
        self._rows = self._nulls = 0

    def update(self, values: Any) -> None:
        """The next values, an Arrow array."""
        self._rows += len(values)
        self._nulls += values.null_count
        self._valid.update(_bytes(values.is_valid().cast(pa.uint8()), 1))
        present = values.drop_null() if values.null_count else values
        kind = present.type
        if pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
            texts = [json.dumps(one, default=str, sort_keys=True) for one in present.to_pylist()]
            present = pa.array(texts, pa.string())
            kind = present.type
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            self._text(present)
        elif pa.types.is_boolean(kind):
            self._values.update(_bytes(present.cast(pa.uint8()), 1))
        elif pa.types.is_null(kind):
            return
        elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
            self._text(present, offset_type=pa.int64())
        else:
            self._values.update(_bytes(present, kind.bit_width // 8))

    def done(self) -> ColumnPrint:
        together = hashlib.sha256()
        for part in (self._valid, self._lengths, self._values):
            together.update(part.digest())
        return ColumnPrint(self._rows, self._nulls, together.hexdigest()[:32])

    def _text(self, present: Any, offset_type: Any = None) -> None:
        import pyarrow.compute as pc

        count = len(present)
        if not count:
            return
        lengths = pc.binary_length(present).cast(pa.int64())
        self._lengths.update(_bytes(lengths, 8))
        _, offsets, data = present.buffers()
        bounds = pa.Array.from_buffers(
            offset_type or pa.int32(), present.offset + count + 1, [None, offsets]
        )
        first, last = bounds[present.offset].as_py(), bounds[present.offset + count].as_py()
        if data is not None and last > first:
            self._values.update(memoryview(data)[first:last])


def _bytes(values: Any, width: int) -> memoryview:
    """The values themselves, side by side, without a copy."""
    buffer = values.buffers()[1]
    if buffer is None:
        return memoryview(b"")
    begin = values.offset * width
    return memoryview(buffer)[begin : begin + len(values) * width]
