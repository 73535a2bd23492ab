"""Which columns of a dataset table change with a batch, and by which item (row CD-N5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kmflow_orchestration.converters.type_lattice import EMPTY, ColumnType, join
from kmflow_orchestration.metadata.dataset_tables import DatasetPart
from kmflow_orchestration.operations.dataset_rows import have_same_types, needed_types
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.medallion import PROVENANCE

_OURS = frozenset(column.name for column in PROVENANCE)


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column in SQL types, '' where there is none; `part` is what made the change, if known."""

    column: str
    old: str
    new: str
    part: DatasetPart | None = None

    @property
    def kind(self) -> str:
        if not self.old:
            return "added"
        return "retyped" if self.new else "removed"


def column_changes(
    actual: Sequence[Column] | None,
    wanted: Sequence[Column],
    *,
    known: Sequence[DatasetPart],
    live: Sequence[DatasetPart],
    batch_id: str,
) -> list[ColumnChange]:
    """What a batch makes of a table's columns; `actual` is None before there is one.

    `live` are those of its `known` parts that stay in it or come to it. The table itself says what
    changes, so that a write that is repeated changes nothing; the parts say who did it, one after
    the other in their order. Of a new table the first part is what the others are compared with.
    """
    if actual is not None and have_same_types(wanted, actual):
        return []
    stay = {part.key for part in live}
    leaving = [part for part in known if part.key not in stay]
    others = [part for part in live if part.batch_id != batch_id]
    arriving = [part for part in live if part.batch_id == batch_id]
    if actual is None:
        first, rest = (arriving[:1], arriving[1:]) if not others else (others, arriving)
        steps_of_new = _one_by_one(needed_types(first), rest)
        # Nobody ever saw a column without a value as text in a table that was not there.
        return [change for change, had_value in steps_of_new if had_value or not change.old]
    steps: dict[str, list[ColumnChange]] = {}
    for change, _ in _one_by_one(needed_types(others), arriving):
        steps.setdefault(change.column, []).append(change)
    before, after = _types(actual), _types(wanted)
    found: list[ColumnChange] = []
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            found += _explained(name, old, new, steps.get(name, ()), leaving)
    return found


def _one_by_one(
    types: Mapping[str, ColumnType], parts: Sequence[DatasetPart]
) -> Iterator[tuple[ColumnChange, bool]]:
    """Each change, and whether the column had a value before it."""
    known = dict(types)
    for part in parts:
        for column in part.columns:
            old = known.get(column.name)
            new = join(old or EMPTY, ColumnType.parse(column.type))
            known[column.name] = new
            if old is None or old.sql != new.sql:
                change = ColumnChange(column.name, old.sql if old else "", new.sql, part)
                yield change, old not in (None, EMPTY)


def _explained(
    name: str,
    old: str,
    new: str,
    steps: Sequence[ColumnChange],
    leaving: Sequence[DatasetPart],
) -> list[ColumnChange]:
    """The steps that lead from the one to the other; else the one that probably made it."""
    if steps and (steps[0].old, steps[-1].new) == (old, new):
        return list(steps)
    if steps:
        return [ColumnChange(name, old, new, steps[-1].part)]
    had = (part for part in leaving if any(one.name == name for one in part.columns))
    return [ColumnChange(name, old, new, next(had, None))]


def _types(columns: Sequence[Column]) -> dict[str, str]:
    texts = {one.name: one.type.upper().replace(" ", "") for one in columns}
    return {name: text for name, text in texts.items() if name not in _OURS}
