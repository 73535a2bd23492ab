"""Clean delimited files copied by DuckDB; see `proven_copy`."""

from __future__ import annotations

import codecs
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from kmflow_orchestration.converters.delimited_reader import csv_options
from kmflow_orchestration.converters.delimited_reading import Reading
from kmflow_orchestration.converters.delimited_rules import Rules, mark_bytes, rules_of
from kmflow_orchestration.converters.proven_copy import (
    MOST_COLUMNS,
    MisfitError,
    ProvenCopy,
    TextColumn,
    TypedCopy,
    literal,
    may_copy,
    quoted,
)
from kmflow_orchestration.converters.text_values import observed_type
from kmflow_orchestration.converters.type_lattice import ColumnType, Kind


def rules_for(reading: Reading) -> Rules | None:
    """What a file keeps that DuckDB may read; None for one that is not for it."""
    form, scan = reading.form, reading.scan
    is_simple = (
        1 < reading.width <= MOST_COLUMNS
        and len(form.delimiter) == 1
        and form.delimiter.isascii()
        and form.delimiter != " "
        and form.quote in ('"', "'", "")
        and not form.escape
        and not reading.comment
        and not (reading.null or reading.decimal or reading.thousands)
    )
    is_whole = reading.stop_byte < 0 and not reading.rows_around
    is_plain = scan.is_sound_utf8 and not scan.nul_count
    if not (is_simple and is_whole and is_plain and may_copy(reading.path)):
        return None
    rules = rules_of(reading.path, form, begin=reading.start_byte)
    if rules is None or not rules.pieces or not _stands_alone(reading):
        return None
    return rules


def _stands_alone(reading: Reading) -> bool:
    """Whether each record above the data is one line, so that they can be skipped by number.

    Not where the data begins with a mark of UTF-8: Arrow, which reads the samples, leaves it out.
    """
    with reading.path.open("rb") as stream:
        mark_bytes(stream)
        above = stream.read(reading.start_byte)
        has_mark = stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    return not has_mark and above.count(b"\n") == reading.first_row - 1


def typed_copy(reading: Reading, rules: Rules, names: Sequence[str], path: Path) -> TypedCopy:
    """Copy a table into a Parquet file.

    Raises:
        MisfitError: it is not there, or not to be used.
    """
    return _DelimitedCopy(reading, rules, names, path).done()


class _DelimitedCopy(ProvenCopy):
    def __init__(self, reading: Reading, rules: Rules, names: Sequence[str], path: Path) -> None:
        rows = rules.records - reading.first_row + 1
        super().__init__(names, path, first_row=reading.first_row, rows=rows)
        self._reading, self._rules = reading, rules

    def _samples(self) -> list[list[pa.StringArray]]:
        csv: Any = pyarrow.csv
        columns: list[list[pa.StringArray]] = [[] for _ in self._names]
        for piece in self._rules.pieces:
            content = io.BytesIO(piece.read(self._reading.path))
            table = csv.read_csv(content, **csv_options(self._reading, piece.end - piece.begin))
            for column, values in zip(columns, table.columns, strict=True):
                column.append(values.combine_chunks())
        return columns

    @property
    def _source(self) -> str:
        reading = self._reading
        more = f"skip = {reading.first_row - 1}, nullstr = '', allow_quoted_nulls = false"
        return self._fields(reading.path, reading.form.delimiter, reading.form.quote, more)

    def _column(self, at: int) -> TextColumn:
        return TextColumn(f"c{at}", f"c{at} IS NULL")

    def _check(self, types: Sequence[ColumnType], nulls: Sequence[int]) -> None:
        names = map(quoted, self._names)
        if min(nulls) and self._is_there(" AND ".join(f"{name} IS NULL" for name in names)):
            raise MisfitError("a row without a value")
        self._check_headers(types)

    def _check_headers(self, types: Sequence[ColumnType]) -> None:
        """Raises MisfitError for a row that is the header once more."""
        fields = self._reading.header_fields
        if not fields:
            return
        for found, name in zip(types, fields, strict=True):
            if name is not None and found.kind is not Kind.STRING:
                if observed_type(pa.array([name])).kind is Kind.STRING:
                    return
                raise MisfitError("a header like its data")
        equal = (
            f"{quoted(column)} IS NOT DISTINCT FROM {'NULL' if text is None else literal(text)}"
            for column, text in zip(self._names, fields, strict=True)
        )
        if self._is_there(" AND ".join(equal)):
            raise MisfitError("a header among the data")
