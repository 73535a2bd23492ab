"""A table of a locked document, read from its plain copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kmflow_orchestration.converters.interface import (
    ColumnFact,
    ConversionWarning,
    ConvertedTable,
    Receipt,
)
from kmflow_orchestration.converters.type_lattice import ColumnType


@dataclass(frozen=True, slots=True)
class UnlockedTable:
    """A table of a plain copy, whose receipt speaks of the source itself."""

    table: ConvertedTable
    sha256: str

    @property
    def part(self) -> str:
        return self.table.part

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self.table.facts

    @property
    def receipt(self) -> Receipt:
        return replace(self.table.receipt, content_hash=self.sha256)

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        return self.table.warnings

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[Any]:
        """See ConvertedTable."""
        return self.table.batches(types)
