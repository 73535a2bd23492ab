"""What all converters have in common, those of tables alone, and those of text alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from kmflow_orchestration.converters.document_tables import document_reading
from kmflow_orchestration.converters.interface import (
    ConvertedTable,
    DescribesDocuments,
    DocumentReading,
    OutputKind,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.file_hash import sha256_of


class FileConverter:
    """`libraries` are the packages it reads with, by the names they are imported by."""

    name: ClassVar[str]
    version: ClassVar[str]
    priority: ClassVar[int] = 0
    libraries: ClassVar[tuple[str, ...]] = ()
    reader_options: ClassVar[type[ReaderOptions]] = ReaderOptions

    def options(self) -> Mapping[str, Any]:
        """See Converter."""
        return self.reader_options.defaults()

    def origin(self, source: Source) -> Origin:
        """What is told of a file with all that is read from it."""
        return Origin(self.name, self.version, sha256_of(source.path))


class TableConverter(FileConverter):
    """Makes tables, and no text."""

    output: ClassVar[OutputKind] = OutputKind.TABLES

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        return iter(())


class TextConverter(FileConverter):
    """Makes text. Tables of a document are for files; a group's datasets have none of them."""

    output: ClassVar[OutputKind] = OutputKind.TEXT

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ConvertedTable]:
        return ()

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """See Converter."""
        raise NotImplementedError

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """See ReadsDocuments."""
        blocks = list(self.open_text(source, options))
        about = self.properties(source) if isinstance(self, DescribesDocuments) else {}
        return document_reading(blocks, about, self.origin(source))
