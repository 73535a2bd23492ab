"""TAR archives, also compressed: what lies before a damaged place is had, the damage is told."""

from __future__ import annotations

import tarfile
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from kmflow_orchestration.converters.archives.entries import LINK, NOT_A_FILE, Entry, Listing
from kmflow_orchestration.converters.text_encoding import utf8_or_western
from kmflow_orchestration.errors import CorruptInput

BLOCK_BYTES = 512
_MOST_HEADERS = 100_000


class TarKind:
    """See ArchiveKind; takes plain archives, see OpenArchive."""

    def listing(self, path: Path) -> Listing:
        """From header to header, up to the end or to the first that is damaged."""
        entries: list[Entry] = []
        damage = ""
        with _naming_damage(), _opened(path) as archive:
            try:
                for number, info in enumerate(archive):
                    if number >= _MOST_HEADERS:
                        raise CorruptInput(f"more than {_MOST_HEADERS} files and folders")
                    if not info.isdir():
                        entries.append(_entry(number, info))
            except tarfile.TarError as error:
                damage = f"it is damaged behind {len(entries)} files: {error}"
            damage = damage or _unread(path, archive.offset)
        if not entries and damage:
            raise CorruptInput(damage)
        return Listing(tuple(entries), damage)

    def reader(self, path: Path) -> TarReader:
        with _naming_damage():
            return TarReader(_opened(path))


class TarReader:
    """See OpenReader."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        weakref.finalize(self, archive.close)

    def chunks(self, entry: Entry, size_bytes: int) -> Generator[bytes, None, None]:
        """See OpenReader."""
        with _naming_damage():
            stream = self._archive.extractfile(entry.key)
            while stream is not None and (chunk := stream.read(size_bytes)):
                yield chunk

    def close(self) -> None:
        self._archive.close()


def is_tar(head: bytes) -> bool:
    """Whether bytes begin with the header of a file, proven by its checksum."""
    try:
        tarfile.TarInfo.frombuf(head[:BLOCK_BYTES], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _opened(path: Path) -> tarfile.TarFile:
    return tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape")


def _unread(path: Path, offset: int) -> str:
    """The library takes a damaged header for the end: only zeros, or nothing, may stand there."""
    with path.open("rb") as stream:
        stream.seek(offset)
        block = stream.read(BLOCK_BYTES)
    if block.strip(b"\0"):
        return f"it is damaged at byte {offset}: what lies behind cannot be told"
    return ""


def _entry(number: int, info: tarfile.TarInfo) -> Entry:
    problem, told = "", ""
    if info.islnk() or info.issym():
        problem, told = LINK, f"it is a link to {_text(info.linkname)}"
    elif not info.isreg():
        problem, told = NOT_A_FILE, "it is no regular file"
    return Entry(number, _text(info.name), info.size, 0, info, problem, told)


def _text(name: str) -> str:
    return utf8_or_western(name.encode("utf-8", "surrogateescape"))


@contextmanager
def _naming_damage() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise CorruptInput(f"the archive is damaged: {error}") from error
