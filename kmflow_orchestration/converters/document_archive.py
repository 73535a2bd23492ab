"""Documents that are zip archives: their parts, read one at a time and never beyond measure."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.content_look import ZIP_DAMAGE
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.safe_xml import children, parse_xml
from kmflow_orchestration.converters.workbook_archive import check_archive
from kmflow_orchestration.errors import CorruptInput

# A document's text is small; what is larger lies in pictures, which are not read.
MAX_PART_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Relation:
    """One part refers to another; `kind` is the last word of its type, such as `slide`."""

    id: str
    kind: str
    target: str


class DocumentArchive:
    """An open archive. Every method raises CorruptInput for damaged or too large parts."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = frozenset(archive.namelist())

    def read(self, name: str) -> bytes:
        try:
            size = self._archive.getinfo(name).file_size
            if size > MAX_PART_BYTES:
                raise CorruptInput(f"{name} unpacks to {size} bytes", reason=TOO_LARGE)
            return self._archive.read(name)
        except KeyError as error:
            raise CorruptInput(f"{name} is missing") from error
        except ZIP_DAMAGE as error:
            raise CorruptInput(f"{name} is damaged: {error}") from error

    def xml(self, name: str) -> Any:
        """Root element of a part."""
        return parse_xml(self.read(name), name)

    def chunks(self, name: str, size_bytes: int) -> Iterator[bytes]:
        """A part of any size, so much at a time."""
        try:
            with self._archive.open(name) as stream:
                while chunk := stream.read(size_bytes):
                    yield chunk
        except KeyError as error:
            raise CorruptInput(f"{name} is missing") from error
        except ZIP_DAMAGE as error:
            raise CorruptInput(f"{name} is damaged: {error}") from error

    def outside(self, part: str) -> dict[str, str]:
        """By id, what lies outside and a part refers to, such as the target of a link."""
        return {
            one.get("Id", ""): one.get("Target", "")
            for one in self._listed(part)
            if one.get("TargetMode") == "External"
        }

    def relations(self, part: str) -> tuple[Relation, ...]:
        """The parts that one part refers to ('' for the package); never what lies outside."""
        folder = posixpath.dirname(part)
        return tuple(
            Relation(
                one.get("Id", ""),
                one.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, one.get("Target", "")))[1:],
            )
            for one in self._listed(part)
            if one.get("TargetMode") != "External"
        )

    def _listed(self, part: str) -> Iterator[Any]:
        folder, name = posixpath.split(part)
        listing = posixpath.join(folder, "_rels", f"{name}.rels")
        if listing in self.names:
            yield from children(self.xml(listing), "Relationship")

    def related(self, part: str, kind: str) -> list[str]:
        """Names of the existing parts of one kind that a part refers to."""
        found = self.relations(part)
        return [one.target for one in found if one.kind == kind and one.target in self.names]


@contextmanager
def open_archive(path: Path) -> Iterator[DocumentArchive]:
    """An archive within the limits of row D22.

    Raises:
        CorruptInput: a damaged archive, or one over the limits (`too_large_inside`).
    """
    check_archive(path)
    try:
        archive = zipfile.ZipFile(path)
    except ZIP_DAMAGE as error:
        raise CorruptInput(f"the archive is damaged: {error}") from error
    with archive:
        yield DocumentArchive(archive)
