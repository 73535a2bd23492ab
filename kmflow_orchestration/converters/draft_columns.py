"""Columns of a table under way, and what all their values have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from kmflow_orchestration.converters.gathered_table import without_empty
from kmflow_orchestration.converters.record_cells import Form
from kmflow_orchestration.converters.text_values import observed_type
from kmflow_orchestration.converters.type_lattice import EMPTY, STRING, ColumnType, Kind, join

_MOMENTS = (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_NTZ, Kind.EMPTY)


@dataclass(slots=True)
class DraftColumn:
    """One column while rows come in; mutable for that."""

    position: int
    values: list[str | bytes | None] = field(default_factory=list)
    forms: int = 0
    all_forms: int = 0
    type: ColumnType = EMPTY
    valid: int = 0
    empty: int = 0

    @property
    def values_count(self) -> int:
        """Values that are not NULL in the column's own type."""
        is_text = self.type.kind in (Kind.STRING, Kind.EMPTY)
        return self.valid if is_text else self.valid - self.empty


def observed(values: pa.StringArray, column: DraftColumn) -> ColumnType:
    """The type of a column with more values, in the forms it has now."""
    if column.type.kind is Kind.STRING:
        return STRING
    if column.forms == Form.UNSAID:
        return observed_type(without_empty(values), column.type)
    if column.forms in (Form.NUMBER, Form.BOOLEAN):
        return observed_type(values, column.type)
    if column.forms != Form.TEXT:
        return STRING
    found = observed_type(values)
    return join(column.type, found) if found.kind in _MOMENTS else STRING
