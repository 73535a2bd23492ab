"""Documents that are zip archives: their parts, read one at a time and never beyond measure."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kmflow_orchestration.converters.safe_xml import children, parse_xml
from kmflow_orchestration.converters.workbook_archive import check_archive
from kmflow_orchestration.errors import CorruptInput

# A document's text is small; what is larger lies in pictures, which are not read.
MAX_PART_BYTES = 256 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


class DocumentArchive:
    """An open archive. Every method raises CorruptInput for damaged or too large parts."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = frozenset(archive.namelist())

    def read(self, name: str) -> bytes:
        try:
            size = self._archive.getinfo(name).file_size
            if size > MAX_PART_BYTES:
                raise CorruptInput(f"{name} unpacks to {size} bytes", reason="too_large_inside")
            return self._archive.read(name)
        except KeyError as error:
            raise CorruptInput(f"{name} is missing") from error
        except _DAMAGE as error:
            raise CorruptInput(f"{name} is damaged: {error}") from error

    def xml(self, name: str) -> Any:
        """Root element of a part."""
        return parse_xml(self.read(name), name)

    def relations(self, part: str) -> dict[str, str]:
        """Names of the parts that one part refers to, by relation id; never what lies outside."""
        folder, name = posixpath.split(part)
        listing = posixpath.join(folder, "_rels", f"{name}.rels")
        if listing not in self.names:
            return {}
        return {
            one.get("Id", ""): posixpath.normpath(
                posixpath.join("/", folder, one.get("Target", ""))
            )[1:]
            for one in children(self.xml(listing), "Relationship")
            if one.get("TargetMode") != "External"
        }


@contextmanager
def open_archive(path: Path) -> Iterator[DocumentArchive]:
    """An archive within the limits of row D22.

    Raises:
        CorruptInput: a damaged archive, or one over the limits (`too_large_inside`).
    """
    check_archive(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise CorruptInput(f"the archive is damaged: {error}") from error
    with archive:
        yield DocumentArchive(archive)


def check_parts(path: Path) -> None:
    """For libraries that read whole archives into memory: no part may be too large for that.

    Raises:
        CorruptInput: as `open_archive` does, and for all parts together over MAX_PART_BYTES.
    """
    with open_archive(path), zipfile.ZipFile(path) as archive:
        total = sum(member.file_size for member in archive.infolist())
    if total > 4 * MAX_PART_BYTES:
        raise CorruptInput(f"the parts unpack to {total} bytes", reason="too_large_inside")
