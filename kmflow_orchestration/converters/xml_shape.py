"""The shape of an XML file: which elements there are, and which of them repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

    `is_table` when it is a root, or stands twice under one parent anywhere in the file.
    """

    def __init__(self, name: str, parent: Element | None, naming: Namespaces) -> None:
        self.shown = naming.shown(name)
        self.parent = parent
        self.is_table = parent is None
        self.children: dict[str, Element] = {}
        self._naming = naming
        self._attributes: dict[str, NamedColumn] = {}
        self._own: NamedColumn | None = None
        self._mixed: NamedColumn | None = None

    def attribute(self, name: str) -> NamedColumn:
        column = self._attributes.get(name)
        if column is None:
            header = f"{self._header()}@{self._naming.shown(name)}"
            column = self._attributes[name] = NamedColumn(header)
        return column

    @property
    def own(self) -> NamedColumn:
        """The column of its text when it has no children."""
        if self._own is None:
            self._own = NamedColumn(self._header() or "#text")
        return self._own

    @property
    def mixed(self) -> NamedColumn:
        """The column of the text between its children."""
        if self._mixed is None:
            self._mixed = self.own if self.is_table else NamedColumn(f"{self._header()}#text")
        return self._mixed

    @property
    def part(self) -> str:
        """Names below the root, '' for a root."""
        return ".".join(one.shown for one in self._up(None))

    def _header(self) -> str:
        """Names below the row's own element."""
        return "_".join(one.shown for one in self._up(self.table))

    def _up(self, end: Element | None) -> list[Element]:
        found: list[Element] = []
        one: Element = self
        while one is not end and one.parent is not None:
            found.insert(0, one)
            one = one.parent
        return found

    @property
    def table(self) -> Element:
        """The element whose rows it is part of."""
        one = self
        while not one.is_table and one.parent is not None:
            one = one.parent
        return one

    @property
    def parent_table(self) -> Element | None:
        return self.table.parent.table if self.table.parent is not None else None


@dataclass(slots=True)
class _Open:
    """An element under way: the names seen in it, how much text, and how much space at a time."""

    element: Element
    seen: set[str] = field(default_factory=set)
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

    def document(self) -> None:
        self.documents += 1

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if not self._open:
            element = self._element(self.roots, name, None)
            self._open.append(_Open(element))
            return
        if len(self._open) >= MAX_DEPTH:
            raise CorruptInput(f"elements lie more than {MAX_DEPTH} levels deep", reason=TOO_LARGE)
        above = self._open[-1]
        above.blank = 0
        element = self._element(above.element.children, name, above.element)
        if name in above.seen:
            element.is_table = True
        above.seen.add(name)
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
