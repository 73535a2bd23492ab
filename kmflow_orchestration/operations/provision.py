"""Everything a group's data lives in: catalog, schemas, Volume and tables (row B10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import AccessRefused, KmflowError
from kmflow_orchestration.names import Namespace, TableName, quoted
from kmflow_orchestration.operations.grant_sql import is_refusal
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration.tables.profiling import PROFILING_TABLES

ALL_TABLES = (*MEDALLION_TABLES, *PROFILING_TABLES)
Kind = Literal["catalog", "schema", "volume", "table"]
Action = Literal["exists", "created", "would_create", "failed"]


@dataclass(frozen=True, slots=True)
class ProvisionStep:
    """What became of one object; `message` says what a failed one lacks."""

    object: str
    kind: Kind
    action: Action
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Thing:
    """An object to be: its parent's full name, and how it is made. A table has a definition."""

    kind: Kind
    name: str
    parent: str
    sql: str
    table: TableName | None = None
    definition: TableDefinition | None = None


def provision(
    config: GroupConfig,
    lakehouse: Lakehouse,
    calls: WorkspaceCalls | None,
    tables: Sequence[TableDefinition] = ALL_TABLES,
    *,
    dry_run: bool = False,
) -> list[ProvisionStep]:
    """Make what is missing, parents first; one step per object, in that order.

    `calls` is the group's client, None when its tables lie on this machine: then only tables are
    made. An object that cannot be made fails its own step, names the privilege and the GRANT, and
    everything that does not lie in it goes on. Run again, it makes nothing.

    Raises:
        RemoteFault: the workspace could not be asked what there is.
    """
    things = _things(config, tables)
    if calls is None:
        things = [thing for thing in things if thing.kind == "table"]
    present = _present(config.namespace, lakehouse, calls)
    steps: list[ProvisionStep] = []
    failed: set[str] = set()
    for thing in things:
        step = _step(thing, lakehouse, calls, present=present, failed=failed, dry_run=dry_run)
        if step.action == "failed":
            failed.add(thing.name)
        steps.append(step)
    return steps


def provision_sql(config: GroupConfig, tables: Sequence[TableDefinition] = ALL_TABLES) -> list[str]:
    """The same objects as SQL, for somebody who has the privileges to run."""
    return [thing.sql for thing in _things(config, tables)]


def table_name(namespace: Namespace, definition: TableDefinition) -> TableName:
    """Where a provisioned table lies in a group's namespace."""
    if not definition.layer:
        return namespace.base(definition.name)
    return namespace.layer(definition.layer, definition.name)


def _things(config: GroupConfig, tables: Sequence[TableDefinition]) -> list[_Thing]:
    catalog, schema, volume = config.catalog, config.schema, config.evidence_volume
    things = [
        _Thing("catalog", catalog, "", f"CREATE CATALOG IF NOT EXISTS {quoted(catalog)}"),
        *(
            _Thing(
                "schema",
                f"{catalog}.{name}",
                catalog,
                f"CREATE SCHEMA IF NOT EXISTS {quoted(catalog)}.{quoted(name)}",
            )
            for name in config.namespace.schemas
        ),
        _Thing(
            "volume",
            f"{catalog}.{schema}.{volume}",
            f"{catalog}.{schema}",
            f"CREATE VOLUME IF NOT EXISTS {quoted(catalog)}.{quoted(schema)}.{quoted(volume)}",
        ),
    ]
    for definition in tables:
        table = table_name(config.namespace, definition)
        parent = f"{table.catalog}.{table.schema}"
        sql = definition.create_sql(table)
        things.append(_Thing("table", table.text, parent, sql, table, definition))
    return things


def _present(
    namespace: Namespace, lakehouse: Lakehouse, calls: WorkspaceCalls | None
) -> frozenset[str]:
    """Full names of what there is already, by a listing per schema."""
    if calls is not None:
        return frozenset(_listed(namespace, UnityCatalog(calls)))
    return frozenset(
        table.text for schema in namespace.schemas for table in lakehouse.tables(schema)
    )


def _listed(namespace: Namespace, catalog: UnityCatalog) -> Iterator[str]:
    try:
        if not catalog.catalog_exists(namespace.catalog):
            return
    except AccessRefused:
        # Making it will be refused too, and that refusal names the privilege.
        return
    yield namespace.catalog
    schemas = catalog.schemas(namespace.catalog)
    for schema in namespace.schemas:
        if schema in schemas:
            place = f"{namespace.catalog}.{schema}"
            yield place
            yield from (f"{place}.{name}" for name in catalog.tables(namespace.catalog, schema))
    if namespace.schema in schemas:
        for name in catalog.volumes(namespace.catalog, namespace.schema):
            yield f"{namespace.catalog}.{namespace.schema}.{name}"


def _step(
    thing: _Thing,
    lakehouse: Lakehouse,
    calls: WorkspaceCalls | None,
    *,
    present: frozenset[str],
    failed: set[str],
    dry_run: bool,
) -> ProvisionStep:
    if thing.name in present:
        return ProvisionStep(thing.name, thing.kind, "exists")
    if thing.parent in failed:
        return ProvisionStep(thing.name, thing.kind, "failed", f"{thing.parent} is missing")
    if dry_run:
        return ProvisionStep(thing.name, thing.kind, "would_create")
    try:
        _make(thing, lakehouse, calls)
    except KmflowError as error:
        return ProvisionStep(thing.name, thing.kind, "failed", _reason(thing, error, calls))
    return ProvisionStep(thing.name, thing.kind, "created")


def _make(thing: _Thing, lakehouse: Lakehouse, calls: WorkspaceCalls | None) -> None:
    if calls is None and thing.table is not None and thing.definition is not None:
        lakehouse.ensure_table(thing.table, thing.definition)
    else:
        lakehouse.execute(thing.sql)


def _reason(thing: _Thing, error: KmflowError, calls: WorkspaceCalls | None) -> str:
    if not is_refusal(error) or calls is None:
        return str(error)
    privilege, where = _needed(thing)
    return (
        f"{thing.kind} {thing.name} needs {privilege}: "
        f"GRANT {privilege} ON {where} TO {quoted(_principal(calls))}"
    )


def _needed(thing: _Thing) -> tuple[str, str]:
    """Privileges that making an object needs, and on what."""
    parent = ".".join(quoted(part) for part in thing.parent.split(".") if part)
    return {
        "catalog": ("CREATE CATALOG", "METASTORE"),
        "schema": ("USE CATALOG, CREATE SCHEMA", f"CATALOG {parent}"),
        "volume": ("USE SCHEMA, CREATE VOLUME", f"SCHEMA {parent}"),
        "table": ("USE SCHEMA, CREATE TABLE", f"SCHEMA {parent}"),
    }[thing.kind]


def _principal(calls: WorkspaceCalls) -> str:
    try:
        return current_principal(calls).user_name
    except KmflowError:
        return "<principal>"
