"""The fastest way: DuckDB copies a clean file into typed Parquet, every value proven on its way.

Our readers stay the measure: whatever this one cannot prove to come out as theirs is a misfit.
"""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from kmflow_orchestration.converters.delimited_casts import MISFIT, Cast, cast_of, type_of
from kmflow_orchestration.converters.delimited_digits import exact_number, whole_part
from kmflow_orchestration.converters.delimited_reader import csv_options
from kmflow_orchestration.converters.delimited_reading import Reading
from kmflow_orchestration.converters.delimited_rules import Rules, mark_bytes, rules_of
from kmflow_orchestration.converters.interface import FIRST_ROW
from kmflow_orchestration.converters.text_encoding import UTF8
from kmflow_orchestration.converters.text_values import observed_type
from kmflow_orchestration.converters.type_lattice import EMPTY, STRING, ColumnType, Kind

# Smaller files are read before this engine has started.
WORTHWHILE_BYTES: Final = 4 << 20
_MOST_ATTEMPTS: Final = 4
_MISFIT: Final = re.compile(rf"Invalid Input Error: {MISFIT}c(?P<at>[0-9]+)")
_GLOB: Final = frozenset("*?[{")
_BATCH_ROWS: Final = 64 << 10
_SETTINGS: Final = {
    "memory_limit": "400MB",
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class MisfitError(Exception):
    """Something that only our own readers can judge."""


@dataclass(frozen=True, slots=True)
class TypedCopy:
    """A table in Parquet; its row `n` from 0 is row `first_row + n` of the file, without a gap.

    `starts` has of each column the values at the start of the file.
    """

    path: Path
    rows: int
    starts: tuple[pa.StringArray, ...]
    types: tuple[ColumnType, ...]
    nulls: tuple[int, ...]


def rules_for(reading: Reading) -> Rules | None:
    """What a file keeps that DuckDB may read; None for one that is not for it."""
    form, scan = reading.form, reading.scan
    is_simple = (
        reading.width > 1
        and len(form.delimiter) == 1
        and form.delimiter.isascii()
        and form.delimiter != " "
        and form.quote in ('"', "'", "")
        and not form.escape
        and not reading.comment
        and not (reading.null or reading.decimal or reading.thousands)
    )
    is_whole = reading.stop_byte < 0 and not reading.rows_around
    is_plain = scan.encoding == UTF8 and scan.first_bad_byte < 0 and not scan.nul_count
    is_named = not _GLOB & set(str(reading.path))
    if not (is_simple and is_whole and is_plain and is_named) or not _is_installed():
        return None
    rules = rules_of(reading.path, form, begin=reading.start_byte)
    if rules is None or not rules.pieces or not _stands_alone(reading):
        return None
    return rules


def _is_installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("duckdb", "numpy"))


def _stands_alone(reading: Reading) -> bool:
    """Whether each record above the data is one line, so that they can be skipped by number."""
    with reading.path.open("rb") as stream:
        mark_bytes(stream)
        above = stream.read(reading.start_byte)
    return above.count(b"\n") == reading.first_row - 1


def typed_copy(reading: Reading, rules: Rules, names: Sequence[str], path: Path) -> TypedCopy:
    """Copy a table into a Parquet file.

    Raises:
        MisfitError: it is not there, or not to be used.
    """
    import duckdb

    try:
        with duckdb.connect(config=_SETTINGS) as engine:
            engine.execute("SET TimeZone = 'UTC'")
            engine.execute("SET enable_progress_bar = false")
            copying = _Copying(engine, reading, rules, tuple(names), path)
            return copying.done()
    except duckdb.Error as error:
        raise MisfitError(type(error).__name__) from error
    except pa.ArrowInvalid as error:
        raise MisfitError("a sample") from error


