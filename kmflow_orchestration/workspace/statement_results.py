"""Results of statements while they wait to be fetched: chunks of text rows, or one Arrow file."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.workspace.sql_engine import Answer
from kmflow_orchestration.workspace.sql_values import described_columns, row_texts
from kmflow_orchestration.workspace.wire import WireError

INLINE_LIMIT_BYTES = 25 * 1024**2
CHUNK_BYTES = 4 * 1024**2
LINK_LIFE = timedelta(minutes=15)


class TooLargeForInline(Exception):
    """A result over 25 MiB that was to come inline."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the request allows; None is no limit."""

    row_limit: int | None = None
    byte_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of an inline result."""

    row_offset: int
    rows: Sequence[Sequence[str | None]]
    byte_count: int


@dataclass(slots=True)
class Result:
    """A whole result. Mutable while it is gathered; `file` holds it when it is external."""

    columns: list[dict[str, Any]]
    format: str
    chunks: list[Chunk] = field(default_factory=list)
    file: Path | None = None
    row_count: int = 0
    byte_count: int = 0
    truncated: bool = False

    def manifest(self) -> Mapping[str, Any]:
        """The manifest of the REST API."""
        return {
            "format": self.format,
            "schema": {"column_count": len(self.columns), "columns": self.columns},
            "total_chunk_count": len(self._described_chunks()),
            "total_row_count": self.row_count,
            "total_byte_count": self.byte_count,
            "truncated": self.truncated,
            "chunks": self._described_chunks(),
        }

    def discard(self) -> None:
        """Remove the file of an external result."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    def _described_chunks(self) -> list[dict[str, int]]:
        if self.file is not None:
            whole = {"chunk_index": 0, "row_offset": 0, "row_count": self.row_count}
            return [{**whole, "byte_count": self.byte_count}] if self.row_count else []
        return [
            {
                "chunk_index": index,
                "row_offset": chunk.row_offset,
                "row_count": len(chunk.rows),
                "byte_count": chunk.byte_count,
            }
            for index, chunk in enumerate(self.chunks)
        ]


def gather_inline(answer: Answer, limits: Limits) -> Result:
    """All rows as texts, in chunks.

    Raises:
        TooLargeForInline: over 25 MiB.
    """
    result = Result(described_columns(answer.schema), "JSON_ARRAY")
    pending: list[Sequence[str | None]] = []
    pending_bytes = 0
    for batch in _limited(answer.batches, limits, result):
        for row in row_texts(batch):
            size = sum(len(value.encode()) + 3 if value else 5 for value in row) + 2
            if limits.byte_limit is not None and result.byte_count + size > limits.byte_limit:
                result.truncated = True
                break
            result.byte_count += size
            if result.byte_count > INLINE_LIMIT_BYTES:
                raise TooLargeForInline
            pending.append(row)
            pending_bytes += size
            result.row_count += 1
            if pending_bytes >= CHUNK_BYTES:
                _cut(result, pending, pending_bytes)
                pending, pending_bytes = [], 0
        if result.truncated:
            break
    if pending:
        _cut(result, pending, pending_bytes)
    return result


def gather_arrow(answer: Answer, limits: Limits, file: Path) -> Result:
    """All rows as one Arrow IPC stream in a file."""
    result = Result(described_columns(answer.schema), "ARROW_STREAM", file=file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as sink, pa.ipc.new_stream(sink, answer.schema) as writer:
        for batch in _limited(answer.batches, limits, result):
            writer.write_batch(batch)
            result.row_count += batch.num_rows
    result.byte_count = file.stat().st_size
    return result


def _cut(result: Result, rows: list[Sequence[str | None]], byte_count: int) -> None:
    result.chunks.append(Chunk(result.row_count - len(rows), rows, byte_count))


def _limited(
    batches: Iterator[pa.RecordBatch], limits: Limits, result: Result
) -> Iterator[pa.RecordBatch]:
    left = limits.row_limit
    for batch in batches:
        if left is not None and batch.num_rows > left:
            result.truncated = True
            yield batch.slice(0, left)
            return
        if left is not None:
            left -= batch.num_rows
        yield batch


class Links:
    """Addresses under which a file may be fetched for a while, by anybody who has the address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, tuple[Path, datetime]] = {}

    def make(self, file: Path) -> tuple[str, datetime]:
        """A fresh secret for a file, and when it ends."""
        secret, expires = uuid.uuid4().hex, self._clock.now() + LINK_LIFE
        self._files[secret] = (file, expires)
        return secret, expires

    def file(self, secret: str) -> Path:
        """The file of a secret. Raises WireError 403 for an unknown or an expired one."""
        file, expires = self._files.get(secret, (Path(), datetime.min.replace(tzinfo=UTC)))
        if self._clock.now() >= expires or not file.is_file():
            raise WireError(403, "PERMISSION_DENIED", "Request has expired")
        return file
