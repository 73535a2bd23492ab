"""What a converter is: it recognises content, and streams it as typed tables or as text.

No Dagster, SDK or network below here: the same call runs in a step's process pool, in the CLI, in
a notebook and on a Spark worker (design AD9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from kmflow_orchestration.converters.type_lattice import ColumnType

SOURCE_ROW = "_source_row"
RESCUED_DATA = "_rescued_data"
FIRST_ROW = "kmflow.first_row"
"""In a staged file without `_source_row`: the number of its first row; none is left out after."""

AMBIGUOUS = "ambiguous_values"
"""Warning about a column whose texts have two readings; its `location` is `column HEADER`."""
ROWS_DIFFER = "row_count_differs"
"""Warning about a table of which its source says that it has other rows."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to convert: a local path, and the name and media type it came with.

    `password` is for what lies in it: the file itself is plain.
    """

    path: Path
    file_name: str
    media_type: str = ""
    password: str = field(default="", repr=False, compare=False)

    @property
    def suffix(self) -> str:
        """Last suffix of the name, in lower case with its dot; '' without one."""
        return Path(self.file_name).suffix.lower()

    @property
    def double_suffix(self) -> str:
        """The last two suffixes, such as `.json.gz`; '' without two."""
        last = Path(self.file_name.lower()).suffixes[-2:]
        return "".join(last) if len(last) == 2 else ""


@dataclass(frozen=True, slots=True)
class ConversionWarning:
    """Something a reader should know; `location` says where, such as `row 17` or `sheet Loans`."""

    code: str
    message: str
    location: str = ""


@dataclass(frozen=True, slots=True)
class ColumnFact:
    """What all non-null values of one column of one source have in common.

    `type` is the narrowest type of the lattice that holds each of them exactly; `source_name` is
    the header as it stood in the file, `name` its safe and unique form. `reading` says how text
    that people wrote was read as numbers or dates, '' for values as programs write them. `notes`
    are what the source says of the column, such as its `label`.
    """

    name: str
    source_name: str
    type: ColumnType
    null_count: int = 0
    reading: str = ""
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one converted table: `rows_read == rows_written + rows_rejected + rows_skipped`.

    The header is no row. Skipped rows hold no value at all; padded ones had too few fields and
    rescued ones too many, both are written. `content_hash` is SHA-256 of the source, in hex.
    """

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


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of the source that was left out; `raw` is its text as JSON.

    `column` is '' where the reason is about the whole row.
    """

    source_row: int
    raw: str
    reason: str
    column: str = ""


@runtime_checkable
class RejectsRows(Protocol):
    """A table whose reader can leave out rows that are not as they should be."""

    def rejected_rows(self) -> Iterator[RejectedRow]:
        """Those its receipt counts as rejected, in source order; reads the source again."""
        ...


class ConvertedTable(Protocol):
    """One table of a source, read to its end once before anything here is known."""

    @property
    def part(self) -> str:
        """Sheet or inner table name; '' when the file is the table."""
        ...

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        """Columns in source order; types are proven on every row, not on a sample."""
        ...

    @property
    def receipt(self) -> Receipt: ...

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]: ...

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """Record batches in source order: `_source_row` (int64), the columns, `_rescued_data`.

        `types` maps column names to types they must have, at or above what `facts` found; STRING
        gives the exact source text. May be called again; memory stays bounded.
        """
        ...


class BlockKind(StrEnum):
    """What a piece of text is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"
    NOTE = "note"
    """Beside the text: a speaker's note, a footnote, an annotation of a diagram."""
    COMMENT = "comment"
    HEADER = "header"
    FOOTER = "footer"
    DELETED = "deleted"
    """Text that a tracked change takes out."""
    STEP = "step"
    """A task, event, gateway, decision or shape of a process model."""
    FLOW = "flow"
    """A connection of two steps."""
    PROPERTIES = "properties"
    """What a message says of itself: sender, recipients, date, subject."""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A piece of text in reading order, under the `heading` it stands below ('' before any).

    `location` says where in the source it begins, such as `line 12` or `page 3`. `flags` are words
    for what a reader of the text should know, such as `hidden` or `needs_ocr`. `level` is 1 and up
    for headings that have one, `style` the document's own word for how the text looks. Of a table
    `rows` are the cells, and `has_header` says that the document marks the first as their header.
    """

    kind: BlockKind
    text: str
    heading: str = ""
    location: str = ""
    flags: tuple[str, ...] = ()
    level: int = 0
    style: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    has_header: bool = False


@dataclass(frozen=True, slots=True)
class DocumentReading:
    """All of a document: its text in order, and tables about it and out of it.

    `main` names the table that holds the text, such as `blocks` or `pages`.
    """

    blocks: tuple[TextBlock, ...]
    tables: tuple[ConvertedTable, ...]
    main: str
    warnings: tuple[ConversionWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainedFile:
    """A file inside another, such as an attachment; its name is somebody else's."""

    name: str
    sha256: str
    content: bytes = field(repr=False)


