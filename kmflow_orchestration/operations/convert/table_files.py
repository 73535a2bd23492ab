"""Rows into a file, and back: Parquet, CSV, tab-separated text and JSON lines.

The same rows and options give the same bytes: nothing here depends on time, place or batch size.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.errors import DataLossError
from kmflow_orchestration.operations.convert.fingerprints import ColumnHash, ColumnPrint
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.output_tables import Reject, Rows

# So much of a row group is held in memory, whatever number of rows was asked for.
_GROUP_BYTES = 128 << 20
_ZSTD_LEVEL = 1

Written = Callable[[int], None]
"""Hears how many rows are written by now."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A written file: its rows and a fingerprint of each column, by name."""

    rows: int
    columns: Mapping[str, ColumnPrint]


def write_rows(
    rows: Rows,
    path: Path,
    file_format: str,
    options: ConversionOptions,
    *,
    metadata: Mapping[str, str],
    on_rows: Written = lambda _: None,
    reject: Reject | None = None,
) -> TableFile:
    """Write all rows; a Parquet file is opened again and its rows are counted.

    `reject` hears of rows that are left out.

    Raises:
        DataLossError: it holds another number of rows than were written.
    """
    hashes = [ColumnHash() for _ in rows.schema]
    count = 0
    # Pages of Parquet begin anew with each batch: its bytes must not hang on the chunks.
    chunk_rows = None if file_format == "parquet" else options.chunk_size
    with _WRITERS[file_format](path, rows.schema, options, metadata) as writer:
        for _, read in rows.batches(reject):
            for batch in _chunks(read, chunk_rows):
                for column, hashed in zip(batch.columns, hashes, strict=True):
                    hashed.update(column)
                writer.write(batch)
                count += batch.num_rows
                on_rows(count)
    if file_format == "parquet":
        held = pq.read_metadata(path).num_rows
        if held != count:
            raise DataLossError(f"{path.name} holds {held} rows of the {count} that were written")
    prints = [hashed.done() for hashed in hashes]
    return TableFile(count, dict(zip(rows.schema.names, prints, strict=True)))


def _chunks(batch: pa.RecordBatch, rows: int | None) -> Iterator[pa.RecordBatch]:
    """The batch in slices of so many rows at most, without a copy."""
    size = rows or batch.num_rows or 1
    for start in range(0, batch.num_rows, size):
        yield batch.slice(start, size)


def column_prints(path: Path) -> TableFile:
    """Fingerprints of a Parquet file's columns, read anew. Raises OSError and pa.ArrowException."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        hashes = [ColumnHash() for _ in schema]
        count = 0
        for batch in file.iter_batches():
            count += batch.num_rows
            for column, hashed in zip(batch.columns, hashes, strict=True):
                hashed.update(column)
    prints = [hashed.done() for hashed in hashes]
    return TableFile(count, dict(zip(schema.names, prints, strict=True)))


class _ParquetFile:
    """Gathers batches to whole row groups, so that their size is nobody's but the options'."""

    def __init__(
        self, path: Path, schema: pa.Schema, options: ConversionOptions, metadata: Mapping[str, str]
    ) -> None:
        own = {name.encode(): text.encode("utf-8", "replace") for name, text in metadata.items()}
        self._schema = schema.with_metadata(own)
        self._limit = options.row_group_rows
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0
        compression: Any = options.compression
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression=compression,
            compression_level=_ZSTD_LEVEL if compression == "zstd" else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        while batch.num_rows:
            room = self._limit - self._rows
            part = batch.slice(0, room) if batch.num_rows > room else batch
            self._waiting.append(part)
            self._rows += part.num_rows
            self._bytes += part.nbytes
            if self._rows >= self._limit or self._bytes >= _GROUP_BYTES:
                self._flush()
            batch = batch.slice(part.num_rows)

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting).replace_schema_metadata(
                self._schema.metadata
            )
            self._writer.write_table(table, row_group_size=self._rows)
        self._waiting, self._rows, self._bytes = [], 0, 0


class _DelimitedFile:
    """NULL is an empty field, empty text is `""`: every text is quoted, and nothing else."""

    delimiter: ClassVar[str] = ","

    def __init__(
        self, path: Path, schema: pa.Schema, options: ConversionOptions, metadata: Mapping[str, str]
    ) -> None:
        from pyarrow import csv

        self._flat = pa.schema([(one.name, _flat_type(one.type)) for one in schema])
        write = csv.WriteOptions(delimiter=self.delimiter, quoting_style="needed")
        self._writer = csv.CSVWriter(path, self._flat, write_options=write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [
            values if values.type == one.type else _as_texts(values)
            for values, one in zip(batch.columns, self._flat, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._flat))


class _TabbedFile(_DelimitedFile):
    delimiter = "\t"


class _JsonLinesFile:
    """One object a line; numbers are written digit by digit, so that none is rounded."""

    def __init__(
        self, path: Path, schema: pa.Schema, options: ConversionOptions, metadata: Mapping[str, str]
    ) -> None:
        self._keys = [json.dumps(name, ensure_ascii=False) for name in schema.names]
        self._stream = path.open("w", encoding="utf-8", newline="\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [_json_texts(values) for values in batch.columns]
        for row in zip(*columns, strict=True):
            pairs = (f"{key}: {text}" for key, text in zip(self._keys, row, strict=True))
            self._stream.write("{" + ", ".join(pairs) + "}\n")


_WRITERS: dict[str, Any] = {
    "parquet": _ParquetFile,
    "csv": _DelimitedFile,
    "txt": _TabbedFile,
    "jsonl": _JsonLinesFile,
}


def _flat_type(kind: pa.DataType) -> pa.DataType:
    is_flat = not (pa.types.is_nested(kind) or pa.types.is_binary(kind))
    return kind if is_flat else pa.string()


def _as_texts(values: Any) -> Any:
    return pa.array([_as_text(value) for value in values.to_pylist()], pa.string())


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return json.dumps(value, ensure_ascii=False, default=str)


def _json_texts(values: Any) -> Iterator[str]:
    kind = values.type
    is_number = pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    for value in values.to_pylist():
        if value is None:
            yield "null"
        elif is_number:
            yield f"{value:f}" if pa.types.is_decimal(kind) else str(value)
        elif isinstance(value, float):
            # JSON has no word for them: they stay text.
            yield repr(value) if value - value == 0 else f'"{value}"'
        elif isinstance(value, bytes):
            yield f'"{base64.b64encode(value).decode()}"'
        elif hasattr(value, "isoformat"):
            yield f'"{value.isoformat()}"'
        else:
            yield json.dumps(value, ensure_ascii=False, default=str)
