"""Files of SPSS, Stata and SAS: codes stay codes, what they mean stands with the column (D41)."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.foreign_readers import refusals_of
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.private_folder import private_folder
from kmflow_orchestration.converters.reader_options import ReaderOptions, refused
from kmflow_orchestration.converters.statistics_signature import kind_of
from kmflow_orchestration.converters.statistics_table import StatisticsTable, read_table
from kmflow_orchestration.converters.transport_files import members_of
from kmflow_orchestration.errors import CorruptInput

_HEAD_BYTES = 600


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
    version: ClassVar[str] = "3"
    media_types: ClassVar[tuple[str, ...]] = (
        media_types.SPSS,
        media_types.STATA,
        media_types.SAS,
        media_types.SPSS_PORTABLE,
        media_types.SAS_TRANSPORT,
    )
    suffixes: ClassVar[tuple[str, ...]] = (*(".sav", ".zsav", ".por", ".dta", ".sas7bdat", ".xpt"),)
    libraries: ClassVar[tuple[str, ...]] = ("pyreadstat",)
    reader_options: ClassVar[type[ReaderOptions]] = StatisticsOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By its first bytes."""
        return 1.0 if kind_of(head) else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[StatisticsTable]:
        """One table; of a transport file each that lies in it.

        Raises:
            CorruptInput: damaged, or too many columns (`too_large_inside`).
            ConfigurationError: an option that is unknown, or a value it cannot have.
        """
        given = StatisticsOptions.parse(options)
        with source.path.open("rb") as stream:
            kind = kind_of(stream.read(_HEAD_BYTES))
        if not kind:
            raise CorruptInput("the content is of neither SPSS, Stata nor SAS")
        origin = self.origin(source)
        if kind == "por" and given.encoding:
            raise refused("encoding", "is for other files", "a portable file has its own letters")
        with refusals_of(f"{kind} file"):
            if kind == "xpt":
                return _transported(source.path, origin, given.encoding)
            return (read_table(source.path, kind, origin, given.encoding),)


def _transported(path: Path, origin: Origin, encoding: str) -> Sequence[StatisticsTable]:
    members = members_of(path)
    if len(members) == 1:
        reasons = partial(members[0].reasons, path)
        only = read_table(path, "xpt", origin, encoding, reasons=reasons)
        only.missing = members[0].missing(path, only.receipt.rows_written)
        return (only,)
    tables = []
    with private_folder("members") as folder:
        for member in members:
            alone = folder / "one.xpt"
            member.write_alone(path, alone)
            reasons = partial(member.reasons, path)
            tables.append(read_table(alone, "xpt", origin, encoding, reasons=reasons))
    names = [table.name for table in tables]
    parts = names if all(names) and len(set(names)) == len(names) else column_names(names)
    for table, part, member in zip(tables, parts, members, strict=True):
        table.part = part
        table.missing = member.missing(path, table.receipt.rows_written)
    return tables
