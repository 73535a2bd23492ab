"""XML as tables: one for each element that repeats (row D28).

What becomes what is in docs/decisions/0031.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from kmflow_orchestration.converters.content_look import look_at
from kmflow_orchestration.converters.gathered_table import GatheredTable
from kmflow_orchestration.converters.interface import (
    ConversionWarning,
    Receipt,
    Source,
)
from kmflow_orchestration.converters.kinds import TableConverter
from kmflow_orchestration.converters.packed_source import (
    look_inside,
    packed_suffixes,
    plain_file,
)
from kmflow_orchestration.converters.reader_options import ReaderOptions, refused
from kmflow_orchestration.converters.xml_gathering import XmlGathering
from kmflow_orchestration.converters.xml_parsing import UnboundPrefixError, parse, readable
from kmflow_orchestration.converters.xml_shape import Namespaces, Shape
from kmflow_orchestration.file_hash import sha256_of

# Names that say nothing; others may belong to a kind of XML that has a converter of its own.
_PLAIN_SUFFIXES = ("", ".txt", ".dat", ".csv", ".tsv", ".json")


@dataclass(frozen=True, slots=True)
class XmlOptions(ReaderOptions):
    """`namespace_handling`: `strip` to `name`, `prefix` to `p_name`, `preserve` as `{uri}name`."""

    namespace_handling: str = Namespaces.STRIP.value

    def check(self) -> None:
        """See ReaderOptions."""
        name, value = "namespace_handling", self.namespace_handling
        if value not in set(Namespaces):
            raise refused(name, f"is {value!r}", f"use {', '.join(Namespaces)}")


class XmlConverter(TableConverter):
    """Elements that repeat are rows, single ones below them and attributes are columns."""

    name: ClassVar[str] = "xml"
    version: ClassVar[str] = "1"
    media_types: ClassVar[tuple[str, ...]] = ("application/xml", "text/xml")
    suffixes: ClassVar[tuple[str, ...]] = packed_suffixes((".xml",))

    def detect(self, source: Source, head: bytes) -> float:
        """By its first tag; never for names of other kinds of XML (.bpmn, .svg, …)."""
        source, head = look_inside(source, head)
        is_named = source.suffix in self.suffixes
        look = look_at(head)
        if not look.is_text and look.announced != "xml":
            return 0.0
        begins, declares = _first_tag(head)
        if is_named:
            return 0.95 if begins else 0.4
        return 0.9 if declares and source.suffix in _PLAIN_SUFFIXES else 0.0

    def options(self) -> Mapping[str, Any]:
        return XmlOptions.defaults()

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[GatheredTable]:
        """A table of every element that repeats, and of each root that holds a value.

        Raises:
            CorruptInput: not well-formed (line and column are told), entities from outside or
                beyond measure (`xml_entities`), or beyond the limits (`too_large_inside`).
            ConfigurationError: an unknown option or value.
        """
        naming = Namespaces(XmlOptions.parse(options or {}).namespace_handling)
        with plain_file(source.path) as plain, readable(plain) as path:
            try:
                found = _gathered(path, naming, namespaces=True)
            except UnboundPrefixError:
                found = _gathered(path, naming, namespaces=False)
        return found.tables(
            Receipt(self.name, self.version, sha256_of(source.path), 0, 0),
            {"namespace_handling": naming.value},
        )


def _gathered(path: Path, naming: Namespaces, *, namespaces: bool) -> XmlGathering:
    """Read twice: whether an element repeats is known at the end alone."""
    shape = Shape(naming)
    parse(path, shape, namespaces=namespaces)
    told = []
    if shape.asides:
        text = f"{shape.asides} comments and processing instructions left out"
        told.append(ConversionWarning("asides", text))
    if not namespaces:
        text = "a prefix has no namespace: names were read as they stand"
        told.append(ConversionWarning("unbound_prefix", text))
    gathering = XmlGathering(shape, told)
    parse(path, gathering, namespaces=namespaces)
    return gathering


def _first_tag(head: bytes) -> tuple[bool, bool]:
    """Whether a text begins with a tag that is no page's, and whether it says that it is XML."""
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head[:512].decode("utf-16" if is_utf16 else "utf-8-sig", "replace").lstrip().lower()
    is_page = text.startswith(("<!doctype html", "<html"))
    return text.startswith("<") and not is_page, text.startswith("<?xml")
