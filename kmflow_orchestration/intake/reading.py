"""Reading a landing file once: is it still what was seen, its hash, and its side file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.intake import side_files
from kmflow_orchestration.intake.entry_rules import EMPTY, TOO_LARGE, UNREADABLE, VANISHED
from kmflow_orchestration.intake.landing import inode_of, real_path
from kmflow_orchestration.metadata.intake_records import LandingFile, SideFile

_CHUNK = 1 << 20
# Up to here the bytes read for the hash are handed on: opening a file twice costs more.
KEPT_BYTES = 1 << 20


class FileChanged(Exception):
    """A landing file is not what the last look saw: it is being written."""


@dataclass(frozen=True, slots=True)
class Content:
    """Where a landing file really lies, the SHA-256 of its bytes, and its side file.

    `kept` are the very bytes that were hashed, of a file up to `KEPT_BYTES`.
    """

    source: Path
    content_hash: str
    side: SideFile
    kept: bytes | None = field(default=None, repr=False)


def read_content(root: Path, file: LandingFile, *, max_size_bytes: int) -> Content:
    """Read a landing file to its end.

    Raises:
        FileChanged: it differs from what was seen, or changed while it was read.
        QuarantinedFile: empty, too large, vanished, unreadable, or led out of the landing place.
        OSError: the disk failed; another try may succeed.
    """
    try:
        source = real_path(root, file.path)
        with _opened(source) as opened:
            _check(os.fstat(opened), file, max_size_bytes)
            content_hash, kept = _hash(opened, file.size_bytes)
            _same(os.fstat(opened), file)
    except FileNotFoundError as error:
        raise QuarantinedFile(f"{file.path} is gone", reason=VANISHED) from error
    except (PermissionError, IsADirectoryError) as error:
        raise QuarantinedFile(f"{file.path}: {error.strerror}", reason=UNREADABLE) from error
    return Content(source, content_hash, _side_file(root, file.path), kept)


@contextmanager
def _opened(source: Path) -> Iterator[int]:
    """A file's descriptor: of thousands of small files a stream's own calls are felt."""
    # The path is resolved: a link in its place by now was put there after the check. Without
    # O_NONBLOCK a pipe put there would hold us up for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    opened = os.open(source, flags)
    try:
        yield opened
    finally:
        os.close(opened)


def _check(found: os.stat_result, file: LandingFile, max_size_bytes: int) -> None:
    _same(found, file)
    if found.st_size == 0:
        raise QuarantinedFile(f"{file.path} is empty", reason=EMPTY, hint="drop it again, filled")
    if found.st_size > max_size_bytes:
        raise QuarantinedFile(
            f"{file.path} has {found.st_size} bytes, the limit is {max_size_bytes}",
            reason=TOO_LARGE,
            hint="split it, or raise MAX_UPLOAD_SIZE_MB and drop it again",
        )


def _same(found: os.stat_result, file: LandingFile) -> None:
    if (found.st_size, found.st_mtime_ns, inode_of(found)) != (
        file.size_bytes,
        file.mtime_ns,
        file.inode,
    ):
        raise FileChanged(file.path)


def _hash(opened: int, size_bytes: int) -> tuple[str, bytes | None]:
    if size_bytes <= KEPT_BYTES:
        # One byte more than it should have tells whether it grew.
        content = os.read(opened, size_bytes + 1)
        if len(content) != size_bytes:
            raise FileChanged
        return hashlib.sha256(content).hexdigest(), content
    digest = hashlib.sha256()
    length = 0
    while chunk := os.read(opened, _CHUNK):
        digest.update(chunk)
        length += len(chunk)
    if length != size_bytes:
        raise FileChanged
    return digest.hexdigest(), None


def _side_file(root: Path, path: str) -> SideFile:
    # Most files have none: found out without resolving every folder on the way.
    if not os.path.lexists(f"{root}/{path}{side_files.SUFFIX}"):
        return SideFile()
    try:
        with _opened(real_path(root, path + side_files.SUFFIX)) as opened:
            return side_files.parse(os.read(opened, side_files.MAX_BYTES + 1))
    except FileNotFoundError:
        return SideFile()
    except QuarantinedFile as error:
        return side_files.unreadable(error.message)
    except OSError as error:
        return side_files.unreadable(error.strerror or type(error).__name__)
