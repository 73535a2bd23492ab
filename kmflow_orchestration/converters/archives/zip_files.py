"""ZIP archives: stored, deflated, bzip2 and LZMA files, without a password."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from kmflow_orchestration.converters.archives.entries import (
    ENCRYPTED,
    LINK,
    NOT_A_FILE,
    Entry,
    Listing,
)
from kmflow_orchestration.converters.content_look import ZIP_DAMAGE
from kmflow_orchestration.errors import CorruptInput, PasswordRequiredError, WrongPasswordError

_IS_UTF8, _IS_ENCRYPTED = 0x800, 0x1
_UNIX, _AES = 3, 99


class ZipKind:
    """See ArchiveKind; `password` opens files of the older encryption."""

    def __init__(self, password: str = "") -> None:
        self._password = password

    def listing(self, path: Path) -> Listing:
        """By the directory at its end."""
        with _naming_damage(), zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
        entries = (
            _entry(number, info, has_password=bool(self._password))
            for number, info in enumerate(infos)
            if not _is_folder(info)
        )
        return Listing(tuple(entries))

    def reader(self, path: Path) -> ZipReader:
        with _naming_damage():
            return ZipReader(zipfile.ZipFile(path), self._password)


class ZipReader:
    """See OpenReader."""

    def __init__(self, archive: zipfile.ZipFile, password: str) -> None:
        self._archive, self._password = archive, password.encode()

    def chunks(self, entry: Entry, size_bytes: int) -> Generator[bytes, None, None]:
        """See OpenReader; the checksum is proven at the end."""
        if entry.key.flag_bits & _IS_ENCRYPTED:
            yield from self._unlocked(entry, size_bytes)
            return
        with _naming_damage(), self._archive.open(entry.key) as stream:
            while chunk := stream.read(size_bytes):
                yield chunk

    def _unlocked(self, entry: Entry, size_bytes: int) -> Generator[bytes, None, None]:
        if entry.key.compress_type == _AES:
            raise PasswordRequiredError(
                "zip files encrypted with AES are not unlocked here",
                hint="unpack it, and pack it anew",
            )
        try:
            with self._archive.open(entry.key, pwd=self._password) as stream:
                while chunk := stream.read(size_bytes):
                    yield chunk
        except ZIP_DAMAGE:
            # A wrong password may show as a wrong checksum only. Without the cause, which may tell.
            raise WrongPasswordError(
                "it is damaged, or the password is not its own", hint="try another one"
            ) from None

    def close(self) -> None:
        self._archive.close()


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith(("/", "\\")) and not info.file_size


def _entry(number: int, info: zipfile.ZipInfo, *, has_password: bool) -> Entry:
    problem, told = _problem(info)
    if problem == ENCRYPTED and has_password:
        problem = told = ""
    size = info.file_size
    return Entry(number, _name(info), size, max(info.compress_size, 1), info, problem, told)


def _name(info: zipfile.ZipInfo) -> str:
    """As it stands: the standard library cuts at NUL, and takes for cp437 what is not marked."""
    name = info.orig_filename
    if info.flag_bits & _IS_UTF8 or name.isascii():
        return name
    try:
        # macOS writes UTF-8 and does not say so; other text is hardly ever valid UTF-8.
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _problem(info: zipfile.ZipInfo) -> tuple[str, str]:
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if stat.S_ISLNK(mode):
        return LINK, "it is a link"
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return NOT_A_FILE, "it is no regular file"
    if info.flag_bits & _IS_ENCRYPTED:
        return ENCRYPTED, "it is behind a password"
    return "", ""


@contextmanager
def _naming_damage() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except ZIP_DAMAGE as error:
        raise CorruptInput(f"the archive is damaged: {error}") from error
