"""A local file opened by the converter it belongs to; what is wrong with it comes out typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.content_look import HEAD_BYTES, Container, container_of
from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.failures import DISK_FAULTS, FAILED
from kmflow_orchestration.converters.interface import (
    ConversionWarning,
    ConvertedTable,
    Converter,
    OutputKind,
    ReadsDocuments,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.joined_tables import join_equal
from kmflow_orchestration.converters.reading_steps import HearStep, TellsSteps
from kmflow_orchestration.converters.receipt_words import BESIDE
from kmflow_orchestration.converters.registry import ConverterRegistry
from kmflow_orchestration.errors import (
    ConfigurationError,
    CorruptInput,
    DataLossError,
    InvalidOptions,
    KmflowError,
    MissingDependency,
    OutOfMemoryError,
    PasswordRequiredError,
    UnsupportedFormatError,
)
from kmflow_orchestration.extras import missing
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.operations.convert.layout import WORKBOOKS
from kmflow_orchestration.operations.convert.options import ConversionOptions, reader_options
from kmflow_orchestration.operations.convert.output_tables import Reject, Rows
from kmflow_orchestration.operations.convert.unlocked_table import UnlockedTable

_ENCRYPTED = "encrypted"
_HOW_TO_UNLOCK = "--password-env names the variable that holds it; or save the file without one"
_OLE = b"\xd0\xcf\x11\xe0"
_LEGACY = {
    Container.DOC: ("a Word document", "docx"),
    Container.PPT: ("a PowerPoint presentation", "pptx"),
}


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source read to its end once: its tables, and the blocks of its text.

    `main` names the table that holds the text of a document; '' for other sources.
    """

    source: Source
    converter: Converter
    tables: tuple[ConvertedTable, ...]
    blocks: tuple[TextBlock, ...] | None
    left_out: tuple[str, ...]
    warnings: tuple[ConversionWarning, ...]
    sha256: str
    state: tuple[int, int]
    main: str = ""

    def only(self, part: str) -> OpenSource:
        """With one table; the others count as not asked for."""
        others = tuple(table.part for table in self.tables if table.part != part)
        kept = tuple(table for table in self.tables if table.part == part)
        return replace(self, tables=kept, left_out=(*self.left_out, *others))

    @property
    def size_bytes(self) -> int:
        return self.state[0]

    def check_unchanged(self) -> None:
        """Raises DataLossError when the file is not any more what was opened."""
        if _state(self.source.path) != self.state:
            raise DataLossError(
                f"{self.source.file_name} changed while it was read", hint="convert it again"
            )


def checked_source(path: Path) -> Source:
    """The file as a source. Raises InvalidOptions when there is none, or its name is no text."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        hint = "rename it: results and their manifests name their source"
        raise InvalidOptions(f"the name of {shown} is not UTF-8", hint=hint) from error
    if path.is_dir():
        raise InvalidOptions(f"{path} is a folder", hint="kmflow batch-convert takes folders")
    if not path.exists():
        raise InvalidOptions(f"there is no file {path}")
    return Source(path, path.name)


def find_converter(
    source: Source, registry: ConverterRegistry
) -> tuple[Converter, tuple[ConversionWarning, ...]]:
    """Who reads this file, by its content.

    Raises:
        UnsupportedFormatError: nobody does.
        MissingDependency: it is of a kind that another program must turn into one of ours first.
        CorruptInput: the content is not what its name says, nor anything else that is known.
    """
    with naming_faults(source):
        if not source.path.stat().st_size:
            raise CorruptInput(f"{source.file_name} is empty", reason="empty")
        _check_not_legacy(source)
        found = detect(source, registry)
    if found.converter is None:
        raise UnsupportedFormatError(
            f"no converter reads {source.file_name}", hint="`kmflow formats` lists what is read"
        )
    return found.converter, found.warnings


def _check_not_legacy(source: Source) -> None:
    """By content: a `.docx` of that name alone is none."""
    with source.path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    found = container_of(source.path, head) if head.startswith(_OLE) else None
    if found in _LEGACY:
        kind, modern = _LEGACY[found]
        raise MissingDependency(
            f"{source.file_name} is {kind} of before 2007, which nothing here reads",
            hint="LibreOffice turns it into one that is read: "
            f"soffice --headless --convert-to {modern} '{source.file_name}'",
        )


def open_source(
    source: Source,
    converter: Converter,
    options: ConversionOptions,
    warnings: Sequence[ConversionWarning] = (),
    *,
    content: Source | None = None,
    hear: HearStep | None = None,
) -> OpenSource:
    """Read the source once, to its end: types, counts and hash are known after.

    `content` is its plain copy if it is locked; `hear` hears the steps of a database.

    Raises:
        InvalidOptions: an option that the converter does not know, or a part that is not there.
        CorruptInput: content that the reader refuses.
    """
    given = reader_options(options, converter.options(), converter.name)
    _check_sheets(options, converter)
    before = _state(source.path)
    tables: tuple[ConvertedTable, ...] = ()
    blocks: tuple[TextBlock, ...] | None = None
    main, told = "", tuple(warnings)
    with naming_faults(source):
        with _naming_options(given):
            if converter.output is not OutputKind.TEXT:
                tables = tuple(_tables(converter, content or source, given or None, hear))
            if isinstance(converter, ReadsDocuments):
                reading = converter.read_document(content or source, given or None)
                blocks, main, told = reading.blocks, reading.main, (*told, *reading.warnings)
                tables = (*reading.tables, *tables)
            elif converter.output is not OutputKind.TABLES:
                blocks = tuple(converter.open_text(content or source, given or None))
            if converter.output is OutputKind.BOTH and tables and not blocks:
                # A bundle of tables holds no document at all, rather than one without text.
                blocks = None
        is_own = tables and content in (None, source)
        sha256 = tables[0].receipt.content_hash if is_own else sha256_of(source.path)
    if content not in (None, source):
        tables = tuple(UnlockedTable(table, sha256) for table in tables)
    chosen = _chosen(tables, options, converter)
    opened = OpenSource(
        source,
        converter,
        tuple(join_equal(chosen)) if options.combine else chosen,
        blocks,
        tuple(table.part for table in tables if table not in chosen),
        told,
        sha256,
        before,
        main,
    )
    opened.check_unchanged()
    return opened


def _tables(
    converter: Converter,
    source: Source,
    given: Mapping[str, Any] | None,
    hear: HearStep | None,
) -> Sequence[ConvertedTable]:
    if hear is not None and isinstance(converter, TellsSteps):
        return converter.open_telling(source, given, hear)
    return converter.open_tables(source, given)


def _check_sheets(options: ConversionOptions, converter: Converter) -> None:
    if converter.name in WORKBOOKS:
        return
    for name in ("combine", "separate"):
        if getattr(options, name):
            raise InvalidOptions(
                f"--{name} means nothing to the {converter.name} converter",
                hint="leave it out; it is for workbooks",
            )


@contextmanager
def _naming_options(given: Mapping[str, Any]) -> Iterator[None]:
    """A converter refuses an option's value as it refuses any setting: here it was a flag."""
    try:
        yield
    except MissingDependency:
        raise
    except ConfigurationError as error:
        if not given:
            raise
        raise InvalidOptions(error.message, hint=error.hint) from error


