"""The table of a statistics file: read once in blocks of rows, and set aside on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.column_names import check_width, column_names
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    ROWS_DIFFER,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
)
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch
from kmflow_orchestration.converters.statistics_columns import StatisticsColumn, clock_of
from kmflow_orchestration.converters.type_lattice import ColumnType
from kmflow_orchestration.errors import CorruptInput

# The reader skips to a block's first row, in packed files by reading all before it: few, large
# blocks, as far as memory goes.
_BLOCK_CELLS = 1_000_000
_LEAST_ROWS, _MOST_ROWS = 500, 100_000
# Longer ones stand with the columns only.
_MOST_LABELS = 20_000


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows as they came: texts, or doubles; `rescued` tells why a number is missing."""

    columns: Sequence[Any]
    rescued: pa.StringArray
    rows: int


Reasons = Callable[[int, int], Mapping[int, Mapping[int, str]]]
"""Of so many rows from one on, by position: columns, and by which letter a number is missing."""


def read_table(
    path: Path, kind: str, origin: Origin, encoding: str, *, reasons: Reasons | None = None
) -> StatisticsTable:
    """Read a whole file; its reader raises in ways of its own.

    `reasons` tell what that reader does not.
    """
    told = _read(path, kind, encoding, metadataonly=True)[1]
    check_width(len(told.column_names))
    if len(set(told.column_names)) < len(told.column_names):
        raise CorruptInput(f"the {kind} file names two columns alike")
    columns = [
        StatisticsColumn(
            name,
            kind,
            clock_of(kind, told.original_variable_types.get(name) or ""),
            told.readstat_variable_types.get(name) == "string",
            tuple(_notes(told, name)),
        )
        for name in told.column_names
    ]
    spool, batches, first, rescued = RowSpool(), [], 1, 0
    for block in _blocks(path, kind, encoding, columns, reasons):
        for column, values in zip(columns, block.columns, strict=True):
            column.look_at(values)
        numbers = pa.array(range(first, first + block.rows), pa.int64())
        names = [str(at) for at in range(len(columns) + 2)]
        parts: list[Any] = [numbers, *block.columns, block.rescued]
        batches.append(spool.add(pa.RecordBatch.from_arrays(parts, names=names)))
        first += block.rows
        rescued += block.rows - block.rescued.null_count
    receipt = Receipt(
        *(origin.converter, origin.version, origin.content_hash, first - 1, first - 1),
        rows_rescued=rescued,
        options=dict(_options(told, kind)),
    )
    return StatisticsTable(columns, receipt, spool, tuple(batches), told.table_name or "")


def _read(path: Path, kind: str, encoding: str, **how: Any) -> tuple[Mapping[str, Any], Any]:
    import pyreadstat

    readers: dict[str, Any] = {
        "sav": pyreadstat.read_sav,
        "dta": pyreadstat.read_dta,
        "sas7bdat": pyreadstat.read_sas7bdat,
        "por": pyreadstat.read_por,
        "xpt": pyreadstat.read_xport,
    }
    if kind != "por":
        how["encoding"] = encoding or None
    if kind not in ("por", "xpt"):
        # Codes that mean `refused` are values like others.
        how["user_missing"] = True
    found: tuple[Mapping[str, Any], Any] = readers[kind](
        str(path),
        # Moments are proven by ourselves.
        disable_datetime_conversion=True,
        output_format="dict",
        **how,
    )
    return found


