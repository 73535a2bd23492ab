"""Files of SPSS, Stata and SAS: codes stay codes, what they mean stands with the column (D41)."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.reader_options import ReaderOptions, refused
from kmflow_orchestration.converters.statistics_signature import kind_of
from kmflow_orchestration.converters.statistics_table import StatisticsTable, read_table
from kmflow_orchestration.errors import CorruptInput


@dataclass(frozen=True, slots=True)
class StatisticsOptions(ReaderOptions):
    """`encoding`: of all texts, instead of the one the file names."""

    encoding: str = ""

    def check(self) -> None:
        """See ReaderOptions."""
        if not self.encoding:
            return
        try:
            codecs.lookup(self.encoding)
        except (LookupError, ValueError) as error:
            hint = "such as cp1252"
            raise refused("encoding", f"is {self.encoding!r}, no encoding", hint) from error


class StatisticsConverter(TableConverter):
    """Labels of columns and values become notes of the columns; user-missing codes are kept."""

    name: ClassVar[str] = "statistics"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = (
        media_types.SPSS,
        media_types.STATA,
        media_types.SAS,
    )
    suffixes: ClassVar[tuple[str, ...]] = (".sav", ".zsav", ".dta", ".sas7bdat")
    libraries: ClassVar[tuple[str, ...]] = ("pyreadstat",)
    reader_options: ClassVar[type[ReaderOptions]] = StatisticsOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By its first bytes."""
        return 1.0 if kind_of(head) else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[StatisticsTable]:
        """One table.

        Raises:
            CorruptInput: damaged, or too many columns (`too_large_inside`).
            ConfigurationError: an option that is unknown, or a value it cannot have.
        """
        given = StatisticsOptions.parse(options)
        with source.path.open("rb") as stream:
            kind = kind_of(stream.read(64))
        if not kind:
            raise CorruptInput("the content is of neither SPSS, Stata nor SAS")
        origin = self.origin(source)
        with refusals_of(f"{kind} file"):
            return (read_table(source.path, kind, origin, given.encoding),)
