"""The shape of an XML file: which elements there are, and which of them repeat."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.record_cells import NamedColumn
from kmflow_orchestration.errors import CorruptInput

MAX_DEPTH = 200
_MAX_ELEMENTS = 100_000


class Namespaces(StrEnum):
    """How a name with a namespace is written in columns and parts."""

    STRIP = "strip"
    PREFIX = "prefix"
    PRESERVE = "preserve"

    def shown(self, name: str) -> str:
        """A name as expat gives it: `uri}local`, with `}prefix` behind it where there is one."""
        parts = name.split("}")
        if len(parts) == 1:
            # Without namespaces a prefix is part of the name.
            return name.rpartition(":")[2] if self is Namespaces.STRIP else name.replace(":", "_")
        uri, local, prefix = (*parts, "")[:3]
        if self is Namespaces.PRESERVE:
            return f"{{{uri}}}{local}"
        return f"{prefix}_{local}" if prefix and self is Namespaces.PREFIX else local


class Element:
    """An element by its path: all elements with the same names up to the root are one.

    `repeats` when it stands twice under one parent anywhere in the file. What it becomes is the
    plan's to say (see xml_plan): `base` is the element whose row or item it is part of, `leads` the
    first name of its columns, if any.
    """

    __slots__ = (
        *("array", "base", "children", "count", "depth", "has_attributes", "is_leaf"),
        *("leads", "name", "own", "parent", "repeats", "seen_in", "shown"),
        *("_attributes", "_mixed", "_naming"),
    )

    def __init__(self, name: str, parent: Element | None, naming: Namespaces) -> None:
        self.name = name
        self.shown = naming.shown(name)
        self.parent = parent
        self.depth: int = 1 if parent is None else parent.depth + 1
        self.repeats = self.has_attributes = self.is_leaf = False
        self.count = 0
        self.seen_in = 0
        """Which of the elements above, by its count, the last one stood in."""
        self.children: dict[str, Element] = {}
        self.base: Element = self
        self.leads = ""
        self._naming = naming
        self._attributes: dict[str, NamedColumn] = {}
        self._mixed: NamedColumn | None = None
        self.name_columns()

    @property
    def is_plain(self) -> bool:
        """Whether none had an attribute or a child."""
        return not self.children and not self.has_attributes

    def name_columns(self) -> None:
        """Names what is asked for all the time, after `base` and `leads` were decided.

        `own` is the column of its text when it has no children, `array` that of all its items
        where they lie in one cell of what is around.
        """
        self.own = NamedColumn(self.header or "#text")
        around = self.parent.base if self.parent is not None else self
        self.array = NamedColumn("_".join(one.shown for one in self._up(around)))

    def attribute(self, name: str) -> NamedColumn:
        column = self._attributes.get(name)
        if column is None:
            header = f"{self.header}@{self._naming.shown(name)}"
            column = self._attributes[name] = NamedColumn(header)
        return column

    @property
    def mixed(self) -> NamedColumn:
        """The column of the text between its children."""
        if self._mixed is None:
            header = self.header
            self._mixed = NamedColumn(f"{header}#text") if header else self.own
        return self._mixed

    @property
    def part(self) -> str:
        """Names below the root, '' for a root."""
        return ".".join(one.shown for one in self._up(None))

    @property
    def header(self) -> str:
        """Names below the row's own element."""
        names = [one.shown for one in self._up(self.base)]
        return "_".join([self.base.leads, *names] if self.base.leads else names)

    def _up(self, end: Element | None) -> list[Element]:
        found: list[Element] = []
        one: Element = self
        while one is not end and one.parent is not None:
            found.insert(0, one)
            one = one.parent
        return found


class Shape:
    """A reader that learns which elements a file has; afterwards every path is known.

    Raises CorruptInput (`too_large_inside`) where they are too many or too deep.
    """

    wants_texts: ClassVar[bool] = False
    wants_asides: ClassVar[bool] = True

    def __init__(self, naming: Namespaces) -> None:
        self.roots: dict[str, Element] = {}
        self.documents = 0
        self.asides = 0
        self._naming = naming
        self._above: Element | None = None
        self._count = 0

    def document(self, number: int) -> None:
        self.documents = max(self.documents, number)

    def forget(self) -> None:
        self._above = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        above = self._above
        known = self.roots if above is None else above.children
        element = known.get(name) or self._new(known, name)
        if above is not None:
            if element.seen_in == above.count:
                element.repeats = True
            element.seen_in = above.count
        element.count += 1
        if attributes:
            element.has_attributes = True
        self._above = element

    def _new(self, known: dict[str, Element], name: str) -> Element:
        self._count += 1
        if self._count > _MAX_ELEMENTS:
            raise CorruptInput(f"more than {_MAX_ELEMENTS} different elements", reason=TOO_LARGE)
        element = known[name] = Element(name, self._above, self._naming)
        if element.depth > MAX_DEPTH:
            raise CorruptInput(f"elements lie more than {MAX_DEPTH} levels deep", reason=TOO_LARGE)
        return element

    def text(self, text: str) -> None:
        """Not asked for."""

    def end(self, name: str) -> None:
        if self._above is not None:
            self._above = self._above.parent

    def aside(self, *_: str) -> None:
        self.asides += 1

    @property
    def around(self) -> dict[str, Element]:
        """The elements beside the one that ended last, by name."""
        return self.roots if self._above is None else self._above.children
