"""Sources that lie compressed (`.csv.gz`, `.xml.zst`): unpacked for as long as they are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from kmflow_orchestration.converters.content_look import HEAD_BYTES
from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.private_folder import PrivateFolder
from kmflow_orchestration.errors import CorruptInput

PACKED_SUFFIXES = (".gz", ".bz2", ".zst", ".xz")
_GZIP, _ZSTD, _XZ = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"
# Text may begin with BZh: the first block's mark, or the end's, stands behind the level.
_BZIP2, _BZIP2_BLOCKS = b"BZh", (b"1AY&SY", b"\x17rE8P\x90")
_MARK_BYTES = 10
_MAX_BYTES = 10 << 30
# Text that repeats itself packs well: the ratio matters only where it hurts (row D22).
_MAX_RATIO, _RATIO_FROM_BYTES = 100, 256 << 20
_CHUNK_BYTES = 1 << 20
_FAULTS = (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowInvalid)


def packed_suffixes(suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """The suffixes, and each with every packed suffix behind it."""
    return suffixes + tuple(one + packed for one in suffixes for packed in PACKED_SUFFIXES)


def is_packed(head: bytes) -> bool:
    """Whether a file's first bytes are those of a compressed stream we unpack."""
    is_bzip2 = head.startswith(_BZIP2) and head[4:10] in _BZIP2_BLOCKS
    return is_bzip2 or head.startswith((_GZIP, _ZSTD, _XZ))


def inner_source(source: Source) -> Source:
    """The source under the name that its content has: `loans.csv` for `loans.csv.gz`."""
    if source.suffix not in PACKED_SUFFIXES:
        return source
    return replace(source, file_name=source.file_name[: -len(source.suffix)])


def look_inside(source: Source, head: bytes) -> tuple[Source, bytes]:
    """The name and the first bytes of the content; as they are where nothing is compressed."""
    if not is_packed(head):
        return source, head
    return inner_source(source), unpacked_head(source.path, head, HEAD_BYTES)


def unpacked_head(path: Path, head: bytes, size_bytes: int) -> bytes:
    """The first bytes of the content: `head` itself where nothing is compressed, b'' if damaged."""
    if not is_packed(head):
        return head
    try:
        with path.open("rb") as packed, _opened(packed, head) as stream:
            return stream.read(size_bytes)
    except _FAULTS:
        return b""


class PlainCopy:
    """The content of a source as a file, for as long as this object lives.

    That is the source itself where it is not compressed; an unpacked copy goes with the object.
    """

    def __init__(self, path: Path) -> None:
        """Unpacks it.

        Raises:
            CorruptInput: a damaged stream, or one that unpacks beyond all measure
                (`too_large_inside`).
            OSError: no room for the copy.
        """
        with path.open("rb") as stream:
            head = stream.read(_MARK_BYTES)
        self.is_unpacked = is_packed(head)
        self.path = path
        if not self.is_unpacked:
            return
        self._folder = PrivateFolder("unpacked")
        self.path = self._folder.path / "content"
        with self.path.open("wb") as target:
            for chunk in unpacked_chunks(path, head):
                target.write(chunk)

    def remove(self) -> None:
        """Take the copy away now."""
        if self.is_unpacked:
            self._folder.remove()


@contextmanager
def plain_file(path: Path) -> Iterator[Path]:
    """The content of a source as a file within a block. Raises as PlainCopy does."""
    copy = PlainCopy(path)
    try:
        yield copy.path
    finally:
        copy.remove()


def unpacked_chunks(path: Path, head: bytes, most_bytes: int = 0) -> Iterator[bytes]:
    """The content of a compressed file that begins with `head`; no more than so much, if said.

    Only what is read here may be the file's fault: a full disk is not.

    Raises:
        CorruptInput: as PlainCopy does.
    """
    limit = min(_MAX_BYTES, max(_RATIO_FROM_BYTES, _MAX_RATIO * path.stat().st_size))
    limit = min(limit, most_bytes or limit)
    size = 0
    with path.open("rb") as packed:
        try:
            with _opened(packed, head) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    size += len(chunk)
                    if size > limit:
                        text = f"unpacks to more than {limit} bytes"
                        raise CorruptInput(text, reason=TOO_LARGE)
                    yield chunk
        except _FAULTS as error:
            raise CorruptInput(f"the compressed file is damaged: {error}") from error


def _opened(packed: Any, head: bytes) -> BinaryIO:
    if head.startswith(_GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=packed))
    if head.startswith(_BZIP2):
        return cast("BinaryIO", bz2.BZ2File(packed))
    if head.startswith(_XZ):
        return cast("BinaryIO", lzma.LZMAFile(packed))
    return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(packed), "zstd"))
