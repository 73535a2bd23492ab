"""Reading a landing file once: is it still what was seen, its hash, and its side file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from kmflow_orchestration.converters.media_types import media_type_of_content
from kmflow_orchestration.databricks_client.interrupts import check_given_up
from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.intake import side_files
from kmflow_orchestration.intake.entry_rules import EMPTY, TOO_LARGE, UNREADABLE, VANISHED
from kmflow_orchestration.intake.entry_types import check_type, mismatch
from kmflow_orchestration.intake.landing import inode_of, mtime_ns_of, real_path
from kmflow_orchestration.metadata.intake_records import LandingFile, SideFile
from kmflow_orchestration.storage.interfaces import ByteSource
from kmflow_orchestration.storage.unchanged_files import FileState, settled_state
from kmflow_orchestration.storage.verified_reading import open_regular

_CHUNK = 1 << 20
# Up to here the bytes read for the hash are handed on: opening a file twice costs more.
KEPT_BYTES = 1 << 20


class FileChanged(Exception):
    """A landing file is not what the last look saw: it is being written."""


@dataclass(frozen=True, slots=True)
class Content:
    """Where a landing file really lies, SHA-256 and media type of its bytes, and its side file.

    `kept` are the very bytes that were hashed, of a file up to `KEPT_BYTES`; `state` is what a
    larger one was then, where a later change of it cannot go unseen.
    """

    source: Path | ByteSource
    content_hash: str
    media_type: str
    side: SideFile
    kept: bytes | None = field(default=None, repr=False)
    state: FileState | None = None


def read_content(root: Path, file: LandingFile, *, max_size_bytes: int, now: datetime) -> Content:
    """Read a landing file to its end; `now` is the moment at which that begins.

    Raises:
        FileChanged: it differs from what was seen, or changed while it was read.
        QuarantinedFile: empty, too large, vanished, unreadable, led out of the landing place, or
            of a type that may not enter.
        OSError: the disk failed; another try may succeed.
    """
    try:
        source = real_path(root, file.path)
        with _opened(source) as opened:
            _check(os.fstat(opened), file, max_size_bytes)
            state = settled_state(opened, now) if file.size_bytes > KEPT_BYTES else None
            content_hash, head, kept = _hash(opened, file.size_bytes)
            read_at = partial(os.pread, opened) if kept is None else partial(slice_of, kept)
            found = media_type_of_content(head, file.size_bytes, read_at)
            _same(os.fstat(opened), file)
    except FileNotFoundError as error:
        raise QuarantinedFile(f"{file.path} is gone", reason=VANISHED) from error
    except (PermissionError, IsADirectoryError) as error:
        raise QuarantinedFile(f"{file.path}: {error.strerror}", reason=UNREADABLE) from error
    kept_type = allowed_type(file, content_hash, found)
    side = with_mismatch(_side_file(root, file.path), file.path, kept_type)
    return Content(source, content_hash, kept_type, side, kept, state)


def with_mismatch(side: SideFile, path: str, media_type: str) -> SideFile:
    """With a warning when a file's name says another type than its content."""
    warning = mismatch(path, media_type)
    return replace(side, warnings=(*side.warnings, warning)) if warning else side


def slice_of(content: bytes, length: int, start: int) -> bytes:
    """As `os.pread`, of bytes at hand."""
    return content[start : start + length]


def allowed_type(file: LandingFile, content_hash: str, found: str) -> str:
    """The media type to keep. Raises QuarantinedFile for one that may not enter."""
    try:
        return check_type(file.path, found)
    except QuarantinedFile as error:
        # Whoever looks for it needs to know which bytes were refused.
        told = f"{error.message} ({file.size_bytes} bytes, SHA-256 {content_hash})"
        raise QuarantinedFile(told, reason=error.reason, hint=error.hint) from error


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
    check_size(file, max_size_bytes)


def check_size(file: LandingFile, max_size_bytes: int) -> None:
    """Raises QuarantinedFile: a file is empty or too large."""
    if file.size_bytes == 0:
        raise QuarantinedFile(f"{file.path} is empty", reason=EMPTY, hint="drop it again, filled")
    if file.size_bytes > max_size_bytes:
        raise QuarantinedFile(
            f"{file.path} has {file.size_bytes} bytes, the limit is {max_size_bytes}",
            reason=TOO_LARGE,
            hint="split it, or raise MAX_UPLOAD_SIZE_MB and drop it again",
        )


def _same(found: os.stat_result, file: LandingFile) -> None:
    if (found.st_size, mtime_ns_of(found), inode_of(found)) != (
        file.size_bytes,
        file.mtime_ns,
        file.inode,
    ):
        raise FileChanged(file.path)


def _hash(opened: int, size_bytes: int) -> tuple[str, bytes, bytes | None]:
    """SHA-256, the first bytes, and all of them where they are few."""
    if size_bytes <= KEPT_BYTES:
        # One byte more than it should have tells whether it grew.
        content = os.read(opened, size_bytes + 1)
        if len(content) != size_bytes:
            raise FileChanged
        return hashlib.sha256(content).hexdigest(), content, content
    digest = hashlib.sha256()
    length, head = 0, b""
    while chunk := os.read(opened, _CHUNK):
        check_given_up()
        head = head or chunk
        digest.update(chunk)
        length += len(chunk)
    if length != size_bytes:
        raise FileChanged
    return digest.hexdigest(), head, None


def _side_file(root: Path, path: str) -> SideFile:
    # Most files have none: found out without resolving every folder on the way.
    if not os.path.lexists(f"{root}/{path}{side_files.SUFFIX}"):
        return SideFile()
    try:
        with open_regular(real_path(root, path + side_files.SUFFIX)) as stream:
            return side_files.parse(stream.read(side_files.MAX_BYTES + 1))
    except FileNotFoundError:
        return SideFile()
    except QuarantinedFile as error:
        return side_files.unreadable(error.message)
    except OSError as error:
        return side_files.unreadable(error.strerror or type(error).__name__)
