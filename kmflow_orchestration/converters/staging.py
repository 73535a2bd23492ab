"""One file converted into typed Parquet files beside it: what a worker process runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.failures import DISK_FAULTS, FAILED
from kmflow_orchestration.converters.interface import (
    ColumnFact,
    ConversionWarning,
    ConvertedTable,
    Converter,
    CopiesItself,
    OutputKind,
    Receipt,
    SharesTables,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.progress_note import ProgressNote
from kmflow_orchestration.converters.reading_steps import HearStep, ReadingStep, TellsSteps
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.converters.type_lattice import ColumnType
from kmflow_orchestration.converters.unlocked_source import unlocked_source
from kmflow_orchestration.errors import CorruptInput, CredentialError
from kmflow_orchestration.extras import missing
from kmflow_orchestration.file_hash import sha256_of

# As of a file whose password nobody gave.
_LOCKED = "encrypted"

Types = Mapping[str, Mapping[str, ColumnType]]
"""By part, by column: types a staging file must have, wider than its own facts ask for."""


class ReadsOtherwise(Protocol):
    """What somebody said about how a file is to be read; goes to another process."""

    def known_to(
        self, converter: str, known: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """Options for a converter that knows these, and what they are called by who said it.

        Raises:
            InvalidOptions: two that exclude each other.
        """
        ...

    def password(self) -> str | None:
        """The password of the file, looked up now. Raises CredentialError if it is not there."""
        ...


class Outcome(StrEnum):
    """What became of one item."""

    CONVERTED = "converted"
    NO_CONVERTER = "no_converter"
    QUARANTINED = "quarantined"
    IGNORED = "ignored"
    """Somebody said that it is for no table: it was not looked into."""
    UNREACHABLE = "unreachable"
    """Its bytes cannot be had now: nothing was said about them."""


@dataclass(frozen=True, slots=True)
class StagingTask:
    """A local file, whose it is, and the folder its Parquet files go into.

    `note` is where it notes how far it is, None to note nothing.
    """

    item_id: str
    source: Source
    folder: Path
    types: Types = field(default_factory=dict)
    reading: ReadsOtherwise | None = None
    note: ProgressNote | None = None

    def hear(self, step: ReadingStep, done: int, total: int, what: str) -> None:
        """See HearStep."""
        if self.note is not None:
            self.note.write(step, done, total, what)


@dataclass(frozen=True, slots=True)
class StagedTable:
    """One converted table in a Parquet file; `staged_files.numbered_batches` reads it.

    `is_shared`: files of any name have rows in the dataset it belongs to; see SharesTables.
    """

    part: str
    path: Path
    facts: tuple[ColumnFact, ...]
    types: Mapping[str, ColumnType]
    receipt: Receipt
    warnings: tuple[ConversionWarning, ...]
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class ConvertedItem:
    """What became of an item; `code` and `message` say why it was not converted.

    `converter_version` is the converter's name and version, '' without one; `told` are the names
    of options that somebody said and that meant something to it. `seconds` is how long that took.
    """

    item_id: str
    outcome: Outcome
    tables: tuple[StagedTable, ...] = ()
    output: OutputKind | None = None
    converter_version: str = ""
    warnings: tuple[ConversionWarning, ...] = ()
    code: str = ""
    message: str = ""
    told: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)


def stage_item(task: StagingTask) -> ConvertedItem:
    """Convert one file. Whatever is wrong with the file is its outcome, never an exception.

    Raises:
        OSError: the disk is full, broken or not to be written, or too many files are open: not the
            file's fault.
        MissingDependency: nor is a reader that is not installed.
    """
    begun = time.monotonic()
    try:
        return replace(_staged(task), seconds=time.monotonic() - begun)
    except CorruptInput as error:
        return quarantined(task.item_id, error.reason, str(error))
    except CredentialError as error:
        return quarantined(task.item_id, _LOCKED, str(error))
    except ModuleNotFoundError as error:
        raise missing(error) from error
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise
        return quarantined(task.item_id, FAILED, f"{type(error).__name__}: {error}")
    # A reader may fail in any way on hostile bytes, and the other files must go on.
    except Exception as error:  # noqa: BLE001
        return quarantined(task.item_id, FAILED, f"{type(error).__name__}: {error}")


def quarantined(item_id: str, code: str, message: str) -> ConvertedItem:
    """An item whose content cannot be converted."""
    return ConvertedItem(item_id, Outcome.QUARANTINED, code=code, message=message)


def _staged(task: StagingTask) -> ConvertedItem:
    password = None if task.reading is None else task.reading.password()
    with unlocked_source(task.source, password) as content:
        return _read(task, content)


def _read(task: StagingTask, content: Source) -> ConvertedItem:
    """`content` is the task's source, or its plain copy if it is locked."""
    registry = default_converters()
    found = detect(content, registry)
    if found.converter is None:
        return ConvertedItem(task.item_id, Outcome.NO_CONVERTER, warnings=found.warnings)
    converter = found.converter
    options: Mapping[str, Any] = {}
    told: tuple[str, ...] = ()
    if task.reading is not None:
        options, told = task.reading.known_to(converter.name, converter.options())
    tables = tuple(
        _staged_table(table, task, position, registry)
        for position, table in enumerate(_opened(converter, content, options or None, task.hear))
    )
    if tables and content.path != task.source.path:
        # Receipts speak of what is stored.
        own = sha256_of(task.source.path)
        tables = tuple(
            replace(table, receipt=replace(table.receipt, content_hash=own)) for table in tables
        )
    warnings = found.warnings
    if converter.output.has_text:
        # Read to its end here, where a reader that fails takes nothing with it: what cannot be
        # read is quarantined before its text is published.
        warnings += _flagged(converter.open_text(content))
    return ConvertedItem(
        task.item_id,
        Outcome.CONVERTED,
        tables,
        converter.output,
        f"{converter.name}:{converter.version}",
        warnings,
        told=told,
    )


