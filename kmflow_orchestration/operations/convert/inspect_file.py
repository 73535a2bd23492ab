"""What a file is and holds, found out by reading it as a conversion would (row D14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.converters.archives.tables import (
    MEMBER_SKIPPED,
    Member,
    MembersTable,
)
from kmflow_orchestration.converters.archives.walk import Fate
from kmflow_orchestration.converters.content_look import HEAD_BYTES
from kmflow_orchestration.converters.interface import ConversionWarning, DescribesDocuments, Source
from kmflow_orchestration.converters.plain_text import PlainTextConverter
from kmflow_orchestration.converters.receipt_words import ABOUT_MEMBERS
from kmflow_orchestration.converters.registry import ConverterRegistry, default_converters
from kmflow_orchestration.converters.text_encoding import DAMAGED_UTF8, scan_text
from kmflow_orchestration.errors import CorruptInput, DataLossError, KmflowError
from kmflow_orchestration.operations.convert.manifest import Manifest
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.output_tables import output_table
from kmflow_orchestration.operations.convert.source_reading import (
    GuardedRows,
    OpenSource,
    checked_source,
    find_converter,
    naming_faults,
    open_source,
)
from kmflow_orchestration.operations.convert.unlocking import unlocked
from kmflow_orchestration.operations.convert.validity import Validity

MISMATCH = "type_mismatch"
_LOOKED_AT_ROWS = 1000


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table: `rows` is exact; `read_as` tells how it was read, such as its delimiter."""

    part: str
    rows: int
    columns: tuple[Mapping[str, Any], ...]
    read_as: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """All that is known of a file; `pieces` counts a document's text by kind.

    `members` are the files of an archive and of those nested in it, whatever becomes of them.
    """

    file: str
    size_bytes: int
    sha256: str
    converter: str
    converter_version: str
    tables: tuple[TableFacts, ...]
    pieces: Mapping[str, int]
    properties: Mapping[str, str]
    warnings: tuple[ConversionWarning, ...]
    why: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect_file(
    path: Path,
    *,
    explain: bool = False,
    registry: ConverterRegistry | None = None,
    password: Secret | None = None,
) -> FileFacts:
    """Read a file to its end. With `explain` it is said how the reader was found, and how sure.

    Raises:
        DatabricksConversionError: as a conversion would.
    """
    known = registry or default_converters()
    source = checked_source(path)
    with unlocked(source, password) as content:
        converter, warnings = find_converter(content, known)
        opened = open_source(source, converter, ConversionOptions(), warnings, content=content)
        kinds = Counter(block.kind.value for block in opened.blocks or ())
        return FileFacts(
            str(path),
            opened.size_bytes,
            opened.sha256,
            converter.name,
            converter.version,
            tuple(_tables(opened)),
            dict(sorted(kinds.items())),
            _properties(content, opened),
            tuple(dict.fromkeys(_warnings(opened))),
            tuple(_reasons(content, opened, known)) if explain else (),
            tuple(_members(opened)),
        )


def _members(opened: OpenSource) -> Iterator[Member]:
    for table in opened.tables:
        if isinstance(table, MembersTable):
            yield from table.members


def _tables(opened: OpenSource) -> Iterator[TableFacts]:
    for table in opened.tables:
        if isinstance(table, MembersTable):
            continue
        schema = output_table(table, ConversionOptions()).schema
        columns = [
            {
                "name": column.name,
                "type": str(column.type),
                "nulls": fact.null_count,
                "source_name": fact.source_name,
                **dict(fact.notes),
            }
            for column, fact in zip(schema, table.facts, strict=False)
        ]
        receipt = table.receipt
        read_as = {
            name: value for name, value in receipt.options.items() if name not in ABOUT_MEMBERS
        }
        yield TableFacts(table.part, receipt.rows_written, tuple(columns), read_as)


def _warnings(opened: OpenSource) -> Iterator[ConversionWarning]:
    yield from opened.warnings
    for table in opened.tables:
        yield from table.warnings


def _properties(source: Source, opened: OpenSource) -> Mapping[str, str]:
    """What a document says of itself, where its converter can tell."""
    if not isinstance(opened.converter, DescribesDocuments):
        return {}
    with naming_faults(source):
        return dict(opened.converter.properties(source))


