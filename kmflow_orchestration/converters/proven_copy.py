"""A table copied by DuckDB into typed Parquet, every value proven on its way.

Our readers stay the measure: whatever this one cannot prove to come out as theirs is a misfit.
"""

from __future__ import annotations

import importlib.util
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.converters.delimited_casts import Cast, cast_of, type_of
from kmflow_orchestration.converters.delimited_digits import exact_number, whole_part
from kmflow_orchestration.converters.interface import FIRST_ROW
from kmflow_orchestration.converters.private_folder import PrivateFolder
from kmflow_orchestration.converters.type_lattice import EMPTY, STRING, ColumnType, Kind

# Smaller files are read before this engine has started.
WORTHWHILE_BYTES: Final = 4 << 20
# Of wider tables the engine plans longer than it reads.
MOST_COLUMNS: Final = 1000
_MISFIT_AT: Final = "kmflow misfit in column "
_MISFIT: Final = re.compile(rf"Invalid Input Error: {_MISFIT_AT}(?P<at>[0-9]+)")
_MOST_ATTEMPTS: Final = 4
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


class CopyFolder(PrivateFolder):
    """Where one copy lies, and nothing else."""

    def __init__(self) -> None:
        super().__init__("typed")

    @property
    def file(self) -> Path:
        return self.path / "table.parquet"


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


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column `c{at}` of the source as SQL: its text where `is_sound`, NULL where `is_null`.

    Any other value is a misfit. Without `is_sound` each value is sound.
    """

    text: str
    is_null: str
    is_sound: str = ""


def may_copy(path: Path) -> bool:
    """Whether the engine is there, and takes a path for the one file that it is."""
    is_installed = all(importlib.util.find_spec(name) is not None for name in ("duckdb", "numpy"))
    return is_installed and not _GLOB & set(str(path.absolute()))


def path_literal(path: Path) -> str:
    """A path as SQL; one that begins with `~` or `file:` would be another file's.

    Raises:
        MisfitError: its name is no UTF-8, which the engine's texts are.
    """
    absolute = str(path.absolute())
    try:
        absolute.encode()
    except UnicodeEncodeError as error:
        raise MisfitError("a name of bytes") from error
    return literal(absolute)


def literal(value: str) -> str:
    """A text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'


