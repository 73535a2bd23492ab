"""Bundles of files (.zip, .7z, .tar, also compressed): every file in them by its own reader (D40).

What becomes what is in docs/decisions/0040.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from kmflow_orchestration.converters import media_types
from kmflow_orchestration.converters.archives.entries import ENCRYPTED, HOW_TO_UNLOCK
from kmflow_orchestration.converters.archives.faults import faults_of_a_file
from kmflow_orchestration.converters.archives.kinds import how_sure
from kmflow_orchestration.converters.archives.limits import ArchiveLimits
from kmflow_orchestration.converters.archives.member_names import part_name
from kmflow_orchestration.converters.archives.options import MemberOptions, member_options
from kmflow_orchestration.converters.archives.tables import (
    MEMBERS,
    KeptTable,
    Member,
    MembersTable,
    MemberTable,
    located,
    skipped,
)
from kmflow_orchestration.converters.archives.walk import ArchiveWalk, Fate, Visit
from kmflow_orchestration.converters.converter_registry import ConverterRegistry
from kmflow_orchestration.converters.document_tables import BLOCKS, sound_blocks, text_tables
from kmflow_orchestration.converters.interface import (
    BlockKind,
    ConversionWarning,
    ConvertedTable,
    Converter,
    DocumentReading,
    OutputKind,
    ReadsDocuments,
    Source,
    TextBlock,
)
from kmflow_orchestration.converters.kinds import FileConverter
from kmflow_orchestration.converters.memory_table import Origin
from kmflow_orchestration.errors import CorruptInput, PasswordRequiredError, WrongPasswordError
from kmflow_orchestration.file_hash import sha256_of

_PACKED = ("gz", "bz2", "xz", "zst")


class ArchiveConverter(FileConverter):
    """Files in archives, also nested ones, each read by its own converter, and a list of them."""

    name: ClassVar[str] = "archive"
    version: ClassVar[str] = "4"
    media_types: ClassVar[tuple[str, ...]] = (
        *(media_types.ZIP, media_types.TAR, media_types.SEVEN_ZIP),
    )
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".zip", ".7z", ".tar", ".tgz", ".tbz2", ".txz", ".tzst"),
        *(f".tar.{packed}" for packed in _PACKED),
    )
    output: ClassVar[OutputKind] = OutputKind.BOTH

    def __init__(
        self,
        registry: Callable[[], ConverterRegistry],
        limits: ArchiveLimits | None = None,
    ) -> None:
        """`registry` gives the converters of the files, this one among them."""
        self._limits = limits or ArchiveLimits()
        self._registry = registry

    def options(self) -> Mapping[str, Any]:
        """See Converter: all that the readers of files know."""
        return member_options(self._readers())

    def detect(self, source: Source, head: bytes) -> float:
        """By what archives begin with; documents that are zip files are none."""
        return how_sure(source, head)

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[ConvertedTable]:
        """`members`, a row for each file, and the tables of all files that hold any.

        A file that cannot be read is in `members` with the reason, and the others are read.

        Raises:
            CorruptInput: a damaged archive of which nothing can be listed, an empty one, or one
                beyond the limits (`too_large_inside`).
            PasswordRequiredError: all that is in it is behind a password.
            MissingDependency: the reader of a file is not installed.
            ConfigurationError: an option that does not exist or cannot be what it is.
        """
        wanted = MemberOptions.parse(options, self._readers())
        gathered = _Gathered(sha256_of(source.path), self._walk(source), wanted)
        for visit in gathered.walk.visits():
            gathered.take(visit)
        gathered.check_passwords(has_one=bool(source.password))
        origin = Origin(self.name, self.version, gathered.archive_sha256)
        told = (*gathered.warnings, *wanted.unused())
        members = MembersTable(gathered.members, origin, told)
        return [members, *gathered.tables]

    def open_text(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Iterator[TextBlock]:
        """The text of every document, each below its path; what cannot be read has none."""
        wanted = MemberOptions.parse(options, self._readers())
        for visit in self._walk(source).visits():
            blocks = _text_of(visit, wanted)
            if blocks:
                yield _heading(visit)
                yield from blocks

    def read_document(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> DocumentReading:
        """See ReadsDocuments: `blocks` of all documents, and the tables in their text.

        What else a document gives, such as `documents` or `pages`, comes under its path.
        """
        wanted = MemberOptions.parse(options, self._readers())
        origin, walk = self.origin(source), self._walk(source)
        blocks: list[TextBlock] = []
        warnings: list[ConversionWarning] = []
        beside = _Gathered(origin.content_hash, walk, wanted)
        for visit in walk.visits():
            reading = _document_of(visit, wanted, warnings)
            if reading.blocks:
                blocks += [_heading(visit), *_below(visit, reading.blocks)]
            beside.take_beside(visit, reading)
        sound = sound_blocks(blocks)
        if not sound and not beside.tables:
            return DocumentReading((), (), "", tuple(warnings))
        tables = (*text_tables(sound, origin), *beside.tables)
        return DocumentReading(sound, tables, BLOCKS, tuple(warnings))

    def holds_documents(self, source: Source) -> bool:
        """See BundlesFiles; nothing is read for it."""
        visits = self._walk(source).visits()
        readers = (visit.converter for visit in visits)
        return any(reader is not None and reader.output.has_text for reader in readers)

    def _walk(self, source: Source) -> ArchiveWalk:
        found = self._registry()
        return ArchiveWalk(source.path, found, self.name, self._limits, source.password)

    def _readers(self) -> list[Converter]:
        return [one for one in self._registry() if one.name != self.name]


class _Gathered:
    """What is found while an archive is gone through."""

    def __init__(self, archive_sha256: str, walk: ArchiveWalk, options: MemberOptions) -> None:
        self.archive_sha256 = archive_sha256
        self.walk = walk
        self.options = options
        self.members: list[Member] = []
        self.tables: list[ConvertedTable] = []
        self.warnings: list[ConversionWarning] = []
        self._parts = {MEMBERS}

    def take(self, visit: Visit) -> None:
        """Read the file, if somebody can, and note what became of it."""
        tables: list[ConvertedTable] = []
        pieces = 0
        if visit.converter is not None and visit.source is not None:
            try:
                with faults_of_a_file():
                    tables = _tables_of(visit, self.options)
                    pieces = len(_read_text(visit, self.options))
            except CorruptInput as error:
                fate = Fate.REFUSED if error.reason == ENCRYPTED else Fate.FAILED
                visit = replace(visit, fate=fate, reason=error.reason, message=error.message)
                tables = []
        own = [self._named(table, visit) for table in tables]
        self.tables += own
        self.members.append(_member(visit, own, pieces))
        self.warnings += [located(one, visit.path) for one in visit.warnings]
        if visit.fate.is_loss:
            self.warnings.append(skipped(visit))

    def take_beside(self, visit: Visit, reading: DocumentReading) -> None:
        """Keep the tables of a document that its text does not give."""
        of_text = {BLOCKS, *(f"table_{number}" for number in range(1, len(reading.tables) + 1))}
        others = [table for table in reading.tables if table.part not in of_text]
        self.tables += [KeptTable(self._named(table, visit)) for table in others]

    def check_passwords(self, *, has_one: bool) -> None:
        """Raises PasswordRequiredError when nothing could be read for want of the right one."""
        reasons = {one.reason for one in self.members if one.fate != Fate.IGNORED}
        if reasons != {ENCRYPTED}:
            return
        if has_one:
            raise WrongPasswordError(
                "the password opens no file of the archive", hint="try another one"
            )
        raise PasswordRequiredError(
            "all files of the archive are behind a password", hint=HOW_TO_UNLOCK
        )

    def _named(self, table: ConvertedTable, visit: Visit) -> MemberTable:
        """An archive may hold two files of one name."""
        part, number = part_name(visit.path, table.part), 2
        while part in self._parts:
            part, number = part_name(f"{visit.path} #{number}", table.part), number + 1
        self._parts.add(part)
        return MemberTable(
            table,
            part,
            visit.path,
            visit.archive,
            visit.entry,
            self.archive_sha256,
            self.walk.folder,
        )


def _heading(visit: Visit) -> TextBlock:
    return TextBlock(BlockKind.HEADING, visit.path, visit.path, visit.path)


def _below(visit: Visit, blocks: Iterable[TextBlock]) -> list[TextBlock]:
    return [
        replace(block, location=f"{visit.path}: {block.location}".removesuffix(": "))
        for block in blocks
    ]


def _document_of(
    visit: Visit, options: MemberOptions, warnings: list[ConversionWarning]
) -> DocumentReading:
    """A document as it is outside of archives; nothing of one that cannot be read."""
    nothing = DocumentReading((), (), "")
    converter = visit.converter
    if converter is None or visit.source is None or not converter.output.has_text:
        return nothing
    if not isinstance(converter, ReadsDocuments):
        return replace(nothing, blocks=tuple(_text_of(visit, options, is_located=False)))
    try:
        with faults_of_a_file():
            if converter.output is OutputKind.BOTH:
                # What `open_tables` says failed must not be here in part.
                _tables_of(visit, options)
            found = converter.read_document(visit.source, options.known_to(converter))
    except CorruptInput as error:
        failed = replace(visit, fate=Fate.FAILED, reason=error.reason, message=error.message)
        warnings.append(skipped(failed))
        return nothing
    warnings += [located(one, visit.path) for one in found.warnings]
    return found


def _tables_of(visit: Visit, options: MemberOptions) -> list[ConvertedTable]:
    converter = visit.converter
    if converter is None or visit.source is None:
        return []
    return list(converter.open_tables(visit.source, options.known_to(converter)))


def _text_of(visit: Visit, options: MemberOptions, *, is_located: bool = True) -> list[TextBlock]:
    """The text of a file, none if its tables or the text itself cannot be read."""
    try:
        with faults_of_a_file():
            # What `open_tables` says failed must not be here in part.
            blocks = _read_text(visit, options)
            if blocks:
                _tables_of(visit, options)
    except CorruptInput:
        return []
    return _below(visit, blocks) if is_located else blocks


def _read_text(visit: Visit, options: MemberOptions) -> list[TextBlock]:
    """All of it, or an error: never the part before a damaged place."""
    converter = visit.converter
    if converter is None or visit.source is None or not converter.output.has_text:
        return []
    return list(converter.open_text(visit.source, options.known_to(converter)))


def _member(visit: Visit, tables: Sequence[MemberTable], pieces: int) -> Member:
    entry, converter = visit.entry, visit.converter
    return Member(
        visit.path,
        visit.depth,
        entry.size_bytes,
        visit.archive.sha256_of(entry),
        visit.media_type,
        f"{converter.name}:{converter.version}" if converter is not None else "",
        visit.fate.value,
        visit.reason,
        visit.message,
        len(tables),
        sum(table.receipt.rows_written for table in tables),
        pieces,
    )
