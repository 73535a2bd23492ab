"""CSV, TSV and other delimited text, streamed twice: once for the types, once for the rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.content_look import look_at, tabular_agreement
from kmflow_orchestration.converters.delimited_careful import careful_blocks
from kmflow_orchestration.converters.delimited_copied import texts_of
from kmflow_orchestration.converters.delimited_copy import rules_for, typed_copy
from kmflow_orchestration.converters.delimited_decision import DialectDecision, decide
from kmflow_orchestration.converters.delimited_options import DelimitedOptions
from kmflow_orchestration.converters.delimited_reader import (
    LongRecordError,
    NeedsCareError,
    fast_blocks,
    keeps_the_rules,
    larger_block,
)
from kmflow_orchestration.converters.delimited_reading import (
    Block,
    Counts,
    Reading,
    without_words,
)
from kmflow_orchestration.converters.delimited_rules import Rules
from kmflow_orchestration.converters.delimited_warnings import reading_warning, table_warnings
from kmflow_orchestration.converters.interface import (
    RESCUED_DATA,
    SOURCE_ROW,
    ColumnFact,
    ConversionWarning,
    Receipt,
    RejectedRow,
    Source,
)
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.packed_source import (
    PlainCopy,
    inner_source,
    look_inside,
    packed_suffixes,
    plain_file,
)
from kmflow_orchestration.converters.proven_copy import WORTHWHILE_BYTES, CopyFolder, MisfitError
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.converters.staged_files import numbered_batches
from kmflow_orchestration.converters.text_values import observed_type, typed_values
from kmflow_orchestration.converters.type_lattice import EMPTY, STRING, ColumnType, Kind
from kmflow_orchestration.converters.written_numbers import NumberForm
from kmflow_orchestration.converters.written_values import (
    POINT_OR_COMMA,
    ColumnReading,
    WrittenColumn,
    forms_for,
    may_be_thousands,
    read_columns,
)
from kmflow_orchestration.file_hash import sha256_of


class DelimitedConverter(TableConverter):
    """Text in records and fields; how it is written is found out, or said by options."""

    name: ClassVar[str] = "delimited"
    version: ClassVar[str] = "3"
    media_types: ClassVar[tuple[str, ...]] = ("text/csv", "text/tab-separated-values")
    suffixes: ClassVar[tuple[str, ...]] = packed_suffixes((".csv", ".tsv", ".tab", ".psv"))
    reader_options: ClassVar[type[ReaderOptions]] = DelimitedOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By fields that line up; a suffix of ours alone counts little."""
        source, head = look_inside(source, head)
        look = look_at(head)
        if not look.is_text or look.announced:
            return 0.0
        agreement = tabular_agreement(head)
        if source.suffix in self.suffixes:
            return max(0.4, agreement)
        return agreement if agreement > 0.95 else 0.0

    def decide(self, source: Source, options: Mapping[str, Any] | None = None) -> DialectDecision:
        """How the file would be read, and why. Raises what `open_tables` does."""
        wanted = DelimitedOptions.parse(options)
        with plain_file(source.path) as path:
            return decide(replace(inner_source(source), path=path), wanted)[0]

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[DelimitedTable]:
        """The tables of the file, mostly one.

        Raises:
            CorruptInput: a file without a value, not in the encoding that was asked for, or a
                compressed one that is damaged or unpacks beyond all measure.
            ConfigurationError: an option that does not exist or cannot be what it is.
        """
        wanted = DelimitedOptions.parse(options)
        plain = PlainCopy(source.path)
        decision, readings = decide(replace(inner_source(source), path=plain.path), wanted)
        if plain.is_unpacked:
            content_hash = sha256_of(source.path)
            readings = [_hashed(reading, content_hash) for reading in readings]
        is_large = readings[0].scan.size_bytes >= WORTHWHILE_BYTES
        rules = rules_for(readings[0]) if is_large and len(readings) == 1 else None
        if rules is not None:
            reading = replace(readings[0], is_careful=False)
            return [DelimitedTable(reading, decision, plain=plain, rules=rules)]
        return [DelimitedTable(_ready(reading), decision, plain=plain) for reading in readings]


def _hashed(reading: Reading, content_hash: str) -> Reading:
    """The proof is of the file as it lies, not of what was unpacked."""
    return replace(reading, scan=replace(reading.scan, content_hash=content_hash))


def _ready(reading: Reading) -> Reading:
    """The reading with the faster reader where that one reads it just alike."""
    return (
        reading if reading.is_careful else replace(reading, is_careful=not keeps_the_rules(reading))
    )


