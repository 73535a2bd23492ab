"""The table of a file of JSON lines that was copied whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from kmflow_orchestration.converters.interface import (
    ColumnFact,
    ConversionWarning,
    ConvertedTable,
    Receipt,
    RejectedRow,
)
from kmflow_orchestration.converters.proven_copy import CopyFolder, TypedCopy
from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.type_lattice import ColumnType


class CopiedLines:
    """Every line is a row, none was left out; see ConvertedTable and CopiesItself."""

    part = ""
    warnings: tuple[ConversionWarning, ...] = ()

    def __init__(
        self,
        copy: TypedCopy,
        folder: CopyFolder,
        facts: tuple[ColumnFact, ...],
        receipt: Receipt,
        own: Callable[[], ConvertedTable],
    ) -> None:
        """`own` reads the file by our own reader, for other types than those it has."""
        self.facts, self.receipt = facts, receipt
        self._copy, self._folder, self._read = copy, folder, own
        self._own: ConvertedTable | None = None

    def copy_to(self, path: Path) -> int | None:
        """See CopiesItself."""
        shutil.copyfile(self._copy.path, path)
        return self._copy.rows

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        asked = types or {}
        if all(asked.get(fact.name, fact.type).arrow == fact.type.arrow for fact in self.facts):
            yield from numbered_batches(self._copy.path)
            return
        self._own = self._own or self._read()
        yield from self._own.batches(types)

    def rejected_rows(self) -> Iterator[RejectedRow]:
        """See RejectsRows."""
        yield from ()
