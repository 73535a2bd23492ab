"""XML as tables: one for each element that repeats (row D28).

What becomes what is in docs/decisions/0031.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
from kmflow_orchestration.converters.reader_options import FAIL, REJECT, ReaderOptions, refused
from kmflow_orchestration.converters.record_cells import Cell
from kmflow_orchestration.converters.xml_gathering import Surroundings, XmlGathering
from kmflow_orchestration.converters.xml_parsing import (
    UnboundPrefixError,
    parse,
    readable,
)
from kmflow_orchestration.converters.xml_plan import (
    Arrays,
    Flattening,
    check_record_path,
    plan_of,
)
from kmflow_orchestration.converters.xml_shape import Namespaces, Shape
from kmflow_orchestration.converters.xml_stretches import (
    LEAST_BYTES,
    NotStretchesError,
    StretchedFile,
)
from kmflow_orchestration.errors import CorruptInput
from kmflow_orchestration.file_hash import sha256_of

# Names that say nothing; others may belong to a kind of XML that has a converter of its own.
_CHOICES: Mapping[str, Sequence[str]] = {
    "namespace_handling": tuple(Namespaces),
    "flatten_strategy": tuple(Flattening),
    "array_handling": tuple(Arrays),
    # By itself they are a table.
    "bad_lines": ("", FAIL, REJECT),
}
_PLAIN_SUFFIXES = ("", ".txt", ".dat", ".csv", ".tsv", ".json")


@dataclass(frozen=True, slots=True)
class XmlOptions(ReaderOptions):
    """`namespace_handling`: `strip` to `name`, `prefix` to `p_name`, `preserve` as `{uri}name`.

    `flatten_strategy` and `array_handling` are told in docs/decisions/0042, `record_path` names the
    elements that are rows. `bad_lines`: one bad document of several is set apart in a table of its
    own, fails the file (`fail`), or counts as a rejected row (`reject`, see RejectsRows).
    """

    namespace_handling: str = Namespaces.STRIP.value
    flatten_strategy: str = Flattening.CONSERVATIVE.value
    array_handling: str = Arrays.EXPAND.value
    record_path: str = ""
    bad_lines: str = ""

    def check(self) -> None:
        """See ReaderOptions."""
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise refused(name, f"is {value!r}", f"use {', '.join(filter(None, allowed))}")
        check_record_path(self.record_path)


class XmlConverter(TableConverter):
    """Elements that repeat are rows, single ones below them and attributes are columns."""

    name: ClassVar[str] = "xml"
    version: ClassVar[str] = "2"
    media_types: ClassVar[tuple[str, ...]] = ("application/xml", "text/xml")
    suffixes: ClassVar[tuple[str, ...]] = packed_suffixes((".xml",))
    reader_options: ClassVar[type[ReaderOptions]] = XmlOptions

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

    def open_tables(
        self, source: Source, options: Mapping[str, Any] | None = None
    ) -> Sequence[GatheredTable]:
        """The tables that the options ask for; by themselves one of every element that repeats.

        Raises:
            CorruptInput: not well-formed (line and column are told), entities from outside or
                beyond measure (`xml_entities`), beyond the limits (`too_large_inside`), or nothing
                at `record_path`.
            ConfigurationError: an unknown option or value.
        """
        wanted = XmlOptions.parse(options or {})
        with plain_file(source.path) as plain, readable(plain) as path:
            try:
                found = _gathered(path, wanted, namespaces=True)
            except UnboundPrefixError:
                found = _gathered(path, wanted, namespaces=False)
        given = {name: value for name, value in asdict(wanted).items() if value}
        return found.tables(Receipt(self.name, self.version, sha256_of(source.path), 0, 0), given)


def _gathered(path: Path, wanted: XmlOptions, *, namespaces: bool) -> XmlGathering:
    """Read twice: whether an element repeats is known at the end alone."""
    naming = Namespaces(wanted.namespace_handling)
    shape = Shape(naming)
    stretched = _stretched(path, shape) if namespaces else None
    if stretched is None:
        shape = Shape(naming)
    bad = [] if stretched is not None else parse(path, shape, namespaces=namespaces)
    if bad and wanted.bad_lines == FAIL:
        raise CorruptInput(bad[0].problem)
    if bad:
        shape = Shape(naming)
        parse(path, shape, namespaces=namespaces, bad=bad)
        shape.documents = max(shape.documents, bad[-1].number)

    def again(reader: XmlGathering) -> None:
        if stretched is None:
            parse(path, reader, namespaces=namespaces, bad=bad)
        else:
            stretched.replay(reader)

    plan = plan_of(
        shape,
        Flattening(wanted.flatten_strategy),
        Arrays(wanted.array_handling),
        wanted.record_path,
    )
    around: Mapping[int, Sequence[Cell]] = {}
    if plan.wide:
        surroundings = Surroundings(shape, plan)
        again(surroundings)
        around = surroundings.found
    gathering = XmlGathering(shape, plan, around)
    again(gathering)
    if wanted.record_path and not gathering.rows:
        raise CorruptInput(f"nothing lies at record_path {wanted.record_path!r}")
    gathering.told += _told(shape, gathering, namespaces=namespaces)
    if bad:
        where = gathering.add_rejected(bad, path, as_rows=wanted.bad_lines == REJECT)
        text = (
            f"{len(bad)} of {shape.documents} documents are not well-formed: kept as text {where}; "
            f"{bad[0].problem}"
        )
        told = ConversionWarning("documents_skipped", text, f"document {bad[0].number}")
        gathering.told_of_all.append(told)
    return gathering


def _stretched(path: Path, shape: Shape) -> StretchedFile | None:
    """None for a file that the parser must read alone; the shape is then not of all of it."""
    if path.stat().st_size < LEAST_BYTES:
        return None
    try:
        return StretchedFile(path, shape)
    except NotStretchesError:
        return None


def _told(
    shape: Shape, gathering: XmlGathering, *, namespaces: bool
) -> Iterator[ConversionWarning]:
    if shape.asides:
        text = f"{shape.asides} comments and processing instructions left out"
        yield ConversionWarning("asides", text)
    if not namespaces:
        text = "a prefix has no namespace: names were read as they stand"
        yield ConversionWarning("unbound_prefix", text)
    if gathering.left_out:
        text = f"{gathering.left_out} values lie beside record_path: left out"
        yield ConversionWarning("outside_record_path", text)


def _first_tag(head: bytes) -> tuple[bool, bool]:
    """Whether a text begins with a tag that is no page's, and whether it says that it is XML."""
    is_utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head[:512].decode("utf-16" if is_utf16 else "utf-8-sig", "replace").lstrip().lower()
    is_page = text.startswith(("<!doctype html", "<html"))
    return text.startswith("<") and not is_page, text.startswith("<?xml")
