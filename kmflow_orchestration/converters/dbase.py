"""DBF tables (dBASE III to 7, FoxPro, Visual FoxPro): the converter as the registry knows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.dbase_header import NAME, VERSION, is_dbase
from kmflow_orchestration.converters.dbase_options import DbaseOptions
from kmflow_orchestration.converters.interface import (
    ConvertedTable,
    Source,
)
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.reader_options import ReaderOptions


class DbaseConverter(TableConverter):
    """Records of fixed width; numbers are read from their digits."""

    name: ClassVar[str] = NAME
    version: ClassVar[str] = VERSION
    media_types: ClassVar[tuple[str, ...]] = (media_types.DBF,)
    suffixes: ClassVar[tuple[str, ...]] = (".dbf",)
    reader_options: ClassVar[type[ReaderOptions]] = DbaseOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By a header whose fields make up its records."""
        if is_dbase(head):
            return 1.0
        return 0.4 if source.suffix in self.suffixes else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ConvertedTable]:
        """One table.

        Raises:
            CorruptInput: no DBF file, one with fewer records than it says, or one that needs a
                memo file that is not there (`missing_memo`).
            ConfigurationError: an unknown option.
        """
        # Its arithmetic comes with numpy: whoever reads no such table need not wait for that.
        from kmflow_orchestration.converters.dbase_table import open_table

        return (open_table(source, options or {}),)
