"""Keys and values of columns that show up as their source is read: JSON, XML and their like."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

MAX_CELL_CHARACTERS = 100 << 20


class Form:
    """What a source says a value is, as bits; a column of several forms is text.

    Plain integers: they are joined for every value, and enumerations take four times as long.
    """

    TEXT = 1
    """Text, of which only dates and times are typed: the source has no other way to write them."""
    NUMBER = 2
    BOOLEAN = 4
    NESTED = 8
    UNSAID = 16
    """The source tells no types: all the lattice knows may be read from it."""

    NAMES: ClassVar[Mapping[int, str]] = {
        TEXT: "text",
        NUMBER: "number",
        BOOLEAN: "boolean",
        NESTED: "nested",
        UNSAID: "other",
    }


@dataclass(frozen=True, slots=True, eq=False)
class OwnColumn:
    """Key of a column that no name of a source can equal; with a leading `_` its name is kept.

    Told by identity, which is quick to look up: each is made once.
    """

    name: str


class NamedColumn:
    """Key of a column that is told by identity: others may have the same header."""

    __slots__ = ("header",)

    def __init__(self, header: str) -> None:
        self.header = header


ROW_ID, PARENT_ID = OwnColumn("_id"), OwnColumn("_parent_id")
Cell = tuple[Hashable, int, str | None]
"""Column key (a name, a path of names, or an own column), form and text."""


TextsOf = Callable[[Sequence[Any]], tuple[int, Sequence[str | bytes | None]]]
"""Makes forms and texts of a column's values, as their source has them."""


def header_of(key: Hashable) -> str:
    """The name of a column as its source has it; the parts of a path are joined by dots.

    Half a character of UTF-16 is its escape.
    """
    if isinstance(key, OwnColumn):
        return key.name
    if isinstance(key, NamedColumn):
        return key.header
    name = ".".join(key) if isinstance(key, tuple) else str(key)
    return name.encode("utf-8", "backslashreplace").decode()