def _reasons(source: Source, opened: OpenSource, registry: ConverterRegistry) -> Iterator[str]:
    with source.path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    chosen = opened.converter.name
    sure = {one.name: one.detect(source, head) for one in registry}
    yield f"content: {chosen} is {sure[chosen]:.0%} sure that it is its own"
    for name, share in sorted(sure.items(), key=lambda pair: -pair[1]):
        if share and name != chosen:
            yield f"content: {name} would be {share:.0%} sure"
    by_suffix = registry.for_source(source)
    if by_suffix is None:
        yield f"name: no converter claims {source.suffix or 'a name without a suffix'}"
    else:
        agrees = "agrees" if by_suffix.name == chosen else "does not agree"
        yield f"name: {source.suffix} belongs to {by_suffix.name}, which {agrees}"
    decide = getattr(opened.converter, "decide", None)
    if decide is not None:
        with naming_faults(source):
            decision = decide(source)
        yield f"reading: {decision.certainty} ({decision.confidence:.0%})"
        yield from (f"reading: {reason}" for reason in decision.reasons)
    for table in opened.tables:
        where = f"{table.part}: " if table.part else ""
        for name, value in table.receipt.options.items():
            yield f"{where}read with {name} {value!r}"
        for warning in table.warnings:
            yield f"{where}{warning.message}"


def validate_file(
    path: Path,
    *,
    deep: bool = False,
    check_encoding: bool = False,
    registry: ConverterRegistry | None = None,
    password: Secret | None = None,
) -> Validity:
    """Whether the file's own reader takes it: its structure and 1000 rows, or with `deep` all.

    A name that promises another format than the content is, is a fault, too, and with
    `check_encoding` a text whose bytes are in no single encoding from end to end. Raises OSError.
    """
    encoding = ""
    try:
        source = checked_source(path)
        with unlocked(source, password) as content:
            converter, warnings = find_converter(content, registry or default_converters())
            mismatch = next((one for one in warnings if one.code == MISMATCH), None)
            if mismatch is not None:
                raise CorruptInput(mismatch.message, reason=MISMATCH, hint="rename the file")
            opened = open_source(source, converter, ConversionOptions(), warnings, content=content)
            _check_members(opened)
            _check_losses(opened)
            if check_encoding:
                encoding = _checked_encoding(content, opened)
            rows = _read(opened, deep=deep)
    except KmflowError as error:
        return Validity(str(path), False, code=error.code, message=error.message, hint=error.hint)
    return Validity(str(path), True, converter.name, rows, encoding=encoding)


def _checked_encoding(content: Source, opened: OpenSource) -> str:
    """The encoding of a text, '' for what is none or says its own. Raises CorruptInput for two."""
    told = {table.receipt.options.get("encoding", "") for table in opened.tables} - {""}
    if not told and opened.converter.name == PlainTextConverter.name:
        told = {scan_text(content.path).encoding}
    if DAMAGED_UTF8 in told:
        raise CorruptInput(
            f"{opened.source.file_name} is not in one encoding: it is {DAMAGED_UTF8}",
            reason="encoding",
            hint="`kmflow info --explain` says where; --encoding reads it in the one you name",
        )
    return ", ".join(sorted(told))


def _check_members(opened: OpenSource) -> None:
    """Raises CorruptInput when a file of an archive is not sound."""
    bad = [one for one in _members(opened) if one.fate in (Fate.FAILED, Fate.REFUSED)]
    if bad:
        first = f"{bad[0].path or 'the archive itself'}: {bad[0].message}"
        raise CorruptInput(f"{len(bad)} files in it are not sound, first {first}")


def _check_losses(opened: OpenSource) -> None:
    """Raises CorruptInput when a document, a page or an end of it could not be read."""
    for one in _warnings(opened):
        # A file of an archive that nobody reads may be sound.
        if Manifest.tells_of_loss(one) and one.code != MEMBER_SKIPPED:
            raise CorruptInput(f"{one.location or opened.source.file_name}: {one.message}")


def _read(opened: OpenSource, *, deep: bool) -> int:
    """Rows the tables hold, read to the end or to the first thousand."""
    total = 0
    for table in opened.tables:
        seen = 0
        rows = GuardedRows(opened.source, output_table(table, ConversionOptions()))
        for _, batch in rows.batches():
            seen += batch.num_rows
            if not deep and seen >= _LOOKED_AT_ROWS:
                break
        receipt = table.receipt
        if not receipt.adds_up or (deep and seen != receipt.rows_written):
            raise DataLossError(f"{receipt.rows_read} rows were counted and {seen} came")
        total += receipt.rows_written
    return total
