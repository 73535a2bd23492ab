"""Files that already hold typed columns: Parquet, Arrow and Feather, ORC (row D41)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.arrow_values import as_type, column_type, plain
from kmflow_orchestration.converters.column_names import check_width, column_names
from kmflow_orchestration.converters.content_look import look_at
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
    Source,
)
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.converters.reader_options import check_names
from kmflow_orchestration.converters.type_lattice import EMPTY, STRING, ColumnType, join
from kmflow_orchestration.errors import CorruptInput

_BATCH_ROWS = 16_384
_PARQUET, _ENCRYPTED, _ARROW, _FEATHER_1, _ORC = b"PAR1", b"PARE", b"ARROW1", b"FEA1", b"ORC"
Batches = Iterator[pa.RecordBatch]


class ArrowFileConverter(TableConverter):
    """Columns keep their types as far as the lattice has them; what is nested becomes JSON."""

    name: ClassVar[str] = "arrow"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = (
        media_types.PARQUET,
        media_types.ARROW,
        media_types.ORC,
    )
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".feather", ".arrow", ".orc")

    def detect(self, source: Source, head: bytes) -> float:
        """By its first bytes."""
        if kind_of(head):
            return 1.0
        return 0.4 if source.suffix in self.suffixes else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ArrowTable]:
        """One table.

        Raises:
            CorruptInput: damaged, encrypted (`encrypted`), or too many columns.
            ConfigurationError: any option: there is none.
        """
        check_names(options or {}, self.options())
        with source.path.open("rb") as stream:
            kind = kind_of(stream.read(16))
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 4))
            is_encrypted = kind == "parquet" and stream.read(4) == _ENCRYPTED
        if not kind:
            raise CorruptInput("the content is neither Parquet, Arrow nor ORC")
        if kind == "encrypted" or is_encrypted:
            raise CorruptInput("the file is encrypted", reason="encrypted")
        origin = self.origin(source)
        path = str(source.path)
        return (ArrowTable(kind, origin, lambda: _READERS[kind](path)),)


def kind_of(head: bytes) -> str:
    """`parquet`, `arrow`, `feather`, `orc`, `encrypted`, or '' for any other first bytes."""
    if head.startswith(_ENCRYPTED):
        return "encrypted"
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_ARROW):
        return "arrow"
    if head.startswith(_FEATHER_1):
        return "feather"
    # Three letters that a text may well begin with.
    return "orc" if head.startswith(_ORC) and not look_at(head[:16]).is_text else ""


def _parquet(path: str) -> Batches:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        yield pa.RecordBatch.from_pylist([], schema=file.schema_arrow)
        yield from file.iter_batches(_BATCH_ROWS)


def _arrow(path: str) -> Batches:
    with pa.OSFile(path, "rb") as stream, pa.ipc.open_file(stream) as file:
        yield pa.RecordBatch.from_pylist([], schema=file.schema)
        for at in range(file.num_record_batches):
            yield from _cut(file.get_batch(at))


def _feather(path: str) -> Batches:
    from pyarrow import feather

    table = feather.read_table(path, memory_map=False)
    yield pa.RecordBatch.from_pylist([], schema=table.schema)
    yield from table.to_batches(_BATCH_ROWS)


def _orc(path: str) -> Batches:
    from pyarrow import orc

    file = orc.ORCFile(path)
    yield pa.RecordBatch.from_pylist([], schema=file.schema)
    for at in range(file.nstripes):
        yield from _cut(file.read_stripe(at))


def _cut(batch: pa.RecordBatch) -> Batches:
    for start in range(0, batch.num_rows, _BATCH_ROWS):
        yield batch.slice(start, _BATCH_ROWS)


# Each gives a batch without rows first, for the schema.
_READERS: Mapping[str, Callable[[str], Batches]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "feather": _feather,
    "orc": _orc,
}


class ArrowTable:
    """The table of one file; its types were proven on every row when it was opened."""

    part = ""

    def __init__(
        self,
        kind: str,
        origin: Origin,
        read: Callable[[], Batches],
        notes: Mapping[str, tuple[tuple[str, str], ...]] | None = None,
    ) -> None:
        """Reads the whole file; `read` gives a batch without rows first. Raises CorruptInput."""
        self._kind, self._origin, self._read = kind, origin, read
        batches = self._batches()
        schema = next(batches).schema
        check_width(len(schema))
        types, nulls, self._rows = [EMPTY] * len(schema), [0] * len(schema), 0
        for batch in batches:
            self._rows += batch.num_rows
            for at, column in enumerate(batch.columns):
                values = plain(column)
                types[at] = join(types[at], column_type(values))
                nulls[at] += values.null_count
        self._changed = [
            field.name
            for field, found in zip(schema, types, strict=True)
            if found == STRING and pa.types.is_timestamp(field.type)
        ]
        headers = [str(name) for name in schema.names]
        told = [(notes or {}).get(header, ()) for header in headers]
        readings = [""] * len(headers)
        names = column_names(headers)
        self._facts = tuple(map(ColumnFact, names, headers, types, nulls, readings, told))

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._facts

    @property
    def receipt(self) -> Receipt:
        origin, options = self._origin, {"format": self._kind}
        return Receipt(
            *(origin.converter, origin.version, origin.content_hash, self._rows, self._rows),
            options=options,
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        text = "holds nanoseconds or years that no timestamp of ours has: kept as text"
        return tuple(
            ConversionWarning("moments_as_text", f"{name!r} {text}", f"column {name}")
            for name in self._changed
        )

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Batches:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self._facts]
        names = [SOURCE_ROW, *(fact.name for fact in self._facts), RESCUED_DATA]
        first = 1
        for batch in self._batches():
            if not batch.num_rows:
                continue
            numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
            first += batch.num_rows
            columns = [
                as_type(plain(values), kind)
                for values, kind in zip(batch.columns, wanted, strict=True)
            ]
            rescued = pa.nulls(batch.num_rows, pa.string())
            yield pa.RecordBatch.from_arrays([numbers, *columns, rescued], names=names)

    def _batches(self) -> Batches:
        try:
            for batch in self._read():
                # Offsets and texts as a file gives them are trusted by all that comes after.
                batch.validate(full=True)
                yield batch
        except (pa.ArrowException, OSError, ValueError, EOFError) as error:
            if isinstance(error, OSError) and error.errno:
                raise  # the disk's fault and not the file's
            raise CorruptInput(f"the {self._kind} file is damaged: {error}") from error
