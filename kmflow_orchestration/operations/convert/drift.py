"""How the tables of a source differ from what a lock holds, and what is to become of it (CD-N5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from kmflow_orchestration.converters.type_lattice import Kind, join
from kmflow_orchestration.errors import SchemaDriftError
from kmflow_orchestration.operations.convert.schema_lock import (
    LockedColumn,
    LockedTable,
    LockedVersion,
    SchemaLock,
    Tables,
    kind_of,
)

FAIL = "fail"
WIDEN = "widen"
NEW_VERSION = "new-version"
_SHOWN = 10


class Change(StrEnum):
    """What is different."""

    ADDED = "added"
    REMOVED = "removed"
    RETYPED = "retyped"
    REORDERED = "reordered"
    TABLE_ADDED = "table_added"
    TABLE_REMOVED = "table_removed"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: types of a column, or the orders of all that both have; '' for none."""

    kind: Change
    table: str
    column: str = ""
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        where = f"table {self.table}: " if self.table else ""
        match self.kind:
            case Change.ADDED:
                what = f"column {self.column} was added ({self.new})"
            case Change.REMOVED:
                what = f"column {self.column} is gone ({self.old})"
            case Change.RETYPED:
                what = f"column {self.column} was {self.old} and is {self.new}"
            case Change.REORDERED:
                what = f"the columns were in the order {self.old} and are in {self.new}"
            case Change.TABLE_ADDED:
                what = "it was added"
            case Change.TABLE_REMOVED:
                what = "it is gone"
        return where + what

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "text": str(self)}


@dataclass(frozen=True, slots=True)
class Contract:
    """What a result is to be: one of a version of the lock, in its types.

    `lock` is as it is to be once the result is in place. `types` are those of the lattice, in
    text, of columns that are written wider than their own values need.
    """

    lock: SchemaLock
    version: int
    types: Mapping[str, Mapping[str, str]]
    drift: tuple[Drift, ...] = ()


def contract_of(
    lock: SchemaLock | None, found: Tables, on_drift: str, *, now: str, source: str
) -> Contract:
    """What becomes of a source with these tables; without a lock it makes the first version.

    Of several versions the one with the very same tables counts, else the newest that holds them.

    Raises:
        SchemaDriftError: none does, and that is to fail.
    """
    if lock is None:
        return Contract(SchemaLock((LockedVersion(1, found, now, source),)), 1, {})
    held = _held_by(lock, found)
    if held is not None:
        return _within(lock, held, found)
    drift = tuple(differences(lock.newest.tables, found))
    if on_drift == WIDEN:
        moved = _within(lock, lock.newest, found)
        return replace(moved, drift=drift)
    if on_drift == NEW_VERSION:
        version = LockedVersion(lock.newest.number + 1, found, now, source)
        return Contract(lock.put(version), version.number, {}, drift)
    raise _failed(drift, source)


def differences(locked: Tables, found: Tables) -> Iterator[Drift]:
    """What of a source does not fit into a version; a column that fits its wider type does."""
    for part, table in locked.items():
        if part in found:
            yield from _of_table(part, table, found[part])
        elif not table.is_optional:
            yield Drift(Change.TABLE_REMOVED, part)
    for part in found:
        if part not in locked:
            yield Drift(Change.TABLE_ADDED, part)


def are_same(locked: Tables, found: Tables) -> bool:
    """Whether every column that is there is of the very type, and none is missing or too many."""
    return not any(differences(locked, found)) and all(
        own.type == one.type
        for part, table in found.items()
        for own, one in _common(locked[part], table)
    )


def widened(locked: Tables, found: Tables) -> Tables:
    """What holds both. The order of any number of files decides nothing but that of columns."""
    tables = {
        part: _widened_table(table, found[part])
        if part in found
        else replace(table, is_optional=True)
        for part, table in locked.items()
    }
    added = {
        part: replace(table, is_optional=True)
        for part, table in found.items()
        if part not in tables
    }
    return {**tables, **added}


def _held_by(lock: SchemaLock, found: Tables) -> LockedVersion | None:
    newest_first = lock.versions[::-1]
    for one in newest_first:
        if are_same(one.tables, found):
            return one
    return next((one for one in newest_first if not any(differences(one.tables, found))), None)


def _within(lock: SchemaLock, version: LockedVersion, found: Tables) -> Contract:
    """A result of this version, which then holds these tables, too.

    Also where no type moves: a later one must hold the digits of every file.
    """
    tables = widened(version.tables, found)
    types = {
        part: {
            # As wide as its type: the digits that were seen may be more by the time of writing.
            own.name: kind_of(own.type, own.name).text
            for own, one in _common(tables[part], table)
            if own.type != one.type
        }
        for part, table in found.items()
    }
    changed = lock if tables == version.tables else lock.put(replace(version, tables=tables))
    return Contract(changed, version.number, {part: one for part, one in types.items() if one})


def _common(locked: LockedTable, found: LockedTable) -> Iterator[tuple[LockedColumn, LockedColumn]]:
    known = locked.by_name
    for one in found.columns:
        if one.name in known:
            yield known[one.name], one


def _of_table(part: str, locked: LockedTable, found: LockedTable) -> Iterator[Drift]:
    old, new = locked.by_name, found.by_name
    for name, one in new.items():
        if name not in old:
            yield Drift(Change.ADDED, part, name, new=one.type)
    for name, one in old.items():
        if name not in new:
            if not one.is_optional:
                yield Drift(Change.REMOVED, part, name, old=one.type)
        elif _joined(one, new[name]).type != one.type:
            yield Drift(Change.RETYPED, part, name, _type_text(one), _type_text(new[name]))
    if not locked.any_order:
        were, are = [name for name in old if name in new], [name for name in new if name in old]
        if were != are:
            yield Drift(Change.REORDERED, part, old=_order(were), new=_order(are))


def _type_text(column: LockedColumn) -> str:
    return f"{column.type} without a value" if column.kind.kind is Kind.EMPTY else column.type


def _order(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _joined(locked: LockedColumn, found: LockedColumn) -> LockedColumn:
    return replace(locked, kind=join(locked.kind, found.kind))


def _widened_table(locked: LockedTable, found: LockedTable) -> LockedTable:
    old, new = locked.by_name, found.by_name
    kept = [
        _joined(one, new[name]) if name in new else replace(one, is_optional=True)
        for name, one in old.items()
    ]
    added = [replace(one, is_optional=True) for name, one in new.items() if name not in old]
    is_moved = any(one.kind is Change.REORDERED for one in _of_table("", locked, found))
    return replace(locked, columns=(*kept, *added), any_order=locked.any_order or is_moved)


def _failed(drift: tuple[Drift, ...], source: str) -> SchemaDriftError:
    more = f"; and {len(drift) - _SHOWN} more" if len(drift) > _SHOWN else ""
    return SchemaDriftError(
        f"{source} is not what the schema lock holds: {'; '.join(map(str, drift[:_SHOWN]))}{more}",
        differences=[one.as_dict() for one in drift],
        hint="--on-drift widen moves the lock, new-version keeps both; or mend the file",
    )