@dataclass(frozen=True, slots=True)
class _Observed:
    """What all rows of a table told; `readings` by the positions of their columns."""

    counts: Counts
    readings: Mapping[int, ColumnReading]
    facts: tuple[ColumnFact, ...]


class DelimitedTable:
    """One table of a file; its types were proven on every row before anything of it is told."""

    def __init__(
        self,
        reading: Reading,
        decision: DialectDecision,
        *,
        plain: PlainCopy | None = None,
        rules: Rules | None = None,
    ) -> None:
        """Reads the whole table; one that keeps `rules` only when it is first asked for.

        `plain` is the file that the reading is of.
        """
        self._reading, self._decision, self._rules = reading, decision, rules
        self._plain = plain
        self._names = column_names(reading.names)
        self._folder: CopyFolder | None = None
        self._observed = None if rules is not None else self._observe()

    @property
    def _known(self) -> _Observed:
        """What is known of all rows, which are read for it if they were not yet."""
        if self._observed is None:
            # By its name, not kept open: an archive has thousands of tables.
            folder = CopyFolder()
            if self._copied(folder.file) is not None:
                self._folder = folder
            else:
                folder.remove()
        return self._observed or self._observe()

    def copy_to(self, path: Path) -> int | None:
        """See CopiesItself."""
        if self._folder is not None:
            shutil.copyfile(self._folder.file, path)
            return self._known.counts.written
        return self._copied(path) if self._observed is None else None

    def _copied(self, path: Path) -> int | None:
        """Number of rows in a typed copy; None when our own readers read the table instead."""
        if self._rules is None:
            return None
        try:
            copy = typed_copy(self._reading, self._rules, self._names, path)
            readings = texts_of(copy, self._reading)
        except MisfitError:
            path.unlink(missing_ok=True)
            self._observed = self._observe()
            return None
        counts = Counts(read=copy.rows)
        self._observed = _Observed(counts, readings, self._told(copy.types, copy.nulls, readings))
        return copy.rows

    def _observe(self) -> _Observed:
        """Reads all rows by our own readers."""
        while True:
            try:
                return self._read_through()
            except LongRecordError:
                larger = larger_block(self._reading.block_bytes)
                self._reading = replace(self._reading, block_bytes=larger)
            except NeedsCareError:
                self._reading = replace(self._reading, is_careful=True)

    def _read_through(self) -> _Observed:
        counts = Counts()
        width = self._reading.width
        types, nulls = [EMPTY] * width, [0] * width
        samples: list[pa.StringArray | None] = [None] * width
        for block in self._blocks(counts):
            for position, values in enumerate(block.columns):
                types[position] = observed_type(values, types[position])
                nulls[position] += values.null_count
                if samples[position] is None and values.null_count < len(values):
                    samples[position] = values
        readings = self._written(types, samples)
        return _Observed(counts, readings, self._told(types, nulls, readings))

    def _told(
        self,
        types: Sequence[ColumnType],
        nulls: Sequence[int],
        readings: Mapping[int, ColumnReading],
    ) -> tuple[ColumnFact, ...]:
        headers = [header or "" for header in self._reading.names]
        columns = zip(self._names, headers, types, nulls, strict=True)
        return tuple(_fact(*column, readings.get(at)) for at, column in enumerate(columns))

    def _written(
        self, types: Sequence[ColumnType], samples: Sequence[pa.StringArray | None]
    ) -> dict[int, ColumnReading]:
        """Readings of columns that are text to programs, after another look at all rows."""
        marks = {"decimal": self._reading.decimal, "thousands": self._reading.thousands}
        columns = {}
        for at, (kind, sample) in enumerate(zip(types, samples, strict=True)):
            if sample is not None and (kind.kind is Kind.STRING or self._is_asked(kind)):
                forms = forms_for(sample, **marks)
                if forms or self._is_asked(kind):
                    columns[at] = WrittenColumn(forms, self._reading.date_order)
        readings = self._read(columns)
        doubtful = self._doubtful(types, readings)
        doubts = self._read({at: WrittenColumn(list(POINT_OR_COMMA)) for at in doubtful})
        return readings | {at: found for at, found in doubts.items() if found.possible}

    def _read(self, columns: Mapping[int, WrittenColumn]) -> dict[int, ColumnReading]:
        if not columns:
            return {}
        blocks = ((block.rows, block.columns) for block in self._blocks(Counts()))
        return read_columns(blocks, columns)

    def _doubtful(
        self, types: Sequence[ColumnType], readings: Mapping[int, ColumnReading]
    ) -> list[int]:
        """Columns whose point may part thousands, as people wrote commas before decimals here."""
        has_commas = any(
            isinstance(found.form, NumberForm) and found.form.decimal == ","
            for found in readings.values()
        )
        is_human = has_commas or self._reading.form.delimiter == ";"
        if not is_human or self._reading.decimal or self._reading.thousands:
            return []
        return [at for at, kind in enumerate(types) if may_be_thousands(kind)]

    def _is_asked(self, kind: ColumnType) -> bool:
        """Whether a point that programs put before decimals was said to be something else."""
        is_other = self._reading.decimal == "," or self._reading.thousands == "."
        return is_other and kind.kind is Kind.NUMBER and (kind.scale > 0 or kind.approximate)

    @property
    def part(self) -> str:
        return self._reading.part

    @property
    def facts(self) -> tuple[ColumnFact, ...]:
        return self._known.facts

    @property
    def decision(self) -> DialectDecision:
        """How the file is read, and why."""
        return self._decision

    @property
    def receipt(self) -> Receipt:
        counts, reading = self._known.counts, self._reading
        skipped = counts.blank + counts.comments + counts.headers + reading.rows_around
        read = counts.read + reading.rows_around
        return Receipt(
            DelimitedConverter.name,
            DelimitedConverter.version,
            reading.scan.content_hash,
            rows_read=read,
            rows_written=read - skipped - counts.rejected,
            rows_rejected=counts.rejected,
            rows_skipped=skipped,
            rows_padded=counts.padded,
            rows_rescued=counts.rescued,
            options=self._options(),
        )

    def _options(self) -> dict[str, str]:
        """What was found or asked for: with these options the file is read the same again."""
        form, reading = self._reading.form, self._reading
        return {
            "encoding": reading.scan.encoding,
            "delimiter": form.delimiter,
            "quote": form.quote,
            "escape": form.escape,
            "comment": reading.comment,
            "first_row": str(reading.first_row),
            "null": ",".join(reading.null),
        }

    @property
    def warnings(self) -> tuple[ConversionWarning, ...]:
        known = self._known
        about = (
            reading_warning(fact, known.readings.get(at), known.counts)
            for at, fact in enumerate(known.facts)
        )
        return (*table_warnings(self._reading, known.counts), *filter(None, about))

    def batches(self, types: Mapping[str, ColumnType] | None = None) -> Iterator[pa.RecordBatch]:
        """See ConvertedTable."""
        facts = self._known.facts
        wanted = [(types or {}).get(fact.name, fact.type) for fact in facts]
        names = [SOURCE_ROW, *(fact.name for fact in facts), RESCUED_DATA]
        is_as_found = all(
            kind.arrow == fact.type.arrow for kind, fact in zip(wanted, facts, strict=True)
        )
        if self._folder is not None and is_as_found:
            yield from numbered_batches(self._folder.file)
            return
        for block in self._blocks(Counts()):
            values = [
                self._typed(at, *pair)
                for at, pair in enumerate(zip(block.columns, wanted, strict=True))
            ]
            yield pa.RecordBatch.from_arrays([block.rows, *values, block.rescued], names=names)

    def rejected_rows(self) -> Iterator[RejectedRow]:
        """See RejectsRows."""
        counts = Counts(rejects=[])
        for _ in chain(self._blocks(counts), (None,)):
            found, counts.rejects = counts.rejects, []
            yield from found or ()

    def _typed(self, at: int, values: pa.StringArray, wanted: ColumnType) -> pa.Array[Any]:
        reading = self._known.readings.get(at)
        is_text = wanted.kind in {Kind.STRING, Kind.EMPTY}
        if reading is not None and reading.form is not None and not is_text:
            values = reading.form.read(values)
        return typed_values(values, wanted)

    def _blocks(self, counts: Counts) -> Iterator[Block]:
        read = careful_blocks if self._reading.is_careful else fast_blocks
        for block in read(self._reading, counts):
            yield without_words(block, self._reading.null)


def _fact(
    name: str, header: str, kind: ColumnType, nulls: int, reading: ColumnReading | None
) -> ColumnFact:
    if reading is None:
        return ColumnFact(name, header, kind, nulls)
    if reading.form is None:
        return ColumnFact(name, header, STRING, nulls)
    return ColumnFact(name, header, reading.type, nulls, reading.name)