def _chosen(
    tables: tuple[ConvertedTable, ...], options: ConversionOptions, converter: Converter
) -> tuple[ConvertedTable, ...]:
    wanted = (*options.tables, *options.sheet)
    if not wanted:
        return tables
    if not any(table.part for table in tables):
        flag = "--sheet" if options.sheet else "--tables"
        raise InvalidOptions(f"{flag} means nothing to the {converter.name} converter: one table")
    patterns = [(pattern, False) for pattern in options.tables]
    patterns += [(pattern, True) for pattern in options.sheet]
    for pattern in patterns:
        if not any(_is_wanted(at, table, pattern) for at, table in enumerate(tables, start=1)):
            parts = ", ".join(table.part for table in tables)
            raise InvalidOptions(f"nothing is named {pattern[0]}", hint=f"there are {parts}")
    return tuple(
        table
        for at, table in enumerate(tables, start=1)
        if BESIDE in table.receipt.options
        or any(_is_wanted(at, table, pattern) for pattern in patterns)
    )


def _is_wanted(position: int, table: ConvertedTable, wanted: tuple[str, bool]) -> bool:
    """By its part's name or its sheet's, or, of a sheet, by its number in the workbook."""
    pattern, may_be_number = wanted
    told = table.receipt.options
    if may_be_number and told.get("sheet_number", str(position)) == pattern:
        return True
    return any(_fits(name, pattern) for name in {table.part, told.get("sheet", table.part)})


def _fits(part: str, pattern: str) -> bool:
    # A sheet may be named like a pattern: its very name counts first.
    return part == pattern or fnmatchcase(part.casefold(), pattern.casefold())


@contextmanager
def naming_faults(source: Source) -> Iterator[None]:
    """Whatever a reader raises on bad content comes out as an error of ours.

    Raises:
        OSError: the disk is full, or the file may not be read: not the content's fault.
        MissingDependency: the reader is not installed.
        OutOfMemoryError: nor is there memory enough.
    """
    try:
        yield
    except CorruptInput as error:
        if error.reason == _ENCRYPTED and not isinstance(error, PasswordRequiredError):
            raise PasswordRequiredError(error.message, hint=_HOW_TO_UNLOCK) from error
        raise
    except (KmflowError, FileNotFoundError):
        raise
    except ModuleNotFoundError as error:
        raise missing(error) from error
    except ImportError as error:
        raise OutOfMemoryError(
            f"{source.file_name}: {error.name or 'a package'} cannot be loaded",
            hint="give the conversion more memory, or install the package anew",
        ) from error
    except MemoryError as error:
        raise OutOfMemoryError(f"{source.file_name} needs more memory than there is") from error
    except OSError as error:
        if error.errno in DISK_FAULTS:
            raise
        raise _failed(source, error) from error
    # A reader may fail in any way on hostile bytes.
    except Exception as error:
        raise _failed(source, error) from error


def _failed(source: Source, error: Exception) -> CorruptInput:
    text = f"{source.file_name} cannot be read: {type(error).__name__}: {error}"
    return CorruptInput(text, reason=FAILED, hint="-v shows where the reader failed")


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class GuardedRows:
    """Rows of a source whose reader may still fail while they come."""

    source: Source
    rows: Rows

    @property
    def schema(self) -> Any:
        return self.rows.schema

    def batches(self, reject: Reject | None = None) -> Iterator[tuple[Any, Any]]:
        """See Rows; raises as `naming_faults` does."""
        with naming_faults(self.source):
            yield from self.rows.batches(reject)
