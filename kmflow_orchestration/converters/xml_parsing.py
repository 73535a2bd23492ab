"""XML read as events, without a tree and without anything from outside (row D22).

Expat of the standard library: nothing is fetched, what entities may grow to is bounded, and memory
stays flat whatever the document.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol
from xml.parsers import expat

from kmflow_orchestration.converters.private_folder import private_folder
from kmflow_orchestration.errors import CorruptInput

ENTITIES = "xml_entities"
_CHUNK_BYTES = 1 << 20
TEXT_BYTES = 64 << 10
_NAMESPACE_END = "}"
_DECLARATION = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_REFERENCE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);|#)[^\s;<&]{1,64};")
_ERRORS = expat.errors.codes
_JUNK = _ERRORS[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
_UNBOUND = _ERRORS[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_AMPLIFIED = 43
_DECLARED = b"<?xml"
# What may be the beginning of a document, though a broken one: no end tag and no text.
_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*<[?!A-Za-z_:\x80-\xff]")
_LOOK_BYTES = 64


class UnboundPrefixError(Exception):
    """A prefix is used that no namespace was given: the file must be read without namespaces."""


class Reader(Protocol):
    """Hears what is in a file. Names are `{uri}local` and `p:local`, see `names_of`."""

    wants_texts: ClassVar[bool]
    wants_asides: ClassVar[bool]

    def document(self, number: int) -> None: ...
    def forget(self) -> None:
        """The document under way ends here: it is not well-formed."""
        ...

    def start(self, name: str, attributes: Mapping[str, str]) -> None: ...
    def text(self, text: str) -> None: ...
    def end(self, name: str) -> None: ...
    def aside(self, *_: str) -> None:
        """A comment or processing instruction."""
        ...


@dataclass(frozen=True, slots=True)
class BadDocument:
    """A document that is not well-formed, up to where the next one is declared.

    `line` is its first, `next_line` that of the document behind it; `end` is None for the last.
    """

    number: int
    start: int
    end: int | None
    line: int
    next_line: int
    problem: str

    def text(self, path: Path, most_bytes: int) -> str:
        """As it stands; bytes that are no UTF-8 as their escapes."""
        size = most_bytes if self.end is None else min(most_bytes, self.end - self.start)
        with path.open("rb") as stream:
            stream.seek(self.start)
            return stream.read(size).decode("utf-8", "backslashreplace")


class _NotWellFormedError(CorruptInput):
    """`at` is the byte where it shows."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def parse(
    path: Path, reader: Reader, *, namespaces: bool, bad: Sequence[BadDocument] | None = None
) -> list[BadDocument]:
    """Every document of a file, one after the other, but for the bad ones that are known.

    Without `bad` they are found: documents beside others that are not well-formed. The reader has
    then heard of them what comes before the fault.

    Raises:
        UnboundPrefixError: with `namespaces`, when a prefix has none.
        CorruptInput: not well-formed (with line and column) and no document beside others, or
            entities that are not ours to read (`xml_entities`).
    """
    known = {one.start: one for one in bad or ()}
    found: list[BadDocument] = []
    start, line, number = 0, 1, 0
    with path.open("rb") as stream:
        while True:
            number += 1
            passed = known.get(start)
            if passed is None:
                reader.document(number)
                one = _Document(reader, namespaces=namespaces)
                try:
                    rest = one.read(stream, start, line)
                except _NotWellFormedError as error:
                    if bad is not None:
                        raise CorruptInput(error.message) from error
                    passed = _set_apart(stream, start, line, number, error)
                    found.append(passed)
                    reader.forget()
            if passed is not None:
                rest = None if passed.end is None else (passed.end, passed.next_line)
            if rest is None:
                break
            start, line = rest
    if len(found) == number:
        raise CorruptInput(found[0].problem)
    return found


def _set_apart(
    stream: BinaryIO, start: int, line: int, number: int, error: _NotWellFormedError
) -> BadDocument:
    """A bad document of several. Raises what was wrong when it is the only one, or none at all."""
    stream.seek(start)
    end = _find(stream, _DECLARED, max(error.at, start + 1))
    stream.seek(start)
    if not _BEGINS.match(stream.read(_LOOK_BYTES)) or (number == 1 and end is None):
        raise CorruptInput(error.message) from error
    next_line = line
    if end is not None:
        stream.seek(start)
        left = end - start
        while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
            next_line += chunk.count(b"\n")
            left -= len(chunk)
    return BadDocument(number, start, end, line, next_line, error.message)


