"""The shape of an XML file: which elements there are, and which of them repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.record_tables import (
    MAX_CELL_CHARACTERS,
    NamedColumn,
)
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

    `repeats` when it stands twice under one parent anywhere in the file, `is_plain` as long as no
    one had an attribute or a child. What it becomes is the plan's to say (see xml_plan): `base` is
    the element whose row or item it is part of, `leads` the first name of its columns, if any.
    """

    def __init__(self, name: str, parent: Element | None, naming: Namespaces) -> None:
        self.name = name
        self.shown = naming.shown(name)
        self.parent = parent
        self.repeats = False
        self.is_plain = True
        self.count = 0
        self.seen_in: object = None
        self.children: dict[str, Element] = {}
        self.base: Element = self
        self.leads = ""
        self._naming = naming
        self._attributes: dict[str, NamedColumn] = {}
        self._own: NamedColumn | None = None
        self._mixed: NamedColumn | None = None
        self._array: NamedColumn | None = None

    def attribute(self, name: str) -> NamedColumn:
        column = self._attributes.get(name)
        if column is None:
            header = f"{self.header}@{self._naming.shown(name)}"
            column = self._attributes[name] = NamedColumn(header)
        return column

    @property
    def own(self) -> NamedColumn:
        """The column of its text when it has no children."""
        if self._own is None:
            self._own = NamedColumn(self.header or "#text")
        return self._own

    @property
    def mixed(self) -> NamedColumn:
        """The column of the text between its children."""
        if self._mixed is None:
            header = self.header
            self._mixed = NamedColumn(f"{header}#text") if header else self.own
        return self._mixed

    @property
    def array(self) -> NamedColumn:
        """The column of all its items where they lie in one cell of what is around."""
        if self._array is None:
            around = self.parent.base if self.parent is not None else self
            self._array = NamedColumn("_".join(one.shown for one in self._up(around)))
        return self._array

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


@dataclass(slots=True, eq=False)
class _Open:
    """An element under way: how much text it holds, and how much space at a time."""

    element: Element
    characters: int = 0
    blank: int = 0


class Shape:
    """A reader that learns which elements a file has; afterwards every path is known.

    It comes first, so it watches the limits too. Raises CorruptInput (`too_large_inside`).
    """

    def __init__(self, naming: Namespaces) -> None:
        self.roots: dict[str, Element] = {}
        self.documents = 0
        self.asides = 0
        self._naming = naming
        self._open: list[_Open] = []
        self._count = 0

    def document(self, number: int) -> None:
        self.documents = max(self.documents, number)

    def forget(self) -> None:
        self._open.clear()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self._open:
            element = self._element(self.roots, name, None)
            element.count += 1
            self._open.append(_Open(element))
            return
        if len(self._open) >= MAX_DEPTH:
            raise CorruptInput(f"elements lie more than {MAX_DEPTH} levels deep", reason=TOO_LARGE)
        above = self._open[-1]
        above.blank = 0
        element = self._element(above.element.children, name, above.element)
        above.element.is_plain = False
        if element.seen_in is above:
            element.repeats = True
        element.seen_in = above
        element.count += 1
        if attributes:
            element.is_plain = False
        self._open.append(_Open(element))

    def _element(self, known: dict[str, Element], name: str, parent: Element | None) -> Element:
        element = known.get(name)
        if element is None:
            self._count += 1
            if self._count > _MAX_ELEMENTS:
                raise CorruptInput(
                    f"more than {_MAX_ELEMENTS} different elements", reason=TOO_LARGE
                )
            element = known[name] = Element(name, parent, self._naming)
        return element

    def text(self, text: str) -> None:
        above = self._open[-1]
        if text.isspace():
            above.blank += len(text)
        else:
            above.characters += len(text)
        if max(above.blank, above.characters) > MAX_CELL_CHARACTERS:
            raise CorruptInput(
                f"a text of more than {MAX_CELL_CHARACTERS} characters", reason=TOO_LARGE
            )

    def end(self, name: str) -> None:
        self._open.pop()

    def aside(self, *_: str) -> None:
        self.asides += 1

    def elements(self) -> Iterator[Element]:
        waiting = list(self.roots.values())
        while waiting:
            one = waiting.pop()
            yield one
            waiting += one.children.values()
