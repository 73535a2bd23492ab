"""Reading a landing file once: is it still what was seen, its hash, and its side file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.intake import side_files
from kmflow_orchestration.intake.entry_rules import EMPTY, TOO_LARGE, UNREADABLE, VANISHED
from kmflow_orchestration.intake.landing import inode_of, real_path
from kmflow_orchestration.metadata.intake_records import LandingFile, SideFile

_CHUNK = 1 << 20


class FileChanged(Exception):
    """A landing file is not what the last look saw: it is being written."""


@dataclass(frozen=True, slots=True)
class Content:
    """Where a landing file really lies, the SHA-256 of its bytes, and its side file."""

    source: Path
    content_hash: str
    side: SideFile


def read_content(root: Path, file: LandingFile, *, max_size_bytes: int) -> Content:
    """Read a landing file to its end.

    Raises:
        FileChanged: it differs from what was seen, or changed while it was read.
        QuarantinedFile: empty, too large, vanished, unreadable, or led out of the landing place.
        OSError: the disk failed; another try may succeed.
    """
    try:
        source = real_path(root, file.path)
        with _opened(source) as stream:
            _check(os.fstat(stream.fileno()), file, max_size_bytes)
            content_hash = _hash(stream, file.size_bytes)
            _same(os.fstat(stream.fileno()), file)
    except FileNotFoundError as error:
        raise QuarantinedFile(f"{file.path} is gone", reason=VANISHED) from error
    except (PermissionError, IsADirectoryError) as error:
        raise QuarantinedFile(f"{file.path}: {error.strerror}", reason=UNREADABLE) from error
    return Content(source, content_hash, _side_file(root, file.path))


def _opened(source: Path) -> BinaryIO:
    # The path is resolved: a link in its place by now was put there after the check. Without
    # O_NONBLOCK a pipe put there would hold us up for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(source, flags), "rb", buffering=0)


def _check(found: os.stat_result, file: LandingFile, max_size_bytes: int) -> None:
    _same(found, file)
    if found.st_size == 0:
        raise QuarantinedFile(f"{file.path} is empty", reason=EMPTY, hint="drop it again, filled")
    if found.st_size > max_size_bytes:
        raise QuarantinedFile(
            f"{file.path} has {found.st_size} bytes, the limit is {max_size_bytes}",
            reason=TOO_LARGE,
            hint="split it, or raise MAX_UPLOAD_SIZE_MB",
        )


def _same(found: os.stat_result, file: LandingFile) -> None:
    if (found.st_size, found.st_mtime_ns, inode_of(found)) != (
        file.size_bytes,
        file.mtime_ns,
        file.inode,
    ):
        raise FileChanged(file.path)


def _hash(stream: BinaryIO, size_bytes: int) -> str:
    digest = hashlib.sha256()
    length = 0
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        length += len(chunk)
    if length != size_bytes:
        raise FileChanged
    return digest.hexdigest()


def _side_file(root: Path, path: str) -> SideFile:
    # Most files have none: found out without resolving every folder on the way.
    if not os.path.lexists(f"{root}/{path}{side_files.SUFFIX}"):
        return SideFile()
    try:
        with _opened(real_path(root, path + side_files.SUFFIX)) as stream:
            return side_files.parse(stream.read(side_files.MAX_BYTES + 1))
    except FileNotFoundError:
        return SideFile()
    except QuarantinedFile as error:
        return side_files.unreadable(error.message)
    except OSError as error:
        return side_files.unreadable(error.strerror or type(error).__name__)
