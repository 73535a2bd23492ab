"""Where each row of a result came from, as columns before its own (design AD9, CD-N2).

Outside of a group there is no evidence item: the file's name stands for it, and its hash is in the
manifest and in the file's metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.interface import SOURCE_ROW, ConvertedTable
from kmflow_orchestration.converters.joined_tables import SHEET
from kmflow_orchestration.operations.convert.file_names import distinct

SOURCE_FILE, SOURCE_PART = "_source_file", "_source_part"
PROVENANCE_COLUMNS = (SOURCE_FILE, SOURCE_PART, SOURCE_ROW)
_SHEETS = "sheets"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Of the rows of one table; `part_column` tells the part of each row, '' when all have one."""

    fields: tuple[Any, ...]
    file_name: str
    part: str
    part_column: str = ""

    def before(self, made: pa.RecordBatch, batch: pa.RecordBatch, rows: Any) -> pa.RecordBatch:
        """Rows with these columns in front; `batch` are the same rows as the reader gave them."""
        count = made.num_rows
        parts: Any = pa.repeat(pa.scalar(self.part or None, pa.string()), count)
        if self.part_column:
            parts = batch.column(self.part_column)
        columns = [pa.repeat(pa.scalar(self.file_name, pa.string()), count), parts, rows]
        schema = pa.schema([*self.fields, *made.schema])
        return pa.RecordBatch.from_arrays([*columns, *made.columns], schema=schema)


def provenance_of(table: ConvertedTable, file_name: str, names: Sequence[str]) -> Provenance:
    """The columns of a table whose own are called `names`; none of these gives way."""
    called = distinct([*names, *PROVENANCE_COLUMNS])[len(names) :]
    kinds = (pa.string(), pa.string(), pa.int64())
    fields = tuple(pa.field(name, kind) for name, kind in zip(called, kinds, strict=True))
    return Provenance(fields, storable_name(file_name), table.part, part_column(table))


def part_column(table: ConvertedTable) -> str:
    """The column in which each row has the name of its sheet; '' when all are of one."""
    last = table.facts[-1] if table.facts else None
    if last is None or _SHEETS not in table.receipt.options or last.source_name != SHEET:
        return ""
    return last.name


def storable_name(name: str) -> str:
    """A name that a system gave us, as text that can be stored: undecodable bytes are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
