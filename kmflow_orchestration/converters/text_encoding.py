"""Bytes of a text file as UTF-8: one look over the whole file decides, nothing is sampled."""

from __future__ import annotations

import codecs
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import filterfalse
from pathlib import Path
from typing import Any, BinaryIO

from kmflow_orchestration.converters.interface import ConversionWarning
from kmflow_orchestration.errors import ConfigurationError, CorruptInput

_CHUNK_BYTES = 4 << 20
_IS_ASCII: Callable[[Any], bool] = bytes.isascii
_SAMPLE_BYTES = 32 << 10
UTF8, CP1252, UTF16, DAMAGED_UTF8 = "utf-8", "cp1252", "utf-16", "utf-8 with cp1252 bytes"
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, UTF16),
    (codecs.BOM_UTF16_BE, UTF16),
)
# Without a mark, wide text shows by its NUL bytes: at least one in so many bytes.
_NUL_EVERY, _FEWEST_NULS = 20, 4


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
    """What a whole file is like. `first_bad_byte` is the offset that ruled out UTF-8, else -1.

    `encoding_reason` says what the encoding was chosen by, `other_encodings` which were plausible
    too.
    """

    content_hash: str
    size_bytes: int
    encoding: str
    first_bad_byte: int
    nul_count: int
    has_double_quotes: bool
    encoding_reason: str = ""
    other_encodings: tuple[str, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether each character takes two bytes or more."""
        return self.encoding in _WIDE

    @property
    def is_sound_utf8(self) -> bool:
        """Whether every byte is UTF-8, as it stands."""
        return self.encoding == UTF8 and self.first_bad_byte < 0

    def has_quotes(self, quote: str) -> bool:
        """Whether the file may hold a quote; only double ones were looked for."""
        return self.has_double_quotes or quote != '"'


def encoding_warnings(scan: TextScan) -> Iterator[ConversionWarning]:
    """What a reader of a text should know of its bytes."""
    is_plain = scan.is_wide or scan.encoding == UTF8
    if not is_plain and scan.first_bad_byte >= 0:
        text = f"not UTF-8 at byte {scan.first_bad_byte}: read as {scan.encoding}"
        if scan.other_encodings:
            text += f"; could be {', '.join(scan.other_encodings)} too"
        yield ConversionWarning("encoding", text, f"byte {scan.first_bad_byte}")
    if scan.nul_count and not scan.is_wide:
        yield ConversionWarning("nul_bytes", f"{scan.nul_count} NUL characters were kept")


@dataclass(slots=True)
class _Tally:
    """What one pass over a file counts; mutable while it runs."""

    size: int = 0
    nuls: int = 0
    even_nuls: int = 0
    has_quotes: bool = False
    bad: int = -1
    first: bytes = b""
    last: bytes = b""
    decoder: codecs.IncrementalDecoder = field(
        default_factory=codecs.getincrementaldecoder("utf-8")
    )

    def add(self, chunk: bytes) -> None:
        nuls = chunk.count(b"\x00")
        if nuls:
            self.nuls += nuls
            self.even_nuls += chunk[self.size % 2 :: 2].count(b"\x00")
        self.has_quotes = self.has_quotes or b'"' in chunk
        is_ascii = chunk.isascii()
        # The decoder need not see what is ASCII, unless a character may go on in it.
        if self.bad < 0 and not (is_ascii and not self.decoder.getstate()[0]):
            self.bad = _first_bad(self.decoder, chunk, self.size)
        if not is_ascii:
            self._sample(chunk)
        self.size += len(chunk)

    def _sample(self, chunk: bytes) -> None:
        lines = b"".join(filterfalse(_IS_ASCII, chunk.splitlines(keepends=True)))
        self.first += lines[: _SAMPLE_BYTES - len(self.first)] if not self.last else b""
        self.last = lines[-_SAMPLE_BYTES:] if len(self.first) >= _SAMPLE_BYTES else b""

    def sample(self) -> bytes:
        """Lines with bytes beyond ASCII, from the start of the file and its end."""
        start = self.first[: self.first.rfind(b"\n") + 1] or self.first if self.last else self.first
        return start + self.last[self.last.find(b"\n") + 1 :]


def scan_text(path: Path, encoding: str = "") -> TextScan:
    """Read a file once: its hash, its encoding and what its parsing must be prepared for.

    By its mark, else strict UTF-8, else by its letters, and then only what decodes every byte;
    else cp1252. A file that holds more valid multi-byte characters than stray bytes is damaged
    UTF-8: only the stray bytes are cp1252. An encoding that was asked for is taken or refused.

    Raises:
        ConfigurationError: no encoding of that name.
        CorruptInput: a byte that the encoding that was asked for does not have.
    """
    digest, tally = hashlib.sha256(), _Tally()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            tally.add(chunk)
    if tally.bad < 0:
        tally.bad = _first_bad(tally.decoder, b"", tally.size, final=True)
    name, reason, others = _asked(path, encoding) if encoding else _encoding(path, tally)
    return TextScan(
        digest.hexdigest(),
        tally.size,
        name,
        tally.bad,
        tally.nuls,
        tally.has_quotes,
        reason,
        others,
    )


def _first_bad(
    decoder: codecs.IncrementalDecoder, chunk: bytes, offset: int, *, final: bool = False
) -> int:
    pending = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        return offset - pending + error.start
    return -1


def _asked(path: Path, encoding: str) -> tuple[str, str, tuple[str, ...]]:
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigurationError(
            f"no encoding is named {encoding}",
            fields=("encoding",),
            hint="names are those of Python, such as utf-8, cp1252, cp1250, cp1251, shift_jis",
        ) from error
    bad = _first_undecodable(path, name)
    if bad >= 0:
        raise CorruptInput(
            f"byte {bad} is no {encoding}",
            reason="wrong_encoding",
            hint="name another encoding, or leave it out to have it found",
        )
    return name, "as asked", ()


def _first_undecodable(path: Path, encoding: str) -> int:
    """Offset of the first byte that an encoding does not have; -1 when it has all of them."""
    decoder, offset = codecs.getincrementaldecoder(encoding)(), 0
    with path.open("rb") as stream:
        while True:
            chunk = stream.read(_CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                return offset - pending + error.start
            if not chunk:
                return -1
            offset += len(chunk)


def _encoding(path: Path, tally: _Tally) -> tuple[str, str, tuple[str, ...]]:
    with path.open("rb") as stream:
        mark = stream.read(4)
    marked = next((name for sign, name in _MARKS if mark.startswith(sign)), "")
    if marked:
        return marked, "byte order mark", ()
    wide = _unmarked_wide(path, tally, mark)
    if wide:
        return wide, "every other byte is NUL", ()
    if tally.bad < 0:
        return UTF8, "every byte is valid UTF-8", ()
    if mark.startswith(codecs.BOM_UTF8) or _is_mostly_utf8(path):
        return DAMAGED_UTF8, "more valid UTF-8 characters than stray bytes", ()
    # Its patterns take longer to make than a small file of UTF-8 to read.
    from kmflow_orchestration.converters.encoding_guess import guess_encodings

    guesses = guess_encodings(tally.sample())
    fitting = [guess for guess in guesses if _first_undecodable(path, guess.encoding) < 0]
    if not fitting:
        return CP1252, "no other encoding has all its bytes", ()
    best = fitting[0]
    close = tuple(guess.encoding for guess in fitting[1:] if guess.score > best.score - 0.03)
    return best.encoding, best.reason, close


def _unmarked_wide(path: Path, tally: _Tally, start: bytes) -> str:
    if tally.nuls < _FEWEST_NULS or tally.nuls * _NUL_EVERY < tally.size:
        return ""
    if tally.nuls > 0.6 * tally.size:
        found = "utf-32-be" if start.startswith(b"\0\0\0") else "utf-32-le"
    elif tally.even_nuls > 0.9 * tally.nuls:
        found = "utf-16-be"
    elif tally.even_nuls < 0.1 * tally.nuls:
        found = "utf-16-le"
    else:
        return ""
    return found if _first_undecodable(path, found) < 0 else ""


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
    """A file as UTF-8 without BOM, whatever its encoding, ending in a line end.

    Only the bytes of that UTF-8 from `start_byte` on and before `stop_byte` (-1: all).
    """

    def __init__(
        self, path: Path, encoding: str, *, start_byte: int = 0, stop_byte: int = -1
    ) -> None:
        super().__init__()
        self._stream: BinaryIO = path.open("rb")
        self._decoder = decoder_of(encoding)
        self._left = stop_byte - start_byte if stop_byte >= 0 else -1
        self._last = b"\n"
        self._rest = b""
        self._is_over = False
        if start_byte:
            self._take(start_byte)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes but at the end: Arrow takes a short read for a whole block."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_CHUNK_BYTES), b""))
        if self._left < 0:
            return self._take(size)
        content = self._take(min(size, self._left))
        self._left -= len(content)
        return content

    def _take(self, size: int) -> bytes:
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
            text += b"" if self._last in (b"\n", b"\r") else b"\n"
        return text

    def close(self) -> None:
        self._stream.close()
        super().close()


def decoder_of(encoding: str) -> codecs.IncrementalDecoder:
    """A decoder for what `scan_text` found; it loses no byte of such a file."""
    if encoding == UTF16:
        return codecs.getincrementaldecoder("utf-16")("replace")
    if encoding == CP1252:
        return codecs.getincrementaldecoder("cp1252")(_SINGLE_BYTES)
    if encoding in (UTF8, DAMAGED_UTF8):
        return codecs.getincrementaldecoder("utf-8-sig")(_SINGLE_BYTES)
    return codecs.getincrementaldecoder(encoding)()


def text_chunks(path: Path, encoding: str, *, chars: int = _CHUNK_BYTES) -> Iterator[str]:
    """A file's text in pieces of about so many characters, without BOM."""
    decoder = decoder_of(encoding)
    with path.open("rb") as stream:
        while chunk := stream.read(chars):
            yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def read_text(path: Path, encoding: str) -> str:
    """A whole text file, for documents that are small by nature."""
    with Utf8Stream(path, encoding) as stream:
        return stream.read(-1).decode("utf-8")


def utf8_or_western(raw: bytes) -> str:
    """A text that says not how it is written: UTF-8, or else as Windows wrote it in the West."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def storable(text: str) -> str:
    """A text that UTF-8 can hold: a half of a character alone becomes U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