class OutputKind(StrEnum):
    """What a converter makes of its source."""

    TABLES = "tables"
    TEXT = "text"
    BOTH = "both"

    @property
    def has_text(self) -> bool:
        return self is not OutputKind.TABLES


@runtime_checkable
class CopiesItself(Protocol):
    """A table that may come as typed Parquet faster than by its batches."""

    def copy_to(self, path: Path) -> int | None:
        """Write all rows in the types of its facts; their number, None when nothing was written.

        The file has the columns alone; no row has surplus fields, and `FIRST_ROW` is in its
        metadata.
        """
        ...


class Converter(Protocol):
    """A family of formats. Stateless; found through the registry.

    `priority` decides between converters that claim a suffix; `version` changes whenever the same
    bytes may come out otherwise, which is what re-processing goes by; `libraries` are the packages
    it reads with, by the names they are imported by.
    Every method raises CorruptInput when the content is not what its format promises.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    media_types: ClassVar[tuple[str, ...]]
    suffixes: ClassVar[tuple[str, ...]]
    output: ClassVar[OutputKind]
    priority: ClassVar[int]
    libraries: ClassVar[tuple[str, ...]]

    def detect(self, source: Source, head: bytes) -> float:
        """How sure, from 0 to 1, that this content is ours; `head` is the file's first bytes.

        0.9 and above: by a signature or structure that belongs to the format alone. Below 0.5:
        only the suffix speaks for it.
        """
        ...

    def options(self) -> Mapping[str, Any]:
        """Names and defaults of the options `open_tables` and `open_text` take."""
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


@runtime_checkable
class SharesTables(Protocol):
    """A converter whose tables say a row or so of each file: all files of an engagement share them.

    A table for each picture would be a table for each row.
    """

    shares_tables: ClassVar[bool]


@runtime_checkable
class DescribesDocuments(Protocol):
    """A converter that also reads what a document says of itself."""

    def properties(self, source: Source) -> Mapping[str, str]:
        """Such as title, author, created (ISO 8601) and pages; only those that hold something.

        Raises:
            CorruptInput: as `open_text` does.
        """
        ...


@runtime_checkable
class ReadsDocuments(Protocol):
    """A converter that gives a document as tables, too."""

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """The text as `open_text` gives it, with what stands about it in tables.

        Raises:
            CorruptInput: as `open_text` does.
        """
        ...


@runtime_checkable
class BundlesFiles(Protocol):
    """A converter whose sources are other files: what it may become only they tell."""

    def holds_documents(self, source: Source) -> bool:
        """Whether a file in it has a reader of text. Raises CorruptInput as `open_text` does."""
        ...


@runtime_checkable
class ContainsFiles(Protocol):
    """A converter whose sources hold files that are evidence of their own."""

    def contained_files(self, source: Source) -> Iterator[ContainedFile]:
        """In their order, one in memory at a time. Raises CorruptInput as `open_text` does."""
        ...
