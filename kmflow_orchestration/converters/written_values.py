"""Columns of numbers and dates as people write them: typed when every row has one same reading.

A reading is never picked because it is likelier: where two fit all rows and differ in one, the
text stays and both are told (row H13).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute

from kmflow_orchestration.converters.text_values import observed_type
from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, Kind
from kmflow_orchestration.converters.written_dates import (
    DATE_FORMS,
    DATE_ORDERS,
    DateForm,
    looks_like_date,
)
from kmflow_orchestration.converters.written_numbers import (
    NUMBER_FORMS,
    NumberForm,
    NumberLook,
    look_at_numbers,
    looks_like_number,
)

# Its stubs know only some of the types its functions take.
pc: Any = pyarrow.compute

Form: TypeAlias = NumberForm | DateForm
PROBED: Final = 32
# The two ways to take a point before three digits.
POINT_OR_COMMA: Final = (NUMBER_FORMS[0], NUMBER_FORMS[1])


@dataclass(frozen=True, slots=True)
class ColumnReading:
    """What came of one column; `form` is None when its text stays.

    `name` says how it was read, `decided_by` the row that ruled out the last other reading, 0 when
    there was no other; `possible` names the readings when they were several.
    """

    form: Form | None
    type: ColumnType = EMPTY
    name: str = ""
    decided_by: int = 0
    possible: tuple[str, ...] = ()
    example: str = ""


def forms_for(sample: pa.StringArray, *, decimal: str = "", thousands: str = "") -> list[Form]:
    """All forms of numbers or of dates, if the first values of a text column look like them.

    `decimal` and `thousands` rule out the number forms with other marks.
    """
    values = [value or "" for value in sample.drop_null().slice(0, PROBED).to_pylist()]
    # What looks like a date may look like a number; the reverse is not so.
    if values and all(map(looks_like_date, values)):
        return list(DATE_FORMS)
    if not values or not all(map(looks_like_number, values)):
        return []
    return [
        form
        for form in NUMBER_FORMS
        if decimal in {"", form.decimal} and _plain(thousands) in {"", form.group}
    ]


def may_be_thousands(kind: ColumnType) -> bool:
    """Whether decimals of a type may be whole numbers with a point between their thousands."""
    is_decimal = kind.kind is Kind.NUMBER and not kind.approximate
    return is_decimal and kind.scale == 3 and 1 <= kind.integer_digits <= 3


def _plain(mark: str) -> str:
    return {"’": "'", "\u00a0": " ", "\u202f": " "}.get(mark, mark)


@dataclass(slots=True)
class WrittenColumn:
    """One column under all readings that may still fit; mutable while its rows go by.

    `date_order` decides where the dates of all rows can be read in several orders.
    """

    forms: list[Form]
    date_order: str = ""
    types: dict[Form, ColumnType] = field(default_factory=dict)
    differ: set[tuple[Form, Form]] = field(default_factory=set)
    fallen: list[tuple[Form, int]] = field(default_factory=list)
    looks: list[NumberLook] = field(default_factory=list)
    example: str = ""

    def observe(self, values: pa.StringArray, rows: pa.Int64Array) -> None:
        """More values of the column, with the numbers of their rows."""
        present = pc.is_valid(values)
        values, rows = values.filter(present), rows.filter(present)
        if not len(values) or not self.forms:
            return
        read = {form: form.read(values) for form in self.forms}
        for form, found in read.items():
            if found.null_count:
                at = pc.index(pc.is_null(found), True).as_py()
                self.fallen.append((form, rows[at].as_py()))
        self.forms = [form for form in self.forms if not read[form].null_count]
        self._compare(values, read)

    def _compare(self, values: pa.StringArray, read: dict[Form, pa.StringArray]) -> None:
        for form in self.forms:
            self.types[form] = observed_type(read[form], self.types.get(form, EMPTY))
        for left, right in combinations(self.forms, 2):
            if (left, right) not in self.differ and not read[left].equals(read[right]):
                self.differ.add((left, right))
                at = pc.index(pc.not_equal(read[left], read[right]), True).as_py()
                self.example = self.example or values[at].as_py()
        if any(isinstance(form, NumberForm) for form in self.forms):
            self.looks.append(look_at_numbers(values))

    def verdict(self) -> ColumnReading:
        """The one reading all rows have, or none."""
        forms = [form for form in self.forms if self.types[form].kind is not Kind.STRING]
        if not forms:
            return ColumnReading(None)
        if any(pair in self.differ for pair in combinations(forms, 2)):
            told = DATE_ORDERS.get(self.date_order)
            for form in forms:
                if isinstance(form, DateForm) and form.order is told:
                    return ColumnReading(form, self.types[form], f"{form.name}, as was said")
            names = tuple(dict.fromkeys(_short_name(form) for form in forms))
            return ColumnReading(None, possible=names, example=self.example)
        if isinstance(forms[0], NumberForm):
            return self._number(forms)
        return self._decided(forms, forms[0].name)

    def _number(self, forms: list[Form]) -> ColumnReading:
        """A number, unless the marks around or within it may make a label of it."""
        units = frozenset[str]().union(*(look.units for look in self.looks))
        if len(units) > 1:
            return ColumnReading(None, possible=tuple(f"in {unit or 'no unit'}" for unit in units))
        is_odd = any(look.has_odd_sign for look in self.looks)
        if is_odd and not any(look.has_plain for look in self.looks):
            return ColumnReading(None, possible=("negative numbers", "labels"))
        if self._is_code(forms, units):
            return ColumnReading(None, possible=("numbers with thousands apart", "codes"))
        (unit,) = units
        name = forms[0].name if len(forms) == 1 else _common_name(forms)
        return self._decided(forms, name + (f", in {unit}" if unit else ""))

    def _is_code(self, forms: list[Form], units: frozenset[str]) -> bool:
        """Whether groups of digits all look alike, as those of telephone numbers do."""
        lengths = frozenset[int]().union(*(look.lengths for look in self.looks))
        is_apart = all(isinstance(form, NumberForm) and form.group in " '" for form in forms)
        is_whole = all(not self.types[form].scale for form in forms)
        return is_apart and is_whole and units == {""} and len(lengths) == 1 and min(lengths) > 7

    def _decided(self, forms: list[Form], name: str) -> ColumnReading:
        others = [row for form, row in self.fallen if type(form) is type(forms[0])]
        return ColumnReading(forms[0], self.types[forms[0]], name, max(others, default=0))


def _short_name(form: Form) -> str:
    return form.decimal_name if isinstance(form, NumberForm) else form.name


def _common_name(forms: Sequence[Form]) -> str:
    """What forms that read all values alike have in common."""
    names = {_short_name(form) for form in forms}
    return names.pop() if len(names) == 1 else "whole numbers"


def read_columns(
    blocks: Iterable[tuple[pa.Int64Array, Sequence[pa.StringArray] | Mapping[int, pa.StringArray]]],
    columns: Mapping[int, WrittenColumn],
) -> dict[int, ColumnReading]:
    """What becomes of columns by position, after all rows went by."""
    for rows, values in blocks:
        for position, column in columns.items():
            column.observe(values[position], rows)
    return {position: column.verdict() for position, column in columns.items()}
