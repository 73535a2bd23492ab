"""Bytes of a text file as UTF-8: one look over the whole file decides, nothing is sampled."""

from __future__ import annotations

import codecs
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 4 << 20
UTF8, CP1252, UTF16, DAMAGED_UTF8 = "utf-8", "cp1252", "utf-16", "utf-8 with cp1252 bytes"


def _single_bytes(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are no UTF-8, or undefined in cp1252, one by one as browsers read them."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    text = "".join(
        chr(byte) if byte in _UNDEFINED else bytes([byte]).decode("cp1252") for byte in bad
    )
    return text, error.end


_UNDEFINED = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})
_SINGLE_BYTES = "kmflow_single_bytes"
codecs.register_error(_SINGLE_BYTES, _single_bytes)


@dataclass(frozen=True, slots=True)
class TextScan:
    """What a whole file is like. `first_bad_byte` is the offset that ruled out UTF-8, else -1."""

    content_hash: str
    size_bytes: int
    encoding: str
    first_bad_byte: int
    nul_count: int
    quote_count: int
    has_blank_lines: bool


def scan_text(path: Path) -> TextScan:
    """Read a file once: its hash, its encoding and what its parsing must be prepared for.

    UTF-8 with or without BOM, UTF-16 with BOM, else cp1252. A file that holds more valid
    multi-byte characters than stray bytes is damaged UTF-8: only the stray bytes are cp1252.
    """
    digest, size, nuls, quotes, blank = hashlib.sha256(), 0, 0, 0, False
    decoder, bad = codecs.getincrementaldecoder("utf-8")(), -1
    tail = b"\n"
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            nuls += chunk.count(b"\x00")
            quotes += chunk.count(b'"')
            blank = blank or _has_blank_line(tail + chunk)
            if bad < 0:
                bad = _first_bad(decoder, chunk, size)
            size, tail = size + len(chunk), chunk[-3:]
    if bad < 0:
        bad = _first_bad(decoder, b"", size, final=True)
    encoding = _encoding(path, bad)
    return TextScan(digest.hexdigest(), size, encoding, bad, nuls, quotes, blank)


def _has_blank_line(window: bytes) -> bool:
    return b"\n\n" in window or b"\n\r" in window or b"\r\r" in window


def _first_bad(
    decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, *, final: bool = False
) -> int:
    pending = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        return offset - pending + error.start
    return -1


def _encoding(path: Path, first_bad_byte: int) -> str:
    with path.open("rb") as stream:
        mark = stream.read(3)
    if mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return UTF16
    if first_bad_byte < 0:
        return UTF8
    return DAMAGED_UTF8 if mark == codecs.BOM_UTF8 or _is_mostly_utf8(path) else CP1252


def _is_mostly_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    valid = stray = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            text = decoder.decode(chunk)
            bad = text.count("\ufffd")
            stray += bad
            valid += len(text) - len(text.encode("ascii", "ignore")) - bad
    return valid > stray


class Utf8Stream(io.RawIOBase):
    """A file as UTF-8 without BOM, whatever its encoding, ending in a line end and `trailer`.

    The first `skipped_bytes` of that UTF-8 are left out.
    """

    def __init__(
        self, path: Path, encoding: str, *, skipped_bytes: int = 0, trailer: bytes = b""
    ) -> None:
        super().__init__()
        self._stream = path.open("rb")
        self._decoder = _decoder(encoding)
        self._trailer = trailer
        self._last = b"\n"
        self._rest = b""
        self._is_over = False
        if skipped_bytes:
            self.read(skipped_bytes)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes but at the end: Arrow takes a short read for a whole block."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK_BYTES), b""))
        pieces, length = [self._rest], len(self._rest)
        while length < size and not self._is_over:
            pieces.append(self._next(size))
            length += len(pieces[-1])
        content = b"".join(pieces)
        self._rest = content[size:]
        return content[:size]

    def _next(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._is_over = not chunk
        text = self._decoder.decode(chunk, final=self._is_over).encode("utf-8", "surrogatepass")
        self._last = text[-1:] or self._last
        if self._is_over:
            end = b"" if self._last in (b"\n", b"\r") else b"\n"
            text += end + self._trailer
        return text

    def close(self) -> None:
        self._stream.close()
        super().close()


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    if encoding == UTF16:
        return codecs.getincrementaldecoder("utf-16")("replace")
    if encoding == CP1252:
        return codecs.getincrementaldecoder("cp1252")(_SINGLE_BYTES)
    return codecs.getincrementaldecoder("utf-8-sig")(_SINGLE_BYTES)


def read_text(path: Path, encoding: str) -> str:
    """A whole text file, for documents that are small by nature."""
    with Utf8Stream(path, encoding) as stream:
        return stream.read(-1).decode("utf-8")


def storable(text: str) -> str:
    """A text that UTF-8 can hold: a half of a character alone becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
