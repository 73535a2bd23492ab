"""What a statement turns out to be, once read and checked; the engine carries plans out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kmflow_orchestration.names import TableName
from kmflow_orchestration.sail.tables import Column
from kmflow_orchestration.workspace.securables import Securable
from kmflow_orchestration.workspace.sql_catalog_syntax import CatalogStatement
from kmflow_orchestration.workspace.sql_maintenance import Maintenance


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that only reads; `sql` is in the engine's names."""

    sql: str
    tables: tuple[Securable, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """UPDATE, DELETE or MERGE."""

    sql: str
    tables: tuple[Securable, ...]
    target: Securable
    verb: str


@dataclass(frozen=True, slots=True)
class Insertion:
    """INSERT; `columns` None means by position, `by_name` by the query's own names."""

    source: str
    tables: tuple[Securable, ...]
    target: Securable
    columns: tuple[str, ...] | None = None
    by_name: bool = False
    overwrite: bool = False
    replace_where: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to a key of another table, told to readers and never enforced."""

    name: str
    columns: tuple[str, ...]
    table: TableName
    referred: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What the catalog keeps of a table beside its columns."""

    comment: str = ""
    primary_key: tuple[str, ...] = ()
    constraint: str = ""
    foreign_keys: tuple[ForeignKey, ...] = ()
    cluster_by: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE TABLE, with columns or (`source`) as the result of a query."""

    name: TableName
    facts: TableFacts
    columns: tuple[Column, ...] = ()
    source: str | None = None
    tables: tuple[Securable, ...] = ()
    if_not_exists: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class AddColumns:
    """ALTER TABLE … ADD COLUMNS."""

    target: Securable
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True)
class SetProperties:
    """ALTER TABLE … SET TBLPROPERTIES."""

    target: Securable
    properties: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DescribeTable:
    """DESCRIBE TABLE, with `extended` also what the catalog knows of it."""

    target: Securable
    extended: bool = False


Plan = (
    Query
    | Change
    | Insertion
    | CreateTable
    | AddColumns
    | SetProperties
    | DescribeTable
    | Maintenance
    | CatalogStatement
)