@dataclass(frozen=True, slots=True)
class _Copying:
    """One copy of one table."""

    engine: Any
    reading: Reading
    rules: Rules
    names: tuple[str, ...]
    path: Path

    def done(self) -> TypedCopy:
        samples = self._samples()
        casts = [self._cast(at, type_of(column), column) for at, column in enumerate(samples)]
        exact: dict[int, ColumnType] = {}
        for _ in range(_MOST_ATTEMPTS):
            misfit = self._misfit_of(casts)
            if misfit is None:
                nulls, rows = self._counted()
                misfit = _unexpected(casts, nulls, rows)
            if misfit is None:
                starts = tuple(column[0] for column in samples)
                return self._copied(casts, exact, starts, nulls, rows)
            # Its rows say more than its samples did; the other columns may fit yet.
            exact[misfit] = self._observed(misfit)
            fitting = self._cast(misfit, exact[misfit], ())
            if fitting.sql == casts[misfit].sql:
                break
            casts[misfit] = fitting
        raise MisfitError("columns of another form")

    def _cast(self, at: int, kind: ColumnType, column: Sequence[pa.StringArray]) -> Cast:
        found = cast_of(f"c{at}", kind, column)
        if found is None:
            raise MisfitError(f"column {at}")
        return found

    def _samples(self) -> list[list[pa.StringArray]]:
        """By column: its values in each piece."""
        csv: Any = pyarrow.csv
        columns: list[list[pa.StringArray]] = [[] for _ in self.names]
        for piece in self.rules.pieces:
            content = io.BytesIO(piece.read(self.reading.path))
            table = csv.read_csv(content, **csv_options(self.reading, piece.end - piece.begin))
            for column, values in zip(columns, table.columns, strict=True):
                column.append(values.combine_chunks())
        return columns

    @property
    def _source(self) -> str:
        form = self.reading.form
        columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(self.names)))
        return (
            f"read_csv({_text(str(self.reading.path))}, auto_detect = false, header = false, "
            f"skip = {self.reading.first_row - 1}, columns = {{{columns}}}, "
            f"delim = {_text(form.delimiter)}, quote = {_text(form.quote)}, "
            f"escape = {_text(form.quote)}, nullstr = '', allow_quoted_nulls = false, "
            "strict_mode = true, null_padding = false, compression = 'none', encoding = 'utf-8')"
        )

    def _misfit_of(self, casts: Sequence[Cast]) -> int | None:
        """Copies; the first column with a value that is no such type, if there is one."""
        import duckdb

        typed = ", ".join(
            f"{cast.sql} AS {_name(name)}" for cast, name in zip(casts, self.names, strict=True)
        )
        first = {FIRST_ROW: str(self.reading.first_row)}
        try:
            self.engine.execute(
                f"COPY (SELECT {typed} FROM {self._source}) TO {_text(str(self.path))} "
                f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, KV_METADATA {first})"
            )
        except duckdb.InvalidInputException as error:
            # The engine has no other word for what `error()` stops at.
            found = _MISFIT.match(str(error))
            if found is None:
                raise
            return int(found["at"])
        return None

    def _observed(self, at: int) -> ColumnType:
        """The type of a column by all its values."""
        values = self.engine.sql(f"SELECT c{at} FROM {self._source}")
        batches = values.to_arrow_reader(_BATCH_ROWS)
        return type_of(batch.column(0).cast(pa.string()) for batch in batches)

    def _counted(self) -> tuple[list[int], int]:
        """NULLs of each column, and rows, as the file has them."""
        found = pq.read_metadata(self.path)
        nulls = [0] * found.num_columns
        for group in map(found.row_group, range(found.num_row_groups)):
            for at in range(found.num_columns):
                known: Any = group.column(at).statistics
                if known is None or not known.has_null_count:
                    raise MisfitError("no count of NULLs")
                nulls[at] += known.null_count
        return nulls, found.num_rows

    def _copied(
        self,
        casts: Sequence[Cast],
        exact: Mapping[int, ColumnType],
        starts: tuple[pa.StringArray, ...],
        nulls: Sequence[int],
        rows: int,
    ) -> TypedCopy:
        if rows != self.rules.records - self.reading.first_row + 1:
            raise MisfitError("other rows")
        types = tuple(
            exact.get(at) or self._type(at, cast, is_null=nulls[at] == rows)
            for at, cast in enumerate(casts)
        )
        if any(found.arrow != cast.type.arrow for found, cast in zip(types, casts, strict=True)):
            raise MisfitError("another type")
        if min(nulls) and self._is_there(" AND ".join(f"{_name(n)} IS NULL" for n in self.names)):
            raise MisfitError("a row without a value")
        self._check_headers(types)
        return TypedCopy(self.path, rows, starts, types, tuple(nulls))

    def _type(self, at: int, cast: Cast, *, is_null: bool) -> ColumnType:
        """The exact type of a column that was copied."""
        kind = cast.type.kind
        if is_null or kind in (Kind.STRING, Kind.EMPTY, Kind.BOOLEAN, Kind.DATE):
            return EMPTY if is_null else cast.type
        least, most = self._bounds(at)
        if kind is not Kind.NUMBER:
            # A zone may push the first and last year out of what a timestamp holds.
            return cast.type if least.year >= 2 and most.year <= 9998 else STRING
        found = exact_number(cast, least, most, lambda: self._has_longest(at, cast, least, most))
        return self._observed(at) if found is None else found

    def _bounds(self, at: int) -> tuple[Any, Any]:
        name = _name(self.names[at])
        columns = f"min({name}), max({name})"
        query = f"SELECT {columns} FROM read_parquet({_text(str(self.path))})"
        ((least, most),) = self.engine.execute(query).fetchall()
        return least, most

    def _has_longest(self, at: int, cast: Cast, least: Any, most: Any) -> bool:
        """Whether one value has the most digits of all both before and after the point."""
        digits = len(str(whole_part(least, most)))
        name, scale = _name(self.names[at]), cast.type.scale
        return self._is_there(
            f"abs({name}) >= {10 ** (digits - 1)} AND {name} <> round({name}, {scale - 1})"
        )

    def _check_headers(self, types: Sequence[ColumnType]) -> None:
        """Raises MisfitError for a row that is the header once more."""
        fields = self.reading.header_fields
        if not fields:
            return
        for found, name in zip(types, fields, strict=True):
            if name is not None and found.kind is not Kind.STRING:
                if observed_type(pa.array([name])).kind is Kind.STRING:
                    return
                raise MisfitError("a header like its data")
        equal = (
            f"{_name(column)} IS NOT DISTINCT FROM {'NULL' if text is None else _text(text)}"
            for column, text in zip(self.names, fields, strict=True)
        )
        if self._is_there(" AND ".join(equal)):
            raise MisfitError("a header among the data")

    def _is_there(self, condition: str) -> bool:
        query = f"SELECT 1 FROM read_parquet({_text(str(self.path))}) WHERE {condition} LIMIT 1"
        return bool(self.engine.execute(query).fetchall())


def _unexpected(casts: Sequence[Cast], nulls: Sequence[int], rows: int) -> int | None:
    """A column with values that had none in the samples."""
    for at, (cast, count) in enumerate(zip(casts, nulls, strict=True)):
        if cast.type.kind is Kind.EMPTY and count != rows:
            return at
    return None


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