def _opened(
    converter: Converter, content: Source, options: Mapping[str, Any] | None, hear: HearStep
) -> Sequence[ConvertedTable]:
    if isinstance(converter, TellsSteps):
        return converter.open_telling(content, options, hear)
    return converter.open_tables(content, options)


def _flagged(blocks: Iterable[TextBlock]) -> tuple[ConversionWarning, ...]:
    """A warning for each flag of a text, with the first place that has it."""
    counts: Counter[str] = Counter()
    places: dict[str, str] = {}
    for block in blocks:
        for flag in block.flags:
            counts[flag] += 1
            places.setdefault(flag, block.location)
    return tuple(
        ConversionWarning(flag, f"{flag.replace('_', ' ')}: {count} pieces of text", places[flag])
        for flag, count in counts.items()
    )


def _staged_table(
    table: ConvertedTable, task: StagingTask, position: int, registry: ConverterRegistry
) -> StagedTable:
    wanted = task.types.get(table.part, {})
    path = task.folder / f"{position}.parquet"
    # Before its facts are asked for: then it would be read for them alone.
    copied = None if wanted or not isinstance(table, CopiesItself) else table.copy_to(path)
    types = {fact.name: wanted.get(fact.name, fact.type) for fact in table.facts}
    written = _write(table, types, path, task.hear) if copied is None else copied
    receipt = table.receipt
    if not receipt.adds_up or written != receipt.rows_written:
        raise CorruptInput(
            f"{receipt.rows_read} rows were read and {written} written", reason="rows_lost"
        )
    # Of a table in an archive that is the reader of the file there.
    is_shared = isinstance(registry.named(receipt.converter), SharesTables)
    return StagedTable(table.part, path, table.facts, types, receipt, table.warnings, is_shared)


def _write(
    table: ConvertedTable, types: Mapping[str, ColumnType], path: Path, hear: HearStep
) -> int:
    fields = [(name, kind.arrow) for name, kind in types.items()]
    schema = pa.schema([("_source_row", pa.int64()), *fields, ("_rescued_data", pa.string())])
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for batch in table.batches(types):
            writer.write_batch(batch)
            rows += batch.num_rows
            hear(ReadingStep.EXTRACTION, rows, table.receipt.rows_written, table.part)
    return rows
