"""XML read as events, without a tree and without anything from outside (row D22).

Expat of the standard library: nothing is fetched, what entities may grow to is bounded, and memory
stays flat whatever the document.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Protocol
from xml.parsers import expat

from kmflow_orchestration.errors import CorruptInput

ENTITIES = "xml_entities"
_CHUNK_BYTES = 1 << 20
_NAMESPACE_END = "}"
_DECLARATION = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_REFERENCE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);|#)[^\s;<&]{1,64};")
_ERRORS = expat.errors.codes
_JUNK = _ERRORS[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
_UNBOUND = _ERRORS[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_AMPLIFIED = 43


class UnboundPrefixError(Exception):
    """A prefix is used that no namespace was given: the file must be read without namespaces."""


class Reader(Protocol):
    """Hears what is in a file. Names are `{uri}local` and `p:local`, see `names_of`."""

    def document(self) -> None: ...
    def start(self, name: str, attributes: Mapping[str, str]) -> None: ...
    def text(self, text: str) -> None: ...
    def end(self, name: str) -> None: ...
    def aside(self, *_: str) -> None:
        """A comment or processing instruction."""
        ...


def parse(path: Path, reader: Reader, *, namespaces: bool) -> None:
    """Every document of a file, one after the other.

    Raises:
        UnboundPrefixError: with `namespaces`, when a prefix has none.
        CorruptInput: not well-formed (with line and column), or entities that are not ours to
            read (`xml_entities`).
    """
    with path.open("rb") as stream:
        start, line = 0, 1
        while True:
            one = _Document(reader, namespaces=namespaces)
            rest = one.read(stream, start, line)
            if rest is None:
                return
            start, line = rest


class _Document:
    """One document, with nothing from outside."""

    def __init__(self, reader: Reader, *, namespaces: bool) -> None:
        self._looks_outside = False
        parser: Any = expat.ParserCreate(namespace_separator=_NAMESPACE_END if namespaces else None)
        parser.buffer_text = True
        if namespaces:
            parser.namespace_prefixes = True
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.text
        parser.CommentHandler = reader.aside
        parser.ProcessingInstructionHandler = reader.aside
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ExternalEntityRefHandler = self._refused
        parser.SkippedEntityHandler = self._refused
        self._parser = parser
        reader.document()

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
            raise _told(error, line) from error
        return None

    def _doctype(self, _name: str, system: str | None, _public: str | None, _inside: int) -> None:
        self._looks_outside = system is not None

    def _refused(self, name: str, *_: Any) -> int:
        what = f"the entity {name!r}" if name else "an entity"
        raise CorruptInput(
            f"{what} is defined outside the file, and nothing outside is read", reason=ENTITIES
        )


def _told(error: expat.ExpatError, first_line: int) -> Exception:
    if error.code == _UNBOUND:
        return UnboundPrefixError()
    if error.code == _AMPLIFIED:
        return CorruptInput("its entities grow beyond all measure", reason=ENTITIES)
    place = f"line {error.lineno + first_line - 1}, column {error.offset + 1}"
    return CorruptInput(f"{place}: not well-formed: {expat.ErrorString(error.code)}")


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """The file itself, or a copy in UTF-8 where the declared encoding is one expat cannot read.

    Raises CorruptInput for an encoding nobody knows, or bytes that are not in it.
    """
    with path.open("rb") as stream:
        head = stream.read(1024)
    match = _DECLARATION.match(head.removeprefix(codecs.BOM_UTF8))
    encoding = match[1].decode() if match else ""
    if not encoding or _is_native(encoding):
        yield path
        return
    with TemporaryDirectory(prefix="kmflow-xml-") as folder:
        copy = Path(folder) / "content"
        _transcode(path, copy, encoding)
        yield copy


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
