"""The files of an archive and of those nested in it, one after the other, with who reads each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from kmflow_orchestration.converters.archives.entries import Entry
from kmflow_orchestration.converters.archives.faults import faults_of_a_file
from kmflow_orchestration.converters.archives.kinds import kind_of
from kmflow_orchestration.converters.archives.limits import ArchiveLimits, Budget
from kmflow_orchestration.converters.archives.member_names import INSIDE, is_housekeeping
from kmflow_orchestration.converters.archives.open_archive import OpenArchive
from kmflow_orchestration.converters.content_look import HEAD_BYTES
from kmflow_orchestration.converters.converter_registry import ConverterRegistry
from kmflow_orchestration.converters.detection import detect
from kmflow_orchestration.converters.interface import ConversionWarning, Converter, Source
from kmflow_orchestration.converters.media_types import media_type_of_content
from kmflow_orchestration.converters.private_folder import PrivateFolder
from kmflow_orchestration.errors import CorruptInput

TOO_DEEP = "too_deep"


class Fate(StrEnum):
    """What becomes of a file of an archive."""

    CONVERTED = "converted"
    OPENED = "opened"
    """An archive: its own files follow."""
    COMPANION = "companion"
    """Read together with another file: the memos of a table."""
    IGNORED = "ignored"
    """A system's own note on a folder."""
    NO_CONVERTER = "no_converter"
    FAILED = "failed"
    REFUSED = "refused"

    @property
    def is_loss(self) -> bool:
        """Whether content of the archive is not in the result."""
        return self in (Fate.NO_CONVERTER, Fate.FAILED, Fate.REFUSED)


@dataclass(frozen=True, slots=True)
class Visit:
    """One file; with a converter it lies at `source` until the next one is asked for."""

    path: str
    depth: int
    archive: OpenArchive
    entry: Entry
    fate: Fate
    reason: str = ""
    message: str = ""
    media_type: str = ""
    converter: Converter | None = None
    source: Source | None = None
    warnings: tuple[ConversionWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchiveWalk:
    """Goes through one archive. `folder` goes with this object, so it must outlive what it gave."""

    source: Path
    registry: ConverterRegistry
    archive_reader: str
    limits: ArchiveLimits
    password: str = field(default="", repr=False)
    folder: PrivateFolder = field(default_factory=partial(PrivateFolder, "archive"))

    def visits(self) -> Iterator[Visit]:
        """Files by name, those of a nested archive behind it.

        Raises:
            CorruptInput: the archive cannot be listed, holds nothing, or too many files.
        """
        budget = Budget(self.limits, self.source.stat().st_size)
        kind = kind_of(self.source, self.password)
        place = self.folder.path / "files"
        archive = OpenArchive(kind, self.source, place, budget, self.password)
        if not archive.entries:
            raise CorruptInput("there is no file in the archive", reason="empty")
        yield from self._of(archive, "", 1, budget)
        archive.close()

    def _of(self, archive: OpenArchive, above: str, depth: int, budget: Budget) -> Iterator[Visit]:
        for entry in archive.entries:
            path = f"{above}{entry.name}"
            if is_housekeeping(entry.name):
                yield Visit(path, depth, archive, entry, Fate.IGNORED)
            elif entry.problem:
                fate = Fate.REFUSED
                yield Visit(path, depth, archive, entry, fate, entry.problem, entry.told)
            elif entry.number in archive.companions:
                yield Visit(path, depth, archive, entry, Fate.COMPANION)
            else:
                yield from self._of_file(archive, entry, path, depth, budget)
        if archive.damage:
            # No entry stands for what cannot be listed.
            missing = Entry(-1, "", 0, 0, None)
            path, fate = above.removesuffix(INSIDE), Fate.FAILED
            yield Visit(path, depth, archive, missing, fate, "corrupt", archive.damage)

    def _of_file(
        self, archive: OpenArchive, entry: Entry, path: str, depth: int, budget: Budget
    ) -> Iterator[Visit]:
        nested = None
        try:
            with archive.on_disk(entry) as place:
                visit = self._looked_at(archive, entry, path, depth, place)
                if visit.fate is not Fate.OPENED:
                    yield visit
                    return
                with faults_of_a_file():
                    kind = kind_of(place, self.password)
                    nested = archive.nested(kind, entry, budget)
        except CorruptInput as error:
            fate, reason = Fate.FAILED, error.reason
            yield Visit(path, depth, archive, entry, fate, reason, error.message)
            return
        yield visit
        yield from self._of(nested, f"{path}{INSIDE}", depth + 1, budget)

    def _looked_at(
        self, archive: OpenArchive, entry: Entry, path: str, depth: int, place: Path
    ) -> Visit:
        if not entry.size_bytes:
            raise CorruptInput("it is empty", reason="empty")
        source = Source(place, entry.file_name)
        with faults_of_a_file():
            found = detect(source, self.registry)
        visit = Visit(path, depth, archive, entry, Fate.OPENED, media_type=_media_type(place))
        if found.converter is None:
            text = "no converter reads it"
            fate = Fate.NO_CONVERTER
            return replace(visit, fate=fate, reason=fate.value, message=text)
        if found.converter.name != self.archive_reader:
            read_by = replace(visit, fate=Fate.CONVERTED, converter=found.converter, source=source)
            return replace(read_by, warnings=found.warnings)
        if depth >= self.limits.max_depth:
            text = f"archives are opened {self.limits.max_depth} deep, and this one lies deeper"
            return replace(visit, fate=Fate.REFUSED, reason=TOO_DEEP, message=text)
        return visit


def _media_type(path: Path) -> str:
    with path.open("rb") as stream:

        def read_at(length: int, offset: int) -> bytes:
            stream.seek(offset)
            return stream.read(length)

        head = stream.read(HEAD_BYTES)
        return media_type_of_content(head, path.stat().st_size, read_at)
