"""Reading a file once, and making sure it still is what its hash says."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from kmflow_orchestration.databricks_client.interrupts import check_given_up
from kmflow_orchestration.errors import QuarantinedFile
from kmflow_orchestration.storage.interfaces import ByteSource, EvidenceFile
from kmflow_orchestration.storage.unchanged_files import is_unchanged

# Up to here a file is read whole: its hash is then known before a byte leaves.
SMALL_BYTES = 8 * 1024**2
CHUNK_BYTES = 1 << 20


class VerifiedFile(io.RawIOBase):
    """A file's bytes; the last of them are handed out only if all fit its hash and size.

    A file that certainly is what it was when it was hashed is not hashed again. So whoever reads it
    to the end has the right bytes, and an upload of a file that changes meanwhile breaks off
    incomplete, which stores nothing.

    Raises from reading:
        QuarantinedFile: `changed`, or `unreadable`.
    """

    def __init__(self, file: EvidenceFile) -> None:
        super().__init__()
        self._file = file
        self._stream = open_source(file.source)
        self._digest = hashlib.sha256()
        self._left = file.size_bytes
        state = file.state
        self._trusted = state if state and is_unchanged(self._stream.fileno(), state) else None

    def __len__(self) -> int:
        # What requests takes for Content-Length.
        return self._file.size_bytes

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.size_bytes - self._left

    def seekable(self) -> bool:
        # Asking for a new one is how a body is sent again.
        return False

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def read(self, size: int | None = -1) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        if wanted == 0:
            return b""
        try:
            content = self._stream.read(wanted)
        except OSError as error:
            raise unreadable(self._file.source, error) from error
        if self._trusted is None:
            self._digest.update(content)
        self._left -= len(content)
        if len(content) < wanted or (self._left == 0 and not self._is_right()):
            raise changed(self._file)
        return content

    def _is_right(self) -> bool:
        if self._trusted is not None:
            return is_unchanged(self._stream.fileno(), self._trusted)
        return self._digest.hexdigest() == self._file.content_hash and self._stream.read(1) == b""

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def open_source(source: Path | ByteSource) -> BinaryIO:
    """A file, open. Raises QuarantinedFile `unreadable`, and what a source elsewhere raises."""
    if not isinstance(source, Path):
        return source.reader()
    try:
        return open_regular(source)
    except OSError as error:
        raise unreadable(source, error) from error


def open_regular(source: Path) -> BinaryIO:
    """A stream over a regular file at a resolved path. Never waits, whatever was put there since.

    Raises:
        OSError: it cannot be opened, is a link, or no regular file.
    """
    # Without O_NONBLOCK a pipe would hold us up until somebody writes to it.
    opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "not a regular file", str(source))
    return os.fdopen(opened, "rb")


def opener(file: EvidenceFile) -> Callable[[], BinaryIO]:
    """A function that gives the file's verified bytes from the start, as often as asked.

    Small files are read here, once, unless their bytes are at hand; larger ones at every call.

    Raises:
        QuarantinedFile: `changed` or `unreadable`.
    """
    content = file.content
    if content is None:
        if file.size_bytes > SMALL_BYTES:
            return lambda: VerifiedFile(file)  # type: ignore[return-value]
        content = read_verified(file)
    return lambda: io.BytesIO(content)


def read_verified(file: EvidenceFile) -> bytes:
    """All bytes of a file. Raises QuarantinedFile `changed` or `unreadable`."""
    with open_source(file.source) as stream:
        try:
            content = stream.read(file.size_bytes + 1)
        except OSError as error:
            raise unreadable(file.source, error) from error
    if hashlib.sha256(content).hexdigest() != file.content_hash:
        raise changed(file)
    return content


def chunks(file: EvidenceFile) -> Iterator[bytes]:
    """Verified bytes, a megabyte at a time. Raises QuarantinedFile `changed` or `unreadable`."""
    if file.content is not None:
        yield file.content
        return
    with VerifiedFile(file) as stream:
        if file.size_bytes == 0:
            return
        while chunk := stream.read(CHUNK_BYTES):
            check_given_up()
            yield chunk


def hash_of(stream: BinaryIO) -> str:
    """SHA-256 in hex of what is left of a stream."""
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        check_given_up()
        digest.update(chunk)
    return digest.hexdigest()


def changed(file: EvidenceFile) -> QuarantinedFile:
    return QuarantinedFile(
        f"{file.file_name} changed while it was read",
        reason="changed",
        hint="it is taken again when it has come to rest",
    )


def unreadable(source: Path | ByteSource, error: OSError) -> QuarantinedFile:
    return QuarantinedFile(
        f"{source.name} cannot be read: {error.strerror or type(error).__name__}",
        reason="unreadable",
        hint="check that it is still there and who may read it",
    )
