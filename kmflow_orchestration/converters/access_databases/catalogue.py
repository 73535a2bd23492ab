"""What is in an Access database: tables, links, queries and relations, by its own tables (D29)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kmflow_orchestration.converters.access_databases.definition import (
    TableDefinition,
    read_definition,
)
from kmflow_orchestration.converters.access_databases.pages import Pages
from kmflow_orchestration.converters.access_databases.rows import rows_of
from kmflow_orchestration.converters.access_databases.unlisted import unlisted_tables
from kmflow_orchestration.converters.access_databases.values import reader_of
from kmflow_orchestration.errors import CorruptInput

_CATALOGUE_PAGE = 2
_TABLE, _LINK_TO_ODBC, _LINK, _QUERY = 1, 4, 6, 5
_SYSTEM_FLAGS = 0x80000002
_OWN_NAMES = ("MSys", "~TMP")
_PAGE_OF_ID = 0x00FFFFFF
_RELATIONS, _COMPLEX = "MSysRelationships", "MSysComplexColumns"
# Of relations: nobody checks them, one row has one partner, changes and deletions go along.
_RELATION_FLAGS = ((0x1, "one_to_one"), (0x100, "cascade_updates"), (0x1000, "cascade_deletes"))
_UNCHECKED = 0x2


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table by its name; `is_system` for those that the engine or Access keep for themselves."""

    name: str
    page: int
    is_system: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """Columns of a table that name rows of another."""

    name: str
    table: str
    columns: tuple[str, ...]
    other_table: str
    other_columns: tuple[str, ...]
    is_checked: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`links` say where each leads, without how it signs in; `told` what could not be read."""

    tables: tuple[TableEntry, ...]
    links: tuple[tuple[str, str], ...]
    queries: tuple[str, ...]
    relations: tuple[Relation, ...]
    value_tables: Mapping[tuple[int, str], int]
    """By page of a table and name of a column: where the rows lie that the column stands for."""
    told: str = ""
    missing: str = ""
    """Why there may be tables that nobody knows of, '' if there are none."""
    marked: tuple[str, ...] = ()
    """Tables that the engine marks as its own, and whose names are none of those it gives."""


def read_catalogue(pages: Pages) -> Catalogue:
    """Raises CorruptInput when not even the tables are known."""
    tables: list[TableEntry] = []
    links: list[tuple[str, str]] = []
    queries: list[str] = []
    own = read_definition(pages, _CATALOGUE_PAGE)
    there = 0
    for row in _rows(pages, own):
        name, kind = str(row.get("Name") or ""), row.get("Type")
        there += kind is not None
        if kind == _TABLE:
            flags = int(row.get("Flags") or 0) & 0xFFFFFFFF
            page = int(row.get("Id") or 0) & _PAGE_OF_ID
            # What is being deleted, and what a crash left, goes under the second.
            is_system = bool(flags & _SYSTEM_FLAGS) or name.startswith(_OWN_NAMES)
            tables.append(TableEntry(name, page, is_system))
        elif kind in (_LINK, _LINK_TO_ODBC):
            links.append((name, _target(row)))
        elif kind == _QUERY and not name.startswith("~"):
            queries.append(name)
    system = {entry.name: entry.page for entry in tables}
    told: list[str] = []
    relations = _guarded(pages, system.get(_RELATIONS), told)
    values = {
        (int(row["ConceptualTableID"]) & _PAGE_OF_ID, str(row["ColumnName"])): (
            int(row["FlatTableID"]) & _PAGE_OF_ID
        )
        for row in _guarded(pages, system.get(_COMPLEX), told)
        if None not in (row.get("ConceptualTableID"), row.get("FlatTableID"))
    }
    value_pages = frozenset(values.values())
    return Catalogue(
        tuple(_with_values_apart(tables, value_pages)),
        tuple(sorted(links)),
        tuple(sorted(queries)),
        tuple(_relations(relations)),
        values,
        "; ".join(told),
        "; ".join(_missing(pages, tables, there, own.rows)),
        tuple(
            entry.name
            for entry in tables
            if entry.is_system
            and entry.page not in value_pages
            and not entry.name.startswith(_OWN_NAMES)
        ),
    )


def _missing(pages: Pages, tables: Sequence[TableEntry], there: int, counted: int) -> Iterator[str]:
    """What of the list shows that it is damaged."""
    if there != counted:
        yield f"{there} entries can be read of {counted}"
    if unlisted := unlisted_tables(pages, {_CATALOGUE_PAGE, *(one.page for one in tables)}):
        where = ", ".join(map(str, unlisted))
        yield f"no entry is of the tables that are defined on the pages {where}"
    if nameless := sum(not entry.name for entry in tables):
        yield f"{nameless} entries have no name"
    if twice := len(tables) - len({entry.page for entry in tables}):
        yield f"{twice} entries are of a table that another one names"


def _with_values_apart(
    tables: Sequence[TableEntry], value_pages: Container[int]
) -> Iterator[TableEntry]:
    """By name; tables of values belong to the columns that name them, and are nobody's own."""
    for entry in sorted(tables, key=lambda one: one.name):
        yield replace(entry, is_system=True) if entry.page in value_pages else entry


def _guarded(pages: Pages, page: int | None, told: list[str]) -> list[Mapping[str, Any]]:
    if page is None:
        return []
    try:
        return list(_rows(pages, read_definition(pages, page)))
    except CorruptInput as error:
        told.append(error.message)
        return []


def _rows(pages: Pages, table: TableDefinition) -> Iterator[Mapping[str, Any]]:
    readers = [(column.name, reader_of(column, pages)) for column in table.columns]
    # Some columns of the catalogue are large, and nobody asks for them.
    wanted = [name in _WANTED for name, _ in readers]
    for cells in rows_of(pages, table):
        yield {
            name: None if cell is None else read(cell)
            for (name, read), cell, is_wanted in zip(readers, cells, wanted, strict=True)
            if is_wanted
        }


_WANTED = frozenset(
    {
        *("Name", "Type", "Flags", "Id", "Database", "ForeignName"),
        *("szRelationship", "szObject", "szColumn", "szReferencedObject", "szReferencedColumn"),
        *("grbit", "icolumn", "ConceptualTableID", "FlatTableID", "ColumnName"),
    }
)


def _target(row: Mapping[str, Any]) -> str:
    """Never the connection itself, which may hold a password."""
    other = str(row.get("ForeignName") or "")
    place = str(row.get("Database") or "") or "a database behind ODBC"
    return f"{other} in {place}" if other else place


def _relations(rows: list[Mapping[str, Any]]) -> Iterator[Relation]:
    by_name: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (str(row.get("szRelationship")), str(row.get("szObject")))
        by_name.setdefault((*key, str(row.get("szReferencedObject"))), []).append(row)
    for (name, table, other), parts in sorted(by_name.items()):
        ordered = sorted(parts, key=lambda row: int(row.get("icolumn") or 0))
        flags = int(parts[0].get("grbit") or 0)
        yield Relation(
            name,
            table,
            tuple(str(row.get("szColumn")) for row in ordered),
            other,
            tuple(str(row.get("szReferencedColumn")) for row in ordered),
            not flags & _UNCHECKED,
            tuple(word for bit, word in _RELATION_FLAGS if flags & bit),
        )
