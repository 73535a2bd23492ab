"""Columns of spreadsheet cells: their type and their values, a whole column at a time.

What a cell is, `spreadsheet_values` says; here the common cases of a column (only numbers, only
texts, only dates, each with gaps) are settled by Arrow, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from functools import reduce
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.spreadsheet_values import (
    LARGEST_INTEGER,
    as_type,
    observed_cell_type,
)
from kmflow_orchestration.converters.type_lattice import (
    DOUBLE,
    EMPTY,
    STRING,
    ColumnType,
    Kind,
    join,
    join_all,
    number,
)

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

Values: TypeAlias = "pa.Array[Any]"

# Of these one cell shows the type of all.
_UNIFORM = frozenset({bool, datetime, date, time, timedelta})
# What a column of one kind of cells and gaps may be made of at once, by the kind it becomes.
_DIRECT = {Kind.BOOLEAN: bool, Kind.DATE: date, Kind.TIMESTAMP_NTZ: datetime}


def observed_column(cells: Sequence[Any]) -> tuple[ColumnType, int]:
    """Join of the types of all cells, and how many of them are empty."""
    if isinstance(cells, pa.Array):
        return _observed_array(cells), cells.null_count
    types, empty = [], 0
    kinds = set(map(type, cells))
    for kind in kinds:
        same = cells if len(kinds) == 1 else [cell for cell in cells if type(cell) is kind]
        if kind is type(None):
            empty += len(same)
        elif kind is str:
            gaps = same.count("")
            empty += gaps
            types.append(STRING if gaps < len(same) else EMPTY)
        else:
            types.append(_of_kind(kind, same))
    return join_all(types), empty


def _observed_array(values: Values) -> ColumnType:
    """Of an array of numbers or of texts."""
    if values.null_count == len(values):
        return EMPTY
    return STRING if values.type == pa.string() else _of_floats(values.drop_null())


def _of_kind(kind: type, cells: Sequence[Any]) -> ColumnType:
    if kind is float:
        return _of_floats(pa.array(cells, pa.float64()))
    if kind in _UNIFORM:
        return observed_cell_type(cells[0])
    return reduce(join, map(observed_cell_type, cells), EMPTY)


def _of_floats(values: Values) -> ColumnType:
    sizes = pc.abs(values)
    is_integer = pc.and_(pc.less(sizes, LARGEST_INTEGER), pc.equal(values, pc.trunc(values)))
    integers = sizes.filter(is_integer)
    found = EMPTY if len(integers) == len(values) else DOUBLE
    if not len(integers):
        return found
    return join(number(len(str(int(pc.max(integers).as_py())))), found)


def typed_column(cells: Sequence[Any], wanted: ColumnType) -> Values:
    """Cells as values of a type at or above the one `observed_column` found; gaps are NULL."""
    if isinstance(cells, pa.Array):
        as_it_is = _typed_array(cells, wanted)
        if as_it_is is not None:
            return as_it_is
        cells = cells.to_pylist()
    kinds = set(map(type, cells)) - {type(None)}
    if wanted.kind is Kind.STRING and kinds <= {str}:
        return _without_gaps(pa.array(cells, pa.string()))
    if wanted.kind is Kind.NUMBER and kinds <= {float, str} and not _is_decimal(wanted):
        # A whole double below 1e15 is an integer, exactly.
        values: Values = pc.cast(pa.array(_only(float, cells, kinds), pa.float64()), wanted.arrow)
        return values
    direct = _DIRECT.get(wanted.kind)
    if direct is not None and kinds <= {direct, str}:
        return _direct(_only(direct, cells, kinds), wanted)
    return pa.array([as_type(cell, wanted) for cell in cells], wanted.arrow)


def _typed_array(values: Values, wanted: ColumnType) -> Values | None:
    """None where each cell has to be looked at."""
    if values.type == pa.string():
        return values if wanted.arrow == pa.string() else None
    is_direct = wanted.kind is Kind.NUMBER and not _is_decimal(wanted)
    found: Values | None = pc.cast(values, wanted.arrow) if is_direct else None
    return found


def _is_decimal(wanted: ColumnType) -> bool:
    return wanted.sql.startswith("DECIMAL")


def _only(kind: type, cells: Sequence[Any], kinds: Iterable[type]) -> Sequence[Any]:
    """The cells with None for every text, which can only be an empty one here."""
    return [cell if type(cell) is kind else None for cell in cells] if str in kinds else cells


def _direct(cells: Sequence[Any], wanted: ColumnType) -> Values:
    if wanted.kind is not Kind.TIMESTAMP_NTZ:
        return pa.array(cells, wanted.arrow)
    moments: Values = pc.assume_timezone(pa.array(cells, pa.timestamp("us")), "UTC")
    return moments


def _without_gaps(values: Values) -> Values:
    gaps = pc.equal(values, "")
    return pc.if_else(gaps, None, values) if pc.any(gaps).as_py() else values
