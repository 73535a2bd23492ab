"""Avro container files: records as rows of the types their schema gives (row D41)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.arrow_files import ArrowTable, Batches
from kmflow_orchestration.converters.avro_columns import VALUE, AvroColumn, columns_of, is_record
from kmflow_orchestration.converters.avro_header import MAGIC, AvroHeader, read_header
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.reader_options import check_names
from kmflow_orchestration.errors import CorruptInput

_BATCH_ROWS = 8192
# What unpacks the blocks of each codec that the library itself does not.
_UNPACKERS: Mapping[str, str] = {
    "snappy": "cramjam",
    "zstandard": "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd",
}
_CODECS = frozenset({"null", "deflate", "bzip2", "xz", *_UNPACKERS})


class AvroConverter(TableConverter):
    """Fields keep their types; what is nested or of several types becomes JSON or text."""

    name: ClassVar[str] = "avro"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = (media_types.AVRO,)
    suffixes: ClassVar[tuple[str, ...]] = (".avro",)
    libraries: ClassVar[tuple[str, ...]] = ("fastavro",)

    def detect(self, source: Source, head: bytes) -> float:
        """By its first bytes."""
        return 1.0 if head.startswith(MAGIC) else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ArrowTable]:
        """One table.

        Raises:
            CorruptInput: damaged, of an unknown codec, or nested beyond measure (`too_deep`).
            ConfigurationError: any option: there is none.
        """
        check_names(options or {}, self.options())
        header = read_header(source.path)
        if header.codec not in _CODECS:
            raise CorruptInput(f"its blocks are packed with {header.codec[:40]!r}")
        if header.codec in _UNPACKERS:
            importlib.import_module(_UNPACKERS[header.codec])
        with refusals_of("Avro schema"):
            columns = columns_of(header.schema)
        origin = self.origin(source)
        notes = {one.name: (("doc", one.doc),) for one in columns if one.doc}
        return (ArrowTable("avro", origin, lambda: _batches(source.path, header, columns), notes),)


def _batches(path: Path, header: AvroHeader, columns: Sequence[AvroColumn]) -> Batches:
    """A batch without rows first, for the schema."""
    is_plain = not is_record(header.schema)
    schema = pa.schema([one.field for one in columns])
    yield pa.RecordBatch.from_arrays([pa.array([], one.type) for one in schema], schema=schema)
    with refusals_of("Avro file"), path.open("rb") as stream:
        records: Iterator[Any] = _reader(is_recursive=header.is_recursive)(stream)
        while chunk := list(islice(records, _BATCH_ROWS)):
            rows = [{VALUE: value} for value in chunk] if is_plain else chunk
            arrays = [one.array([row[one.name] for row in rows]) for one in columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _reader(*, is_recursive: bool) -> Callable[[Any], Iterator[Any]]:
    """Of records that may lie as deep as they like, the reader that stops at Python's own limit."""
    name = "fastavro._read_py" if is_recursive else "fastavro"
    found: Callable[[Any], Iterator[Any]] = importlib.import_module(name).reader
    return found