class ProvenCopy(ABC):
    """One copy of one table."""

    def __init__(self, names: Sequence[str], path: Path, *, first_row: int, rows: int) -> None:
        """`rows` are those that the file has, of which `first_row` is the number of the first."""
        self._names, self._path = tuple(names), path
        self._first_row, self._rows = first_row, rows
        self._engine: Any = None

    def done(self) -> TypedCopy:
        """The copy.

        Raises:
            MisfitError: it is not there, or not to be used.
        """
        import duckdb

        try:
            with duckdb.connect(config=_SETTINGS) as self._engine:
                self._engine.execute("SET TimeZone = 'UTC'")
                self._engine.execute("SET enable_progress_bar = false")
                return self._attempted()
        except duckdb.Error as error:
            raise MisfitError(type(error).__name__) from error
        except pa.ArrowInvalid as error:
            raise MisfitError("a sample") from error

    @property
    @abstractmethod
    def _source(self) -> str:
        """What SQL reads the file from."""

    def _fields(self, path: Path, delimiter: str, quote: str, more: str) -> str:
        """Fields `c0`, `c1`, … of a delimited text as they stand; `more` are other settings."""
        columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(len(self._names)))
        return (
            f"read_csv({path_literal(path)}, auto_detect = false, header = false, "
            f"columns = {{{columns}}}, delim = {literal(delimiter)}, quote = {literal(quote)}, "
            f"escape = {literal(quote)}, {more}, strict_mode = true, null_padding = false, "
            "compression = 'none', encoding = 'utf-8')"
        )

    @abstractmethod
    def _samples(self) -> list[list[pa.StringArray]]:
        """By column: its values in each piece. Raises MisfitError."""

    @abstractmethod
    def _column(self, at: int) -> TextColumn:
        """Where the text of a column is."""

    @abstractmethod
    def _check(self, types: Sequence[ColumnType], nulls: Sequence[int]) -> None:
        """Whatever else must be so. Raises MisfitError."""

    def _narrowed(self, _: int, kind: ColumnType) -> ColumnType:
        """What a column may be by its place, given what it is by its texts. Raises MisfitError."""
        return kind

    def _attempted(self) -> TypedCopy:
        samples = self._samples()
        casts = [
            self._cast(at, self._narrowed(at, type_of(column)), column)
            for at, column in enumerate(samples)
        ]
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
            tried = casts[misfit]
            is_new = fitting.type.kind is not tried.type.kind
            if not is_new and replace(fitting, type=tried.type) == tried:
                break
            casts[misfit] = fitting
        raise MisfitError("columns of another form")

    def _cast(self, at: int, kind: ColumnType, samples: Sequence[pa.StringArray]) -> Cast:
        found = cast_of(f"v{at}", f"t{at}", kind, samples)
        if found is None:
            raise MisfitError(f"column {at}")
        return found

    def _misfit_of(self, casts: Sequence[Cast]) -> int | None:
        """Copies; the first column with a value that is no such type, if there is one."""
        import duckdb

        query = self._query(casts)
        first = {FIRST_ROW: str(self._first_row)}
        try:
            self._engine.execute(
                f"COPY ({query}) TO {path_literal(self._path)} "
                f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, KV_METADATA {first})"
            )
        except duckdb.InvalidInputException as error:
            # The engine has no other word for what `error()` stops at.
            found = _MISFIT.match(str(error))
            if found is None:
                raise
            return int(found["at"])
        return None

    def _query(self, casts: Sequence[Cast]) -> str:
        """In layers: what stands in an expression of cases twice is worked out twice."""
        numbers = range(len(casts))
        pieces = [f"c{at}, {self._column(at).text} AS v{at}" for at in numbers]
        typed = [f", {cast.typed} AS t{at}" if cast.typed else "" for at, cast in enumerate(casts)]
        texts = [f"c{at}, v{at}{typed[at]}" for at in numbers]
        proven = [
            f"{self._proven(at, cast)} AS {quoted(name)}"
            for at, (cast, name) in enumerate(zip(casts, self._names, strict=True))
        ]
        inner = f"SELECT {', '.join(pieces)} FROM {self._source}"
        return f"SELECT {', '.join(proven)} FROM (SELECT {', '.join(texts)} FROM ({inner}))"

    def _proven(self, at: int, cast: Cast) -> str:
        column = self._column(at)
        proof = " AND ".join(filter(None, (column.is_sound, cast.proof)))
        if not proof:
            return cast.value
        # The text of the error has the column alone: no value of a client comes into it.
        misfit = f"error('{_MISFIT_AT}{at}')"
        return (
            f"CASE WHEN {proof} THEN {cast.value} WHEN {column.is_null} THEN NULL ELSE {misfit} END"
        )

    def _observed(self, at: int) -> ColumnType:
        """The type of a column by all its values."""
        column = self._column(at)
        is_sound = column.is_sound or "true"
        # Not by an error: Arrow would tell it as one of its own.
        # What is sound around it may be NULL all the same, which a cast would find out.
        text = f"CASE WHEN {column.is_null} THEN NULL WHEN {is_sound} THEN {column.text} END"
        is_odd = f"NOT coalesce(({is_sound}) OR {column.is_null}, false)"
        values = self._engine.sql(f"SELECT {text}, {is_odd} FROM {self._source}")
        try:
            found = type_of(_sound(values.to_arrow_reader(_BATCH_ROWS)))
        except OSError as error:
            # What Arrow makes of any error of the engine, or of a stream that it reads.
            raise MisfitError("a source of another form") from error
        return self._narrowed(at, found)

    def _counted(self) -> tuple[list[int], int]:
        """NULLs of each column, and rows, as the file has them."""
        found = pq.read_metadata(self._path)
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
        if rows != self._rows:
            raise MisfitError("other rows")
        types = tuple(
            exact.get(at) or self._type(at, cast, is_null=nulls[at] == rows)
            for at, cast in enumerate(casts)
        )
        if any(found.arrow != cast.type.arrow for found, cast in zip(types, casts, strict=True)):
            raise MisfitError("another type")
        self._check(types, nulls)
        return TypedCopy(self._path, rows, starts, types, tuple(nulls))

    def _type(self, at: int, cast: Cast, *, is_null: bool) -> ColumnType:
        """The exact type of a column that was copied."""
        kind = cast.type.kind
        if is_null or kind in (Kind.STRING, Kind.EMPTY, Kind.BOOLEAN, Kind.DATE):
            return EMPTY if is_null else cast.type
        least, most = self._bounds(at)
        if kind is not Kind.NUMBER:
            # A zone may push the first and last year out of what a timestamp holds; what Python
            # has no date for comes as text.
            is_held = all(isinstance(one, datetime) for one in (least, most))
            return cast.type if is_held and least.year >= 2 and most.year <= 9998 else STRING
        found = exact_number(cast, least, most, lambda: self._has_longest(at, cast, least, most))
        return self._observed(at) if found is None else found

    @property
    def _copy(self) -> str:
        """What SQL reads the copy from."""
        return f"read_parquet({path_literal(self._path)})"

    def _bounds(self, at: int) -> tuple[Any, Any]:
        name = quoted(self._names[at])
        columns = f"min({name}), max({name})"
        query = f"SELECT {columns} FROM {self._copy}"
        ((least, most),) = self._engine.execute(query).fetchall()
        return least, most

    def _has_longest(self, at: int, cast: Cast, least: Any, most: Any) -> bool:
        """Whether one value has the most digits of all both before and after the point."""
        digits = len(str(whole_part(least, most)))
        name, scale = quoted(self._names[at]), cast.type.scale
        return self._is_there(
            f"abs({name}) >= {10 ** (digits - 1)} AND {name} <> round({name}, {scale - 1})"
        )

    def _is_there(self, condition: str) -> bool:
        """Whether a row of the copy is so."""
        query = f"SELECT 1 FROM {self._copy} WHERE {condition} LIMIT 1"
        return bool(self._engine.execute(query).fetchall())


def _sound(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.StringArray]:
    """Texts of batches that also say which are none."""
    for batch in batches:
        texts: Any = batch.column(0)
        odd: Any = batch.column(1)
        if odd.true_count:
            raise MisfitError("a value of another form")
        yield texts.cast(pa.string())


def _unexpected(casts: Sequence[Cast], nulls: Sequence[int], rows: int) -> int | None:
    """A column with values that had none in the samples."""
    for at, (cast, count) in enumerate(zip(casts, nulls, strict=True)):
        if cast.type.kind is Kind.EMPTY and count != rows:
            return at
    return None