def _blocks(
    path: Path,
    kind: str,
    encoding: str,
    columns: Sequence[StatisticsColumn],
    reasons: Reasons | None,
) -> Iterator[_Block]:
    if not columns:
        return
    most = min(_MOST_ROWS, max(_LEAST_ROWS, _BLOCK_CELLS // len(columns)))
    offset = 0
    while True:
        found, _ = _read(path, kind, encoding, row_offset=offset, row_limit=most)
        values = [list(found[column.name]) for column in columns]
        rows = len(values[0])
        if rows:
            for at, told in (reasons(offset, rows) if reasons is not None else {}).items():
                for column, reason in told.items():
                    values[column][at] = reason
            yield _block(values, columns, rows)
        if rows < most:
            return
        offset += rows


def _block(values: Sequence[list[Any]], columns: Sequence[StatisticsColumn], rows: int) -> _Block:
    rescued: dict[int, dict[str, str]] = {}
    arrays: list[Any] = []
    for column, cells in zip(columns, values, strict=True):
        if column.is_text:
            arrays.append(pa.array(cells, pa.string()))
            continue
        for at, cell in enumerate(cells):
            if isinstance(cell, str):
                # `.a` to `.z`: a number that is missing for a reason with that name.
                rescued.setdefault(at, {})[column.name] = f".{cell}"
                cells[at] = None
        arrays.append(pa.array(cells, pa.float64()))
    texts = [
        json.dumps(rescued[at], ensure_ascii=False) if at in rescued else None for at in range(rows)
    ]
    return _Block(arrays, pa.array(texts, pa.string()), rows)


def _notes(told: Any, name: str) -> Iterator[tuple[str, str]]:
    """What the file says of a column."""
    label = told.column_names_to_labels.get(name)
    if label:
        yield "label", label
    if shown_as := told.original_variable_types.get(name):
        yield "format", str(shown_as)
    if labels := told.variable_value_labels.get(name):
        yield "value_labels", json.dumps(_labels(labels), ensure_ascii=False)
    if missing := told.missing_ranges.get(name):
        yield "missing_values", json.dumps(missing, ensure_ascii=False, default=str)
    measure = told.variable_measure.get(name)
    if measure and measure != "unknown":
        yield "measure", str(measure)


def _labels(labels: Mapping[Any, Any]) -> dict[str, str]:
    return {_code(code): str(label) for code, label in labels.items()}


def _code(code: Any) -> str:
    is_whole = isinstance(code, float) and code.is_integer()
    return str(int(code)) if is_whole else str(code)


def _options(told: Any, kind: str) -> Iterator[tuple[str, str]]:
    yield "format", kind
    if told.file_encoding:
        yield "encoding", str(told.file_encoding)
    if told.file_label:
        yield "label", str(told.file_label)
    if notes := [str(note) for note in told.notes or () if str(note).strip()]:
        yield "notes", "\n".join(notes)[:_MOST_LABELS]
    named = {name: label for name, label in told.column_names_to_labels.items() if label}
    values = {name: _labels(labels) for name, labels in told.variable_value_labels.items()}
    for key, labels in (("column_labels", named), ("value_labels", values)):
        text = json.dumps(labels, ensure_ascii=False)
        if labels and len(text) <= _MOST_LABELS:
            yield key, text


class StatisticsTable:
    """See ConvertedTable; types were proven on every row when it was opened."""

    def __init__(
        self,
        columns: Sequence[StatisticsColumn],
        receipt: Receipt,
        spool: RowSpool,
        batches: tuple[SpooledBatch, ...],
        name: str = "",
    ) -> None:
        """`name` is the file's own for the table, which has one of its own only beside others."""
        self.part, self.name = "", name
        self.missing = ""
        """Why there must have been more rows, '' if there need not."""
        self._columns, self._spool, self._batches = columns, spool, batches
        self.receipt = receipt
        headers = [column.name for column in columns]
        self.facts = tuple(
            ColumnFact(name, column.name, column.type, column.nulls, notes=column.notes)
            for name, column in zip(column_names(headers), columns, strict=True)
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        found = [
            ConversionWarning(
                "moments_as_numbers",
                f"{one.name!r} is shown as {one.clock_was} and holds what is none: kept as numbers",
                f"column {one.name}",
            )
            for one in self._columns
            if one.clock_was
        ]
        if self.missing:
            found.append(
                ConversionWarning(ROWS_DIFFER, self.missing, self.part and f"table {self.part}")
            )
        if self.receipt.rows_rescued:
            text = f"numbers of {self.receipt.rows_rescued} rows are missing for a reason"
            found.append(
                ConversionWarning("missing_reasons", f"{text}, which is kept in {RESCUED_DATA}")
            )
        return tuple(found)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self.facts]
        names = [SOURCE_ROW, *(fact.name for fact in self.facts), RESCUED_DATA]
        for place in self._batches:
            numbers, *values, rescued = self._spool.read(place).columns
            columns = [
                column.typed(cells, kind)
                for column, cells, kind in zip(self._columns, values, wanted, strict=True)
            ]
            yield pa.RecordBatch.from_arrays([numbers, *columns, rescued], names=names)
