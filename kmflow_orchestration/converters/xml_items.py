"""What is gathered of one element of a row, and the rows and texts that come of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.converters.failures import TOO_LARGE
from kmflow_orchestration.converters.record_cells import (
    MAX_CELL_CHARACTERS,
    Cell,
    Form,
    NamedColumn,
)
from kmflow_orchestration.converters.xml_shape import Element
from kmflow_orchestration.errors import CorruptInput

BETWEEN = " | "
LESS_WIDE = (
    "leave --flatten-strategy and --array-handling as they are by default, or name smaller rows "
    "with --record-path"
)
# What a value takes in memory besides its characters, about.
_VALUE_BYTES = 64


class Listed(str):
    """Several texts in one."""

    __slots__ = ()


def forms_and_texts(values: Sequence[Any]) -> tuple[int, Sequence[str]]:
    """Forms of a column's texts, joined."""
    kinds = set(map(type, values))
    listed = Form.NESTED if Listed in kinds else 0
    return listed | (Form.UNSAID if str in kinds else 0), values


@dataclass(slots=True, eq=False)
class Item:
    """A row under way, a further row of it, or an item of an array in a cell.

    `joined` are values of cells that take many (`counted` of them are in `size`), `below` the
    further rows, by their element; the first `ids` cells number the row.
    """

    number: int = 0
    cells: list[Cell] = field(default_factory=list)
    joined: list[Cell] = field(default_factory=list)
    arrays: dict[Element, list[str]] = field(default_factory=dict)
    below: dict[Element, list[Item]] = field(default_factory=dict)
    size: int = 0
    counted: int = 0
    ids: int = 0

    def grow(self, size: int) -> None:
        """Count what is kept until the row is whole. Raises CorruptInput beyond the limit."""
        self.size += size
        if self.size > MAX_CELL_CHARACTERS:
            raise CorruptInput(
                f"a row keeps more than {MAX_CELL_CHARACTERS} characters in memory",
                reason=TOO_LARGE,
                hint=LESS_WIDE,
            )

    def settle(self) -> None:
        """Make cells of the lists, in the order of their first values."""
        if self.joined:
            lists: dict[NamedColumn, list[str]] = {}
            for key, _, text in self.joined:
                if isinstance(key, NamedColumn) and text is not None:
                    lists.setdefault(key, []).append(_escaped(text))
            self.cells += [
                (key, Form.NESTED, Listed(BETWEEN.join(one))) for key, one in lists.items()
            ]
            self.joined = []
        for element, texts in self.arrays.items():
            self.cells.append((element.array, Form.NESTED, Listed(f"[{','.join(texts)}]")))
        self.arrays = {}


def size_of(cells: Sequence[Cell]) -> int:
    """About what cells take in memory."""
    return sum(len(text or "") + _VALUE_BYTES for _, _, text in cells)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


class ItemTexts:
    """Items of arrays as JSON: an object with the names a table of them would have as columns.

    Items that are never more than text are texts.
    """

    def __init__(self) -> None:
        self._names: dict[Element, dict[NamedColumn, str]] = {}

    def of(self, element: Element, item: Item) -> str:
        if element.is_plain:
            return _quoted("".join(text or "" for _, _, text in item.cells))
        names = self._names.setdefault(element, {})
        members = [f"{self._name(names, key)}:{_quoted(text or '')}" for key, _, text in item.cells]
        for inner, texts in item.arrays.items():
            members.append(f"{self._name(names, inner.array)}:[{','.join(texts)}]")
        return f"{{{','.join(members)}}}"

    @staticmethod
    def _name(names: dict[NamedColumn, str], key: object) -> str:
        """Quoted, and numbered where several have the same."""
        if not isinstance(key, NamedColumn):
            return _quoted(str(key))
        if key not in names:
            name, number = key.header, 1
            while _quoted(name) in names.values():
                number += 1
                name = f"{key.header}_{number}"
            names[key] = _quoted(name)
        return names[key]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def rows_side_by_side(item: Item) -> list[list[Cell]]:
    """A row for each innermost item; arrays lie side by side, and nothing is said twice."""
    rows = [list(item.cells)]
    for items in item.below.values():
        at = 0
        for one in items:
            for row in rows_side_by_side(one):
                if at == len(rows):
                    rows.append([])
                rows[at] += row
                at += 1
    return rows


def rows_along_path(item: Item, above: Sequence[Cell] = ()) -> Iterator[list[Cell]]:
    """A row for each innermost item, with all that the items around it say."""
    cells = [*above, *item.cells]
    if not item.below:
        yield cells
    for items in item.below.values():
        for one in items:
            yield from rows_along_path(one, cells)
