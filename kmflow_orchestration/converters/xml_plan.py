"""What each element of an XML file becomes: a row, a further row, a list in a cell, or columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from kmflow_orchestration.converters.reader_options import refused
from kmflow_orchestration.converters.xml_shape import Element, Shape

_NAME = r"[^/:*\[\]@(){}=.\s]+"
_STEP = rf"(?:{_NAME}:)?(?:{_NAME}|\*)"
_XPATH = re.compile(rf"/{{0,2}}{_STEP}(?:/{{1,2}}{_STEP})*")
_PIECE = re.compile(rf"(?P<slashes>/{{0,2}})(?:(?P<prefix>{_NAME}):)?(?P<local>{_NAME}|\*)")


class Flattening(StrEnum):
    """Which elements that repeat are tables of their own."""

    CONSERVATIVE = "conservative"
    """All of them."""
    MODERATE = "moderate"
    """The outermost ones; what repeats below is an array."""
    AGGRESSIVE = "aggressive"
    """Those beside one path of arrays; along it each innermost item is a row of one wide table."""


class Arrays(StrEnum):
    """What becomes of an array that is no table."""

    EXPAND = "expand"
    CONCATENATE = "concatenate"
    JSON_STRING = "json_string"


class Role:
    """Plain integers: they are compared for every element."""

    COLUMNS = 0
    """Part of what is around it."""
    ROW = 1
    FURTHER = 2
    """Further rows of the table around."""
    JOINED = 3
    """Texts in one cell of what is around."""
    ITEM = 4
    """An item of a JSON array in one cell of what is around."""
    OUTSIDE = 5
    """Not asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Roles of all elements of a file.

    `wide` are the elements whose rows repeat what stands around them, by the root they belong to;
    `levels` number the elements of further rows that have ids of their own, from 2.
    """

    roles: dict[Element, int]
    wide: dict[Element, Element] = field(default_factory=dict)
    levels: dict[Element, int] = field(default_factory=dict)

    def row_around(self, element: Element) -> Element | None:
        """The element whose rows those of this one hang on."""
        one = element.parent
        while one is not None and self.roles[one] not in (Role.ROW, Role.FURTHER):
            one = one.parent
        return one

    @property
    def of_surroundings(self) -> dict[Element, int]:
        """The roles when only what stands around the rows of wide tables is wanted."""
        found: dict[Element, int] = {}
        for element in self.roles:
            above = found.get(element.parent) if element.parent is not None else None
            is_around = self.roles[element] == Role.COLUMNS and above != Role.OUTSIDE
            if element.parent is None:
                found[element] = Role.ROW if element in self.wide else Role.OUTSIDE
            else:
                found[element] = Role.COLUMNS if is_around else Role.OUTSIDE
        return found


def plan_of(shape: Shape, flattening: Flattening, arrays: Arrays, record_path: str) -> Plan:
    """The plan for a file of this shape; afterwards the columns of its elements have names."""
    planner = _Planner(flattening, arrays, _pattern(record_path) if record_path else None)
    for root in shape.roots.values():
        planner.settle_root(root)
    for element in planner.plan.roles:
        element.name_columns()
    return planner.plan


def check_record_path(path: str) -> None:
    """Raises ConfigurationError for what is no path of names."""
    if path and not _XPATH.fullmatch(path):
        raise refused(
            "record_path",
            f"is {path!r}, no path of names",
            "write it as /orders/order, //order or p:order; * is any name",
        )


def _pattern(path: str) -> re.Pattern[str]:
    """The path as a pattern over `/name/p:name`."""
    found = ""
    for at, piece in enumerate(_PIECE.finditer(path)):
        if piece["slashes"] == "//" or (at == 0 and not piece["slashes"]):
            found += "(?:/[^/]+)*"
        local = "[^/:]+" if piece["local"] == "*" else re.escape(piece["local"])
        prefix = re.escape(piece["prefix"]) + ":" if piece["prefix"] else "(?:[^/:]+:)?"
        found += f"/{prefix}{local}"
    return re.compile(found)


def written_name(name: str) -> str:
    """A name of the parser as it stands in the file: `local` or `p:local`."""
    parts = name.split("}")
    return f"{parts[2]}:{parts[1]}" if len(parts) == 3 else parts[-1]


class _Planner:
    def __init__(
        self, flattening: Flattening, arrays: Arrays, records: re.Pattern[str] | None
    ) -> None:
        self._flattening = flattening
        self._arrays = arrays
        self._records = records
        self.plan = Plan({})

    def settle_root(self, root: Element) -> None:
        if self._records is not None:
            self._find_records(root, f"/{written_name(root.name)}", self._records)
            return
        self._row(root)
        outermost = list(_nearest_arrays(root))
        if self._flattening is Flattening.CONSERVATIVE or not outermost:
            self._settle_below(root)
            return
        main = _largest(outermost)
        if self._flattening is Flattening.AGGRESSIVE:
            self.plan.wide[root] = main
            root.leads = root.shown
        self._columns_below(root)
        for one in outermost:
            self._row(one)
            self._settle_below(one)

    def _find_records(self, element: Element, path: str, records: re.Pattern[str]) -> None:
        if records.fullmatch(path):
            self._row(element)
            self._settle_below(element)
            return
        self.plan.roles[element] = Role.OUTSIDE
        for child in element.children.values():
            self._find_records(child, f"{path}/{written_name(child.name)}", records)

    def _row(self, element: Element) -> None:
        self.plan.roles[element] = Role.ROW
        element.base = element

    def _columns_below(self, base: Element) -> None:
        """Elements below that are part of a row, up to the next ones that repeat."""
        for child in _not_repeating(base):
            self.plan.roles[child] = Role.COLUMNS
            child.base = base.base

    def _settle_below(self, row: Element) -> None:
        """The arrays of a row, and theirs."""
        self._columns_below(row)
        arrays = list(_nearest_arrays(row))
        if self._flattening is Flattening.CONSERVATIVE:
            for one in arrays:
                if one.is_plain and self._arrays is not Arrays.EXPAND:
                    self._in_a_cell(one)
                else:
                    self._row(one)
                    self._settle_below(one)
        elif self._flattening is Flattening.MODERATE:
            for one in arrays:
                self._array(one)
        elif arrays:
            main = _largest(arrays)
            self.plan.levels[main] = len(self._levels_above(main)) + 2
            self.plan.roles[main] = Role.FURTHER
            main.base = row.base
            self._settle_below(main)
            for one in arrays:
                if one is not main:
                    self._beside(one)

    def _levels_above(self, element: Element) -> list[Element]:
        found, one = [], element.parent
        while one is not None:
            if one in self.plan.levels:
                found.append(one)
            one = one.parent
        return found

    def _array(self, one: Element) -> None:
        if self._arrays is not Arrays.EXPAND:
            self._in_a_cell(one)
            return
        self.plan.roles[one] = Role.FURTHER
        one.base = _base_above(one)
        self._settle_below(one)

    def _beside(self, one: Element) -> None:
        """An array beside the path: a table, with a table for each array in it."""
        if self._arrays is not Arrays.EXPAND:
            self._in_a_cell(one)
            return
        self._row(one)
        self._columns_below(one)
        for inner in _nearest_arrays(one):
            self._beside(inner)

    def _in_a_cell(self, one: Element) -> None:
        if self._arrays is Arrays.JSON_STRING:
            self.plan.roles[one] = Role.ITEM
            one.base = one
        else:
            self.plan.roles[one] = Role.JOINED
            one.base = _base_above(one)
        self._columns_below(one)
        for inner in _nearest_arrays(one):
            self._in_a_cell(inner)


def _base_above(element: Element) -> Element:
    return element.parent.base if element.parent is not None else element


def _not_repeating(base: Element) -> Iterator[Element]:
    """Elements below, without those that repeat and what is in them; parents first."""
    waiting = [one for one in base.children.values() if not one.repeats]
    while waiting:
        one = waiting.pop(0)
        yield one
        waiting += [child for child in one.children.values() if not child.repeats]


def _nearest_arrays(base: Element) -> Iterator[Element]:
    """The next elements below that repeat, in their order in the file as far as it is one."""
    for child in base.children.values():
        if child.repeats:
            yield child
        else:
            yield from _nearest_arrays(child)


def _largest(arrays: list[Element]) -> Element:
    """The one with the most items; of several the first."""
    return max(arrays, key=lambda one: one.count)
