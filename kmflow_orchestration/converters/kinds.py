"""What converters of tables alone, and of text alone, have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from kmflow_orchestration.converters.interface import (
    ConvertedTable,
    OutputKind,
    Source,
    TextBlock,
)


class _WithoutOptions:
    """`libraries` are the packages it reads with, by the names they are imported by."""

    priority: ClassVar[int] = 0
    libraries: ClassVar[tuple[str, ...]] = ()

    def options(self) -> Mapping[str, Any]:
        return {}


class TableConverter(_WithoutOptions):
    """Makes tables, and no text."""

    output: ClassVar[OutputKind] = OutputKind.TABLES

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        return iter(())


class TextConverter(_WithoutOptions):
    """Makes text, and no tables."""

    output: ClassVar[OutputKind] = OutputKind.TEXT

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ConvertedTable]:
        return ()
