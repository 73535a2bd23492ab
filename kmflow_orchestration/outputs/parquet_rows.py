"""Outputs as Parquet (row A13): tables as they are; lists become columns of one type each."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.errors import OutputNotWritable
from kmflow_orchestration.outputs.shapes import Kind, plain

_VALUE = "value"


def dump_table(table: pa.Table) -> bytes:
    """A Parquet file of a table, with its Arrow schema. Raises OutputNotWritable."""
    target = io.BytesIO()
    try:
        pq.write_table(table, target, compression="zstd")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise OutputNotWritable(f"$: Parquet does not hold the table: {error}", key="$") from error
    return target.getvalue()


def load_table(content: bytes) -> pa.Table:
    """The table of a Parquet file."""
    return pq.read_table(pa.BufferReader(content))


def dump(value: Any, kind: Kind) -> bytes:
    """A list of records, rows or values, or a single one, as a table.

    Raises:
        OutputNotWritable: a column whose values have no common type, or a value of no rows.
    """
    return dump_table(pa.table(_columns(value, kind)))


def load(content: bytes, kind: Kind) -> Any:
    """The value that was dumped; tuples come back as lists."""
    table = load_table(content)
    if kind in {"text", "scalar", "values"}:
        found = table.column(_VALUE).to_pylist()
        return found if kind == "values" else found[0]
    records = table.to_pylist()
    if kind == "rows":
        return [list(record.values()) for record in records]
    return records if kind == "records" else records[0]


def _columns(value: Any, kind: Kind) -> dict[str, pa.Array[Any]]:
    if kind in {"text", "scalar", "values"}:
        return {_VALUE: _column(_VALUE, value if kind == "values" else [value])}
    if kind in {"mapping", "records"}:
        return _named_columns([value] if kind == "mapping" else value)
    if kind == "rows":
        return _numbered_columns(value)
    raise OutputNotWritable(
        f"$: Parquet holds tables, not {type(value).__name__}",
        key="$",
        hint="take file_format: json",
    )


def _named_columns(records: Sequence[Mapping[Any, Any]]) -> dict[str, pa.Array[Any]]:
    """A column a key; a key that a record lacks is no value there."""
    names = list(dict.fromkeys(name for record in records for name in record))
    for name in names:
        if not isinstance(name, str):
            raise OutputNotWritable(f"$: the column {name!r} is no text", key=str(name))
    if not names:
        raise OutputNotWritable("$: a record has no column", key="$")
    return {name: _column(name, [record.get(name) for record in records]) for name in names}


def _numbered_columns(rows: Sequence[Sequence[Any]]) -> dict[str, pa.Array[Any]]:
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width or not row:
            raise OutputNotWritable(
                f"$[{number}]: {len(row)} cells, the first row has {width}", key=f"$[{number}]"
            )
    return {f"c{at}": _column(f"c{at}", [row[at] for row in rows]) for at in range(width)}


def _column(name: str, values: Sequence[Any]) -> pa.Array[Any]:
    try:
        found: pa.Array[Any] = pa.array([plain(value) for value in values])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError) as error:
        raise OutputNotWritable(
            f"column {name!r}: its values have no common type: {error}", key=name
        ) from error
    return found
