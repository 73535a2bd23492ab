"""7z archives, by the library of the extra `seven-zip`: unpacked once, for its files lie together.

What is compressed as one stream can only be had from its beginning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from kmflow_orchestration.converters.archives.entries import (
    ENCRYPTED,
    HOW_TO_UNLOCK,
    LINK,
    NOT_A_FILE,
    Entry,
    Listing,
)
from kmflow_orchestration.converters.archives.limits import ArchiveLimits, Budget
from kmflow_orchestration.converters.archives.member_names import is_unsafe
from kmflow_orchestration.converters.failures import DISK_FAULTS, TOO_LARGE
from kmflow_orchestration.converters.private_folder import PrivateFolder
from kmflow_orchestration.errors import (
    CorruptInput,
    KmflowError,
    PasswordRequiredError,
    WrongPasswordError,
)

SEVEN_ZIP_MARK = b"7z\xbc\xaf\x27\x1c"
TWICE = "name_twice"
_LIMITS = ArchiveLimits()


class SevenZipKind:
    """See ArchiveKind; `password` opens those that are encrypted."""

    def __init__(self, password: str = "") -> None:
        self._password = password

    def listing(self, path: Path) -> Listing:
        """By the header, which may be encrypted itself."""
        with path.open("rb") as stream, _opened(stream, self._password) as archive:
            is_locked = bool(archive.needs_password()) and not self._password
            infos = list(archive.files)
        counts = Counter(info.filename for info in infos)
        entries = [
            _entry(number, info, is_locked=is_locked, is_twice=counts[info.filename] > 1)
            for number, info in enumerate(infos)
            if not info.is_directory
        ]
        return Listing(tuple(entries))

    def reader(self, path: Path) -> SevenZipReader:
        return SevenZipReader(path, self._password, self.listing(path).entries)


class SevenZipReader:
    """See OpenReader; a file whose stream breaks off before it is damaged, those before are not."""

    def __init__(self, path: Path, password: str, entries: Sequence[Entry]) -> None:
        self._folder = PrivateFolder("7z")
        self._path, self._password = path, password
        self._wanted = [one for one in entries if _is_sound(one)]
        self._damage: CorruptInput | None = None
        self._is_unpacked = False
        self._too_large: set[int] = set()

    def chunks(self, entry: Entry, size_bytes: int) -> Generator[bytes, None, None]:
        """See OpenReader; checksums were proven when it was unpacked."""
        if not entry.size_bytes:
            return
        if not self._is_unpacked:
            self._unpack()
        place = self._folder.path / str(entry.number)
        if entry.number in self._too_large:
            raise CorruptInput("it unpacks to more than an archive may", reason=TOO_LARGE)
        if not place.exists():
            raise self._damage or CorruptInput("it is not in the archive")
        with place.open("rb") as stream:
            while chunk := stream.read(size_bytes):
                yield chunk

    def close(self) -> None:
        self._folder.remove()

    def _unpack(self) -> None:
        self._is_unpacked = True
        budget = Budget(_LIMITS, self._path.stat().st_size)
        most, kept = budget.bytes_left, []
        for one in self._wanted:
            # What was too large for the archive's budget is not unpacked either.
            if budget.excess(one.size_bytes, one.packed_bytes):
                self._too_large.add(one.number)
            else:
                kept.append(one)
        places = _Places(self._folder.path, kept)
        try:
            with self._path.open("rb") as stream, _opened(stream, self._password) as archive:
                # Beside what is kept the stream has what is passed over.
                archive.max_extract_size = most
                archive.extract(targets={one.name for one in kept}, factory=places)
        except CorruptInput as error:
            self._damage = error
        finally:
            places.let_go()


class _Places:
    """Gives the library a file for each of the entries, in the order in which it asks."""

    def __init__(self, folder: Path, entries: Sequence[Entry]) -> None:
        self._folder = folder
        self._entries = iter(sorted(entries, key=lambda one: one.number))
        self._given: list[_Place] = []

    def create(self, _name: str) -> _Place:
        entry = next(self._entries, None)
        if entry is None:
            raise CorruptInput("the archive gives more files than it lists")
        # Whether one is whole the library says; a failure it does not.
        self.let_go()
        self._given = [_Place(self._folder / str(entry.number), entry.size_bytes)]
        return self._given[0]

    def let_go(self) -> None:
        """Close what is still open."""
        for one in self._given:
            one.let_go()


class _Place:
    """A file that is there under its name only when all of it is."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path, self._size_bytes = path, size_bytes
        self._part = path.with_suffix(".part")
        self._stream: BinaryIO = self._part.open("wb")
        self._written = 0

    def write(self, content: bytes | bytearray) -> int:
        self._written += len(content)
        if self._written > self._size_bytes:
            raise CorruptInput("a file is longer than the archive says", reason=TOO_LARGE)
        return self._stream.write(content)

    def read(self, _size: int | None = None) -> bytes:
        return b""

    def seek(self, _offset: int, _whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        self._stream.flush()

    def size(self) -> int:
        return self._written

    def let_go(self) -> None:
        self._stream.close()

    def close(self) -> None:
        self._stream.close()
        self._part.rename(self._path)


def _is_sound(entry: Entry) -> bool:
    return not entry.problem and bool(entry.size_bytes) and not is_unsafe(entry.name)


def _entry(number: int, info: Any, *, is_locked: bool, is_twice: bool) -> Entry:
    problem, told = "", ""
    if info.is_symlink or info.is_junction:
        problem, told = LINK, "it is a link"
    elif info.is_socket:
        problem, told = NOT_A_FILE, "it is no regular file"
    elif is_twice:
        problem, told = TWICE, "its name is in the archive more than once"
    elif is_locked:
        problem, told = ENCRYPTED, "it is behind a password"
    return Entry(number, info.filename, info.uncompressed or 0, 0, number, problem, told)


@contextmanager
def _opened(stream: BinaryIO, password: str) -> Iterator[Any]:
    """Raises CorruptInput, and PasswordRequiredError for one that not even lists its files."""
    import py7zr
    from py7zr import exceptions

    try:
        # A stream of ours: by a name it would start threads.
        with py7zr.SevenZipFile(stream, "r", password=password or None) as archive:
            yield archive
    except exceptions.PasswordRequired:
        raise PasswordRequiredError(
            "the archive is behind a password", hint=HOW_TO_UNLOCK
        ) from None
    except exceptions.DecompressionBombError as error:
        raise CorruptInput(f"the archive unpacks to too much: {error}", reason=TOO_LARGE) from error
    except (KmflowError, ImportError, MemoryError):
        raise
    # On hostile bytes it fails in ways of its own.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            raise
        if password:
            # Nothing but a wrong checksum tells a wrong one. Without its cause, which may show it.
            raise WrongPasswordError(
                "the archive is damaged, or the password is not its own", hint="try another one"
            ) from None
        raise CorruptInput(f"the archive is damaged: {type(error).__name__}: {error}") from error
