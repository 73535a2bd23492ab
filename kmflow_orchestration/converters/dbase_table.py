"""DBF tables of dBASE, FoxBASE, FoxPro and Visual FoxPro (row D30)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from kmflow_orchestration.converters.dbase_header import (
    HEADER_BYTES,
    NAME,
    VERSION,
    Field,
    Header,
    parse_header,
)
from kmflow_orchestration.converters.dbase_memo import SUFFIXES as MEMO_SUFFIXES
from kmflow_orchestration.converters.dbase_memo import find_beside
from kmflow_orchestration.converters.dbase_options import DbaseOptions
from kmflow_orchestration.converters.dbase_reading import (
    MISSING_MEMO,
    Block,
    DbaseReading,
    Tally,
    guessed_encoding,
    known_encoding,
    read_blocks,
)
from kmflow_orchestration.converters.dbase_values import CODE_PAGES
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
    Source,
)
from kmflow_orchestration.converters.row_spool import RowSpool, SpooledBatch
from kmflow_orchestration.converters.text_values import observed_type, typed_values
from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DOUBLE,
    EMPTY,
    STRING,
    ColumnType,
    Kind,
)
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.file_hash import sha256_of

_DELETED = "_deleted"
_PROBLEMS = {
    "overflow": "numbers were too long for their field (***): NULL",
    "no_logical": "values are neither true nor false: NULL",
    "no_moment": "values are no date and time: NULL",
    "undecodable": "texts hold bytes their code page does not know: kept as escapes",
    MISSING_MEMO: "memos are in a file that is not there: NULL",
}


def open_table(source: Source, options: Mapping[str, Any]) -> DbaseTable:
    """The table of a file. Raises as the converter's `open_tables`."""
    wanted = DbaseOptions.parse(options)
    with source.path.open("rb") as stream:
        header = parse_header(stream.read(HEADER_BYTES))
    warnings = list(_surplus(source, header))
    encoding, told = _encoding(source, header, wanted)
    reading = DbaseReading(
        source.path,
        header,
        sha256_of(source.path),
        encoding,
        find_beside(source.path, source.file_name, MEMO_SUFFIXES),
        wanted.ignore_missing_memo,
        wanted.include_deleted,
    )
    return DbaseTable(reading, (*warnings, *told))


def _surplus(source: Source, header: Header) -> Iterator[ConversionWarning]:
    """A warning about records behind those the header counts."""
    content = source.path.stat().st_size - header.header_bytes
    held = max(content, 0) // header.record_bytes
    if held < header.record_count:
        raise CorruptInput(
            f"the header counts {header.record_count} records, the file holds {held}"
        )
    if held > header.record_count:
        text = f"{held - header.record_count} records lie behind those the header counts: not read"
        yield ConversionWarning("surplus_records", text)


def _encoding(
    source: Source, header: Header, options: DbaseOptions
) -> tuple[str, tuple[ConversionWarning, ...]]:
    """As asked for, as a file beside the table says, as the header says, or a guess."""
    if options.encoding:
        return known_encoding(options.encoding), ()
    beside = find_beside(source.path, source.file_name, (".cpg",))
    if beside is not None:
        with beside.open("rb") as stream:
            named = known_encoding(stream.read(64).decode("ascii", "replace"))
        if named:
            return named, ()
    if header.language in CODE_PAGES:
        return CODE_PAGES[header.language], ()
    found, matters = guessed_encoding(source.path, header)
    text = f"the file names no code page: its texts were read as {found}"
    return found, (ConversionWarning("encoding", text),) if matters else ()


class DbaseTable:
    """The table of one file; its types were proven on every record when it was opened."""

    part = ""

    def __init__(self, reading: DbaseReading, warnings: tuple[ConversionWarning, ...]) -> None:
        """Reads the whole file. Raises CorruptInput for a memo that cannot be had."""
        self._reading = reading
        self._told = warnings
        self._tally = Tally()
        found = [_declared(one) for one in reading.fields]
        nulls = [0] * len(found)
        self._spool = RowSpool()
        self._blocks: list[SpooledBatch] = []
        for block in read_blocks(reading, self._tally):
            self._blocks.append(self._spool.add(block.as_batch()))
            for at, (one, values) in enumerate(zip(reading.fields, block.columns, strict=True)):
                found[at] = _observed(values, one, found[at])
                nulls[at] += values.null_count
        own = (ColumnFact(_DELETED, _DELETED, BOOLEAN),) if reading.includes_deleted else ()
        self._facts = (*own, *map(ColumnFact, reading.names, reading.headers, found, nulls))

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._facts

    @property
    def receipt(self) -> Receipt:
        reading, tally = self._reading, self._tally
        skipped = 0 if reading.includes_deleted else tally.deleted
        return Receipt(
            NAME,
            VERSION,
            reading.content_hash,
            rows_read=tally.read,
            rows_written=tally.read - skipped,
            rows_skipped=skipped,
            options={
                "encoding": reading.encoding,
                "version": f"0x{reading.header.version:02X}",
                **({"ignore_missing_memo": "True"} if reading.ignores_missing_memo else {}),
                **({"include_deleted": "True"} if reading.includes_deleted else {}),
            },
        )

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        found = list(self._told)
        if self._tally.deleted and not self._reading.includes_deleted:
            text = f"{self._tally.deleted} deleted records skipped"
            found.append(ConversionWarning("deleted_records", text))
        found += [
            ConversionWarning(code, f"{count} {_PROBLEMS[code]}")
            for code, count in self._tally.problems.items()
        ]
        return tuple(found)

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        wanted = [(types or {}).get(fact.name, fact.type) for fact in self._facts]
        names = [SOURCE_ROW, *(fact.name for fact in self._facts), RESCUED_DATA]
        for place in self._blocks:
            block = Block.of_batch(self._spool.read(place))
            columns: list[Any] = list(block.columns)
            if self._reading.includes_deleted:
                columns.insert(0, block.deleted.cast(pa.string()))
            values = [typed_values(*pair) for pair in zip(columns, wanted, strict=True)]
            rescued = pa.nulls(len(block.numbers), pa.string())
            yield pa.RecordBatch.from_arrays([block.numbers, *values, rescued], names=names)


def _declared(one: Field) -> ColumnType:
    """What a field's own type settles, whatever its values look like."""
    if one.type in "CVQ" or one.is_memo:
        return STRING
    return DOUBLE if one.type in "BO" else EMPTY


def _observed(values: pa.StringArray, one: Field, known: ColumnType) -> ColumnType:
    is_settled = known.kind is Kind.STRING or one.type in "BO"
    return known if is_settled else observed_type(values, known)
