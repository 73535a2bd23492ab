"""What a typed copy leaves open: whether its texts are numbers or dates as people write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.converters.delimited_reading import Reading
from kmflow_orchestration.converters.proven_copy import MisfitError, TypedCopy
from kmflow_orchestration.converters.type_lattice import Kind
from kmflow_orchestration.converters.written_values import (
    PROBED,
    ColumnReading,
    WrittenColumn,
    forms_for,
    may_be_thousands,
    read_columns,
)


def texts_of(copy: TypedCopy, reading: Reading) -> dict[int, ColumnReading]:
    """Columns of text that began as numbers or dates do, and are neither.

    Raises:
        MisfitError: a column that is, or may be: our own reader must tell.
    """
    # Only beside semicolons do points part thousands; commas in numbers would be a misfit here.
    if reading.form.delimiter == ";" and any(map(may_be_thousands, copy.types)):
        raise MisfitError("thousands or decimals")
    columns = {}
    for at, kind in enumerate(copy.types):
        if kind.kind is Kind.STRING:
            forms = forms_for(_probe(copy, at))
            if forms:
                columns[at] = WrittenColumn(forms)
    if not columns:
        return {}
    found = read_columns(_texts(copy, reading, list(columns)), columns)
    if any(one.form is not None or one.possible for one in found.values()):
        raise MisfitError("numbers or dates as people write them")
    return found


def _probe(copy: TypedCopy, at: int) -> pa.StringArray:
    """Values of a column that decide for the whole of it, as they do for our own reader.

    That one looks at the first block with a value; what we have is the start of the first block.
    """
    start = copy.starts[at]
    if len(start) - start.null_count >= PROBED:
        return start
    first = _first(copy, at)
    if forms_for(first):
        raise MisfitError("few values at the start")
    return first


def _first(copy: TypedCopy, at: int) -> pa.StringArray:
    """The first value of a column."""
    with pq.ParquetFile(copy.path) as file:
        name = file.schema_arrow.names[at]
        for batch in file.iter_batches(columns=[name]):
            present: Any = batch.column(0).drop_null()
            if len(present):
                first: pa.StringArray = present.slice(0, 1)
                return first
    return pa.array([], pa.string())


def _texts(
    copy: TypedCopy, reading: Reading, columns: Sequence[int]
) -> Iterator[tuple[pa.Int64Array, dict[int, pa.StringArray]]]:
    row = reading.first_row
    with pq.ParquetFile(copy.path) as file:
        names = [file.schema_arrow.names[at] for at in columns]
        for batch in file.iter_batches(columns=names):
            rows = pa.array(range(row, row + batch.num_rows), pa.int64())
            row += batch.num_rows
            texts: Any = batch.columns
            yield rows, dict(zip(columns, texts, strict=True))
