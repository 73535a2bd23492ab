"""What a converter is: it recognises content, and streams it as typed tables or as text.

No Dagster, SDK or network below here: the same call runs in a step's process pool, in the CLI, in
a notebook and on a Spark worker (design AD9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Source:
    """One file to convert: a local path, and the name and media type it came with."""

    path: Path
    file_name: str
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Warning_:
    """Something a reader should know; `location` says where, such as `row 17` or `sheet Loans`."""

    code: str
    message: str
    location: str = ""


@dataclass(frozen=True, slots=True)
class ColumnFact:
    """What all non-null values of one column of one source have in common.

    `type` is the narrowest type of the lattice that holds each of them exactly, as Spark SQL names
    it; `source_name` is the header as it stood in the file.
    """

    name: str
    source_name: str
    type: str
    null_count: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one converted table: `rows_read == rows_written + rows_rejected + rows_skipped`."""

    converter: str
    converter_version: str
    content_hash: str
    rows_read: int
    rows_written: int
    rows_rejected: int = 0
    rows_skipped: int = 0
    rows_padded: int = 0
    rows_rescued: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def adds_up(self) -> bool:
        return self.rows_read == self.rows_written + self.rows_rejected + self.rows_skipped


class ConvertedTable(Protocol):
    """One table of a source. `receipt` and `facts` are final once `batches` is exhausted."""

    part: str
    """Sheet or inner table name; '' when the file is the table."""

    def batches(self, types: Mapping[str, str] | None = None) -> Iterator[pa.RecordBatch]:
        """Record batches in source order, with `_source_row` (BIGINT) and `_rescued_data` (STRING).

        `types` maps column names to Spark SQL types they must have, wider than or equal to what
        `facts` found; `STRING` gives the exact source text. May be called again.
        """
        ...

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        """Known before the first batch: types are proven on every row, not on a sample."""
        ...

    @property
    def receipt(self) -> Receipt: ...

    @property
    def warnings(self) -> tuple[Warning_, ...]: ...


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A piece of text in reading order; `kind` is heading, paragraph, list, table or code."""

    kind: str
    text: str
    heading: str = ""
    location: str = ""


class Converter(Protocol):
    """A family of formats. Stateless; found through the registry.

    Raises from every method: CorruptInput when the content is not what its format promises.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    media_types: ClassVar[tuple[str, ...]]
    suffixes: ClassVar[tuple[str, ...]]
    kind: ClassVar[str]
    """`tables` or `text`."""

    def detect(self, source: Source, head: bytes) -> float:
        """How sure, from 0 to 1, that this content is ours; `head` is the file's first bytes."""
        ...

    def options(self) -> Mapping[str, Any]:
        """Names and defaults of the options `open_tables` takes."""
        ...

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ConvertedTable]:
        """Tables of the source; empty for a text converter."""
        ...

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """Text of the source; empty for a table converter."""
        ...