def _find(stream: BinaryIO, wanted: bytes, start: int) -> int | None:
    """The first place of some bytes from a place on."""
    stream.seek(start)
    kept = b""
    while chunk := stream.read(_CHUNK_BYTES):
        at = (kept + chunk).find(wanted)
        if at >= 0:
            return start - len(kept) + at
        start += len(chunk)
        kept = (kept + chunk)[-len(wanted) + 1 :]
    return None


def parser_for(reader: Reader, *, namespaces: bool) -> Any:
    """A parser that tells a reader what it asks for; of entities nothing is said."""
    parser: Any = expat.ParserCreate(namespace_separator=_NAMESPACE_END if namespaces else None)
    parser.buffer_text = True
    parser.buffer_size = TEXT_BYTES
    if namespaces:
        parser.namespace_prefixes = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    if reader.wants_texts:
        parser.CharacterDataHandler = reader.text
    if reader.wants_asides:
        parser.CommentHandler = reader.aside
        parser.ProcessingInstructionHandler = reader.aside
    return parser


class _Document:
    """One document, with nothing from outside."""

    def __init__(self, reader: Reader, *, namespaces: bool) -> None:
        self._looks_outside = False
        parser = parser_for(reader, namespaces=namespaces)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ExternalEntityRefHandler = self._refused
        parser.SkippedEntityHandler = self._refused
        self._parser = parser

    def read(self, stream: BinaryIO, start: int, line: int) -> tuple[int, int] | None:
        """Reads from a byte offset on. Where the next document begins, and in which line."""
        stream.seek(start)
        tail = b""
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                self._parser.Parse(chunk, False)
                if self._looks_outside:
                    # In an attribute such a reference would go without a word.
                    window = tail + chunk
                    if _REFERENCE.search(window):
                        self._refused("")
                    tail = window[-70:]
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            if error.code == _JUNK:
                at = start + self._parser.ErrorByteIndex
                stream.seek(at)
                if stream.read(1) == b"<":
                    return at, line + error.lineno - 1
            raise _told(error, line, start + self._parser.ErrorByteIndex) from error
        return None

    def _doctype(self, _name: str, system: str | None, _public: str | None, _inside: int) -> None:
        self._looks_outside = system is not None

    def _refused(self, name: str, *_: Any) -> int:
        what = f"the entity {name!r}" if name else "an entity"
        raise CorruptInput(
            f"{what} is defined outside the file, and nothing outside is read", reason=ENTITIES
        )


def _told(error: expat.ExpatError, first_line: int, at: int) -> Exception:
    if error.code == _UNBOUND:
        return UnboundPrefixError()
    if error.code == _AMPLIFIED:
        return CorruptInput("its entities grow beyond all measure", reason=ENTITIES)
    place = f"line {error.lineno + first_line - 1}, column {error.offset + 1}"
    return _NotWellFormedError(f"{place}: not well-formed: {expat.ErrorString(error.code)}", at)


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """The file itself, or a copy in UTF-8 where the declared encoding is one expat cannot read.

    Raises CorruptInput for an encoding nobody knows, or bytes that are not in it.
    """
    with path.open("rb") as stream:
        head = stream.read(1024)
    encoding = declared_encoding(head)
    if not encoding or _is_native(encoding):
        yield path
        return
    with private_folder("xml") as folder:
        copy = folder / "content"
        _transcode(path, copy, encoding)
        yield copy


def declared_encoding(head: bytes) -> str:
    """As the first bytes of a file say; '' when they do not."""
    match = _DECLARATION.match(head.removeprefix(codecs.BOM_UTF8))
    return match[1].decode() if match else ""


def _is_native(encoding: str) -> bool:
    probe = b'<?xml version="1.0" encoding="' + encoding.encode() + b'"?><a/>'
    try:
        expat.ParserCreate().Parse(probe, True)
    except ValueError:
        return False
    except (LookupError, expat.ExpatError) as error:
        # UTF-16 declared in a file whose first bytes are no UTF-16 is told when it is parsed.
        if encoding.lower().startswith("utf-16"):
            return True
        raise CorruptInput(f"its encoding {encoding!r} is unknown") from error
    return True


def _transcode(path: Path, copy: Path, encoding: str) -> None:
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise CorruptInput(f"its encoding {encoding!r} is unknown") from error
    is_first = True
    with path.open("rb") as source, copy.open("wb") as target:
        try:
            while chunk := source.read(_CHUNK_BYTES):
                text = decoder.decode(chunk)
                if is_first:
                    text = text.replace(encoding, "utf-8", 1)
                    is_first = False
                target.write(text.encode())
            target.write(decoder.decode(b"", final=True).encode())
        except UnicodeDecodeError as error:
            raise CorruptInput(f"its bytes are not in {encoding}, as it says") from error
