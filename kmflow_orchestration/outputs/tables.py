"""Data frames and Arrow tables: into Arrow, and back into what they were. pandas is optional."""

from __future__ import annotations

import base64
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kmflow_orchestration.errors import OutputNotWritable

PANDAS, ARROW = "pandas", "arrow"


def is_table(value: Any) -> bool:
    """Whether a value is a pandas data frame, an Arrow table, or speaks Arrow's C stream."""
    return _is_data_frame(value) or hasattr(value, "__arrow_c_stream__")


def to_arrow(value: Any) -> tuple[pa.Table, str]:
    """A table as Arrow, and the library it came from. A NaN of pandas becomes NULL.

    Raises:
        OutputNotWritable: a column that holds values of several types, a name twice, or names of
            several types.
    """
    if isinstance(value, pa.Table):
        return _checked(value), ARROW
    if not _is_data_frame(value):
        return _checked(pa.table(value)), ARROW
    _refuse_twice(list(value.columns))
    if len({type(name) for name in value.columns}) > 1:
        raise OutputNotWritable("the names of the columns are of several types", key="$")
    try:
        return _checked(pa.Table.from_pandas(value)), PANDAS
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        column = _column_at_fault(value)
        raise OutputNotWritable(
            f"column {column!r}: its values have no common type", key=column
        ) from error


def from_arrow(table: pa.Table, library: str) -> Any:
    """The table as its library has it."""
    if library != PANDAS:
        return table
    return table.to_pandas()


def schema_text(schema: pa.Schema) -> str:
    """A schema with its metadata as text."""
    return base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")


def schema_of(text: str) -> pa.Schema:
    """Inverse of `schema_text`."""
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def as_type(value: Any, wanted: object) -> Any:
    """A value that was read, as the type its reader is annotated with, where both are tables."""
    if wanted is pa.Table and _is_data_frame(value):
        return pa.Table.from_pandas(value)
    if getattr(wanted, "__module__", "").startswith("pandas.") and not _is_data_frame(value):
        return _data_frame(value)
    return value


def _data_frame(value: Any) -> Any:
    import pandas as pd

    return value.to_pandas() if isinstance(value, pa.Table) else pd.DataFrame(value)


def _is_data_frame(value: Any) -> bool:
    # Who never imported pandas has no data frame; importing it takes half a second.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _checked(table: pa.Table) -> pa.Table:
    _refuse_twice(table.column_names)
    return table


def _refuse_twice(names: Sequence[Any]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise OutputNotWritable(f"column {name!r} stands twice", key=str(name))


def _column_at_fault(frame: Any) -> str:
    for name in frame.columns:
        try:
            pa.Table.from_pandas(frame[[name]])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return str(name)
    return "$"
