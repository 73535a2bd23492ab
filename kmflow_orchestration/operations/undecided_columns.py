"""Columns that stay text because all their values can be read in more than one way (row H13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.converters.interface import AMBIGUOUS
from kmflow_orchestration.converters.staging import StagedTable
from kmflow_orchestration.metadata.dataset_tables import DatasetTables
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.dataset_names import no_such_table

UNDECIDED = "undecided"
"""In a part's receipt: what is told of such columns, by name."""
_TEXT = "text"


@dataclass(frozen=True, slots=True)
class UndecidedColumn:
    """One of a file's; `told` has how many values there are, both readings, and an example."""

    table: str
    column: str
    file_name: str
    part: str
    item_id: str
    told: str

    def __str__(self) -> str:
        return f"{self.table}, {self.file_name}: {self.told}"


def undecided_in(table: StagedTable) -> Mapping[str, str]:
    """What is told of a converted table's columns of several readings, by their names."""
    found = [one for one in table.warnings if one.code == AMBIGUOUS]
    columns = {}
    for fact in table.facts:
        place = f"column {fact.source_name or fact.name}"
        for one in found:
            # Of a file in an archive its path stands in front.
            if one.location == place or one.location.endswith(f": {place}"):
                columns[fact.name] = one.message
    return columns


def undecided_of_group(
    group: str, *, caller: Caller, registry: DatasetTables, table: str | None = None
) -> list[UndecidedColumn]:
    """Of all its tables, or of one; without columns of which somebody said that they are text.

    Files that were converted before this was kept are not among them.

    Raises:
        CallerRefused: the group is none of the caller's.
        InvalidSettings: it has no table of that name.
    """
    own = caller.require(Role.VIEWER, group)
    known = registry.names(own)
    if table is not None and table not in known:
        raise no_such_table(own, table, known)
    return undecided_of_tables(own, known if table is None else [table], registry)


def undecided_of_tables(
    group: GroupId, tables: Iterable[str], registry: DatasetTables
) -> list[UndecidedColumn]:
    """The same of these tables."""
    found = []
    for table in tables:
        deleted = registry.deleted_items(group, table)
        for part in registry.of_table(group, table):
            if part.has_left or part.item_id in deleted:
                continue
            told: Mapping[str, str] = part.receipt.get(UNDECIDED, {})
            found += [
                UndecidedColumn(
                    table, one.name, part.file_name, part.part, part.item_id, told[one.name]
                )
                for one in part.columns
                if one.name in told and one.asked != _TEXT
            ]
    return found
