"""Tables as CSV, by Arrow; the kept schema gives every column its type back."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from kmflow_orchestration.errors import OutputNotWritable

_TEXT = (pa.types.is_string, pa.types.is_large_string)
_ALLOWED = (
    *_TEXT,
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_date,
    pa.types.is_timestamp,
)
_FORMULA = r"^[=+\-@]"


def dump(table: pa.Table) -> tuple[bytes, int]:
    """Header and rows, and how many text cells a spreadsheet takes for formulas.

    Text is quoted and nothing else is; NULL, NaN and Infinity are empty.

    Raises:
        OutputNotWritable: a column of a type that is no single value.
    """
    columns = [_cells(table.column(name), name) for name in table.column_names]
    if not columns:
        return b"", 0
    target = io.BytesIO()
    arrow_csv.write_csv(pa.table(columns, names=table.column_names), target)
    return target.getvalue(), sum(_formulas(column) for column in columns)


def load(content: bytes, schema: pa.Schema) -> pa.Table:
    """The table that was dumped, with its types; NaN and Infinity come back as NULL."""
    if not schema.names:
        return schema.empty_table()
    plain = pa.schema([pa.field(field.name, _plain_type(field.type)) for field in schema])
    table = arrow_csv.read_csv(
        io.BytesIO(content),
        read_options=arrow_csv.ReadOptions(
            block_size=len(content) + 1,  # a cell with line breaks must not straddle two blocks
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=plain,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return table.cast(schema)


def _cells(column: pa.ChunkedArray[Any], name: str) -> pa.ChunkedArray[Any]:
    plain = _plain_type(column.type)
    if not any(allowed(plain) for allowed in _ALLOWED):
        raise OutputNotWritable(
            f"column {name!r}: a CSV cell holds no {column.type}",
            key=name,
            hint="take file_format: parquet",
        )
    cells: pa.ChunkedArray[Any] = column.cast(plain)
    if pa.types.is_floating(plain):
        cells = pc.if_else(pc.is_finite(cells), cells, pa.scalar(None, plain))
    return cells


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """A column of repeated values is written as the values."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _formulas(column: pa.ChunkedArray[Any]) -> int:
    if not any(is_text(column.type) for is_text in _TEXT):
        return 0
    found = pc.filter(column, pc.match_substring_regex(column, _FORMULA))
    return len(found)
