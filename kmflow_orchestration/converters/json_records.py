"""JSON documents and lines of JSON (also compressed) as tables of their records (row D33).

What becomes what is in docs/decisions/0031.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from kmflow_orchestration.converters.column_names import column_names
from kmflow_orchestration.converters.content_look import HEAD_BYTES, look_at
from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import ColumnFact, Source
from kmflow_orchestration.converters.json_copied import CopiedLines
from kmflow_orchestration.converters.json_gathering import (
    NAME,
    VERSION,
    Gathering,
    JsonOptions,
    receipt_of,
)
from kmflow_orchestration.converters.json_stream import JsonScanner, json_lines
from kmflow_orchestration.converters.json_text import DECODER
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.packed_source import (
    PlainCopy,
    look_inside,
    packed_suffixes,
)
from kmflow_orchestration.converters.proven_copy import (
    WORTHWHILE_BYTES,
    CopyFolder,
    MisfitError,
    TypedCopy,
    may_copy,
)
from kmflow_orchestration.converters.reader_options import ReaderOptions
from kmflow_orchestration.converters.text_encoding import (
    TextScan,
    Utf8Stream,
    encoding_warnings,
    scan_text,
)
from kmflow_orchestration.file_hash import sha256_of

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".geojson")
_LINES_SUFFIXES = packed_suffixes((".jsonl", ".ndjson"))
_LAYOUT_BYTES = 1 << 20
_BLANK = " \t\r"


class JsonConverter(TableConverter):
    """Every object is a row, every key a column; see JsonOptions."""

    name: ClassVar[str] = NAME
    version: ClassVar[str] = VERSION
    media_types: ClassVar[tuple[str, ...]] = ("application/json", "application/jsonl")
    suffixes: ClassVar[tuple[str, ...]] = packed_suffixes(_SUFFIXES)
    reader_options: ClassVar[type[ReaderOptions]] = JsonOptions

    def detect(self, source: Source, head: bytes) -> float:
        """By a first value that is JSON."""
        source, head = look_inside(source, head)
        is_named = source.suffix in self.suffixes
        look = look_at(head)
        if not look.is_text or look.announced:
            return 0.0
        if _begins_as_json(head, is_whole=len(head) < HEAD_BYTES):
            return 0.95
        return 0.4 if is_named else 0.0

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[GatheredTable | CopiedLines]:
        """The records' table, and one for each array of objects that hangs on a document.

        Raises:
            CorruptInput: no JSON (line and column are told), no object and no array in it, or
                beyond the limits (`too_large_inside`).
            ConfigurationError: an unknown option or value.
        """
        wanted = JsonOptions.parse(options or {})
        plain = PlainCopy(source.path)
        scan = scan_text(plain.path)
        content_hash = sha256_of(source.path) if plain.is_unpacked else scan.content_hash
        is_lines = not wanted.record_path and _is_lines(plain.path, scan, source)
        reading = JsonReading(plain, replace(scan, content_hash=content_hash), wanted, is_lines)
        copied = reading.copied() if scan.size_bytes >= WORTHWHILE_BYTES else None
        return reading.gathered() if copied is None else [copied]


@dataclass(frozen=True, slots=True)
class JsonReading:
    """How a file is read; it keeps the plain copy while a table may need it."""

    plain: PlainCopy
    scan: TextScan
    options: JsonOptions
    is_lines: bool

    @property
    def _facts(self) -> dict[str, str]:
        layout = "lines" if self.is_lines else "document"
        return {"layout": layout, "encoding": self.scan.encoding}

    def gathered(self) -> list[GatheredTable]:
        gathering = Gathering(self.options)
        with Utf8Stream(self.plain.path, self.scan.encoding) as stream:
            if self.is_lines:
                gathering.take_lines(json_lines(stream))
            else:
                gathering.take_document(JsonScanner(stream))
        warnings = tuple(encoding_warnings(self.scan))
        return gathering.tables(self.scan.content_hash, self._facts, warnings)

    def copied(self) -> CopiedLines | None:
        """The one table of lines that may be copied; None where they may be anything else."""
        scan = self.scan
        is_plain = scan.is_sound_utf8 and not scan.nul_count
        if not is_plain or not self.is_lines or self.options.flatten:
            return None
        if not may_copy(self.plain.path):
            return None
        folder = CopyFolder()
        try:
            keys, names, copy = self._copied_into(folder.file)
        except MisfitError:
            folder.remove()
            return None
        columns = zip(names, keys, copy.types, copy.nulls, strict=True)
        facts = tuple(ColumnFact(*column) for column in columns)
        receipt = receipt_of(
            self.options, self._facts, scan.content_hash, read=copy.rows, written=copy.rows
        )
        return CopiedLines(copy, folder, facts, receipt, lambda: self.gathered()[0])

    def _copied_into(self, target: Path) -> tuple[tuple[str, ...], tuple[str, ...], TypedCopy]:
        """Keys, names of columns and the copy. Raises MisfitError."""
        # They need numpy, which is there where a file may be copied.
        from kmflow_orchestration.converters.json_blocks import JsonLines
        from kmflow_orchestration.converters.json_copy import LinesCopy

        lines = JsonLines(self.plain.path)
        names = column_names(lines.keys)
        copy = LinesCopy(lines, names, target)
        try:
            return lines.keys, names, copy.done()
        except MisfitError:
            if not copy.has_new_keys:
                raise
        lines.look_for_keys()
        names = column_names(lines.keys)
        return lines.keys, names, LinesCopy(lines, names, target).done()


def _begins_as_json(head: bytes, *, is_whole: bool) -> bool:
    """Whether the first value is JSON, as far as the head goes; a plain value proves nothing."""
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = head.decode("utf-16" if is_utf16 else "utf-8-sig", "replace").lstrip()
    if text[:1] not in ("{", "["):
        return False
    try:
        DECODER.raw_decode(text)
    except ValueError as error:
        position = getattr(error, "pos", 0)
        is_cut = position >= len(text) - 16 or text[position : position + 1] == '"'
        return is_cut and not is_whole
    except RecursionError:
        return True
    return True


def _is_lines(path: Path, scan: TextScan, source: Source) -> bool:
    """A first line that is a whole value, with more behind it."""
    if source.suffix in _LINES_SUFFIXES or source.double_suffix in _LINES_SUFFIXES:
        return True
    with Utf8Stream(path, scan.encoding) as stream:
        text = stream.read(_LAYOUT_BYTES).decode("utf-8", "ignore")
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip():
        return False
    try:
        DECODER.decode(first.strip(_BLANK))
    except (ValueError, RecursionError):
        return False
    return True
