"""Sources that lie compressed (`.json.gz`, `.xml.zst`): unpacked for as long as they are read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from kmflow_orchestration.errors import CorruptInput

PACKED_SUFFIXES = (".gz", ".bz2", ".zst")
_GZIP, _BZIP2, _ZSTD = b"\x1f\x8b\x08", b"BZh", b"\x28\xb5\x2f\xfd"
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
    return head.startswith((_GZIP, _BZIP2, _ZSTD))


def unpacked_head(path: Path, head: bytes, size_bytes: int) -> bytes:
    """The first bytes of the content: `head` itself where nothing is compressed, b'' if damaged."""
    if not is_packed(head):
        return head
    try:
        with path.open("rb") as packed, _opened(packed, head) as stream:
            return stream.read(size_bytes)
    except _FAULTS:
        return b""


@contextmanager
def plain_file(path: Path) -> Iterator[Path]:
    """The content of a source as a file: itself, or an unpacked copy that is removed again.

    Raises:
        CorruptInput: a damaged stream, or one that unpacks beyond all measure
            (`too_large_inside`).
        OSError: no room for the copy.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    if not is_packed(head):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="kmflow-unpacked-") as folder:
        copy = Path(folder) / "content"
        with copy.open("wb") as target:
            for chunk in _unpacked(path, head):
                target.write(chunk)
        yield copy


def _unpacked(path: Path, head: bytes) -> Iterator[bytes]:
    """Only what is read here may be the file's fault: a full disk is not."""
    limit = max(_RATIO_FROM_BYTES, _MAX_RATIO * path.stat().st_size)
    size = 0
    with path.open("rb") as packed:
        try:
            with _opened(packed, head) as stream:
                while chunk := stream.read(_CHUNK_BYTES):
                    size += len(chunk)
                    if size > min(limit, _MAX_BYTES):
                        raise CorruptInput(
                            f"unpacks to more than {min(limit, _MAX_BYTES)} bytes",
                            reason="too_large_inside",
                        )
                    yield chunk
        except _FAULTS as error:
            raise CorruptInput(f"the compressed file is damaged: {error}") from error


def _opened(packed: Any, head: bytes) -> BinaryIO:
    if head.startswith(_GZIP):
        return cast("BinaryIO", gzip.GzipFile(fileobj=packed))
    if head.startswith(_BZIP2):
        return cast("BinaryIO", bz2.BZ2File(packed))
    return cast("BinaryIO", pa.CompressedInputStream(pa.PythonFile(packed), "zstd"))
