"""SQL of the embedded workspace: plans carried out on Sail, deltalake and the catalog store.

One engine process per workspace; one lock per table, so that writers wait for each other here and
a conflict reported to a client comes from outside: a job's own process, or an injected fault.
"""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kmflow_orchestration.sail.commits import last_version, metrics
from kmflow_orchestration.sail.execution import Operation, always
from kmflow_orchestration.sail.faults import SailError, SailUnavailable
from kmflow_orchestration.sail.tables import (
    Column,
    add_columns,
    create_empty,
    overwrite,
    read_columns,
)
from kmflow_orchestration.workspace.catalog_services import CatalogServices
from kmflow_orchestration.workspace.grants import TABLE, denied
from kmflow_orchestration.workspace.sail_host import SailHost
from kmflow_orchestration.workspace.securables import Securable, new_table
from kmflow_orchestration.workspace.sql_catalog import (
    NOTHING,
    carry_out,
    described,
    described_in_full,
    used_place,
)
from kmflow_orchestration.workspace.sql_catalog_syntax import CatalogStatement
from kmflow_orchestration.workspace.sql_create_table import check_clustering, check_names
from kmflow_orchestration.workspace.sql_errors import SqlError, from_sail, from_wire
from kmflow_orchestration.workspace.sql_insert import insert_sql, mismatch_sql
from kmflow_orchestration.workspace.sql_maintenance import Maintenance, maintain
from kmflow_orchestration.workspace.sql_plans import (
    AddColumns,
    Change,
    CreateTable,
    DescribeTable,
    Insertion,
    Query,
    SetProperties,
    TableFacts,
)
from kmflow_orchestration.workspace.sql_router import route
from kmflow_orchestration.workspace.sql_tables import Scope
from kmflow_orchestration.workspace.sql_text import Parameter
from kmflow_orchestration.workspace.wire import Caller, WireError

DEFAULT_CATALOG = "main"
DEFAULT_SCHEMA = "default"


def _stays(_catalog: str, _schema: str) -> None:
    """Without a session USE lasts for its own statement only."""


@dataclass(frozen=True, slots=True)
class Request:
    """One statement; `operation_id`, a UUID, is what it can be cancelled by.

    `on_use` gets the catalog and schema that a USE statement chose; `is_wanted` tells whether it
    was not cancelled before it began.
    """

    caller: Caller
    sql: str
    operation_id: str
    parameters: Sequence[Parameter] = ()
    catalog: str = DEFAULT_CATALOG
    schema: str = DEFAULT_SCHEMA
    on_use: Callable[[str, str], None] = _stays
    is_wanted: Callable[[], bool] = always

    @property
    def operation(self) -> Operation:
        return Operation(self.operation_id, self.is_wanted)


@dataclass(frozen=True, slots=True)
class Answer:
    """A statement's result; its batches may be read once, and can still raise SqlError.

    `affected_rows` is told of changes of rows only.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    affected_rows: int | None = None

    def table(self) -> pa.Table:
        """All rows."""
        return pa.Table.from_batches(self.batches, self.schema)


class SqlEngine:
    """Runs statements for callers of all workspaces."""

    def __init__(self, services: CatalogServices) -> None:
        self._catalog = services.catalog
        self._hosts: dict[str, SailHost] = {}
        self._lock = threading.Lock()
        self._table_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._catalog.on_drop(self._forget)

    def run(self, request: Request) -> Answer:
        """Run one statement to its end, a query to its first rows.

        Raises:
            SqlError: it failed, in Databricks' words.
        """
        scope = Scope(request.caller, request.catalog, request.schema)
        plan = route(request.sql, request.parameters, catalog=self._catalog, scope=scope)
        try:
            if isinstance(plan, Query):
                return self._query(plan, request)
            if isinstance(plan, CatalogStatement):
                return _answer(self._about_catalog(plan, request, scope))
            if isinstance(plan, Insertion | Change):
                return _counted(self._act(plan, request))
            return _answer(self._act(plan, request))
        except SailError as error:
            raise from_sail(error.message) from error
        except SailUnavailable as error:
            raise _engine_gone(error) from error
        except WireError as error:
            raise from_wire(error) from error

    def cancel(self, workspace_id: str, operation_id: str) -> None:
        """End a running statement; one that is over is no error."""
        host = self._hosts.get(workspace_id)
        if host is not None:
            host.cancel(operation_id)

    def host(self, workspace_id: str) -> SailHost:
        """The engine process of a workspace."""
        with self._lock:
            if workspace_id not in self._hosts:
                self._hosts[workspace_id] = SailHost(self._catalog.directory_of)
            return self._hosts[workspace_id]

    def columns_of(self, table: Securable) -> tuple[Column, ...]:
        """A table's columns."""
        return read_columns(self._catalog.directory_of(table)) or ()

    def close(self) -> None:
        """End all engine processes."""
        with self._lock:
            for host in self._hosts.values():
                host.stop()
            self._hosts.clear()

    def _about_catalog(self, plan: CatalogStatement, request: Request, scope: Scope) -> pa.Table:
        rows = carry_out(plan, self._catalog, scope)
        if plan.verb == "USE":
            request.on_use(*used_place(plan, scope))
        return rows

    def _query(self, plan: Query, request: Request) -> Answer:
        batches = self._batches(plan, request)
        first = next(batches)
        return Answer(first.schema, _joined(first, batches))

    def _batches(self, plan: Query, request: Request) -> Iterator[pa.RecordBatch]:
        """The batches of a query, the first also when it has no rows."""
        host = self.host(request.caller.workspace_id)
        try:
            with host.session(plan.tables) as session:
                _, batches = session.query(plan.sql, operation=request.operation)
                yield from batches
        except SailError as error:
            raise from_sail(error.message) from error
        except SailUnavailable as error:
            raise _engine_gone(error) from error

    def _act(self, plan: Any, request: Request) -> pa.Table:
        actions: Mapping[type, Callable[[Any, Request], pa.Table]] = {
            Insertion: self._insert,
            Change: self._change,
            CreateTable: self._create_table,
            AddColumns: self._add_columns,
            SetProperties: self._set_properties,
            DescribeTable: self._describe,
            Maintenance: self._maintain,
        }
        return actions[type(plan)](plan, request)

    def _insert(self, plan: Insertion, request: Request) -> pa.Table:
        host = self.host(request.caller.workspace_id)
        with self._table_locks[plan.target.id], host.session(plan.tables) as session:
            columns = self.columns_of(plan.target)
            given = session.fetch(f"SELECT * FROM ({plan.source}) LIMIT 0").schema.names
            check = mismatch_sql(plan, columns, given)
            if check is not None and session.fetch(check)["mismatches"][0].as_py():
                raise SqlError(
                    "DELTA_REPLACE_WHERE_MISMATCH",
                    "Written data does not conform to partial table overwrite condition or"
                    f" constraint '{(plan.replace_where or '').strip()}'.",
                )
            sql = insert_sql(plan, columns, given)
            count = session.execute(sql, operation=request.operation)["count"][0].as_py()
        return _counts(num_affected_rows=count, num_inserted_rows=count)

    def _change(self, plan: Change, request: Request) -> pa.Table:
        host = self.host(request.caller.workspace_id)
        directory = self._catalog.directory_of(plan.target)
        with self._table_locks[plan.target.id], host.session(plan.tables) as session:
            before = last_version(directory)
            session.execute(plan.sql, operation=request.operation)
            # A statement that changed nothing may have made no commit.
            after = last_version(directory)
        return _changed(plan.verb, metrics(directory, after) if after > before else {})

    def _create_table(self, plan: CreateTable, request: Request) -> pa.Table:
        caller = request.caller
        present = self._catalog.find(caller.workspace_id, TABLE, plan.name.text)
        if present is None:
            return self._new_table(plan, request)
        if plan.replace:
            return self._replace_table(plan, present, request)
        if plan.if_not_exists:
            return NOTHING
        raise SqlError(
            "TABLE_OR_VIEW_ALREADY_EXISTS",
            f"Cannot create table or view {plan.name.sql} because it already exists. Choose a"
            " different name, drop or replace the existing object, or add the IF NOT EXISTS clause"
            " to tolerate pre-existing objects.",
        )

    def _new_table(self, plan: CreateTable, request: Request) -> pa.Table:
        # The files first: who finds the table in the catalog finds its files too.
        table = new_table(request.caller, plan.name)
        directory = self._catalog.directory_of(table)
        try:
            self._fill(plan, table, request)
            self._catalog.enter_table(
                request.caller, table, comment=plan.facts.comment, facts=_stored(plan.facts)
            )
        except (SqlError, WireError, SailError, SailUnavailable):
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return NOTHING

    def _replace_table(self, plan: CreateTable, present: Securable, request: Request) -> pa.Table:
        if not self._catalog.grants.may_manage(request.caller, TABLE, present.full_name):
            raise from_wire(denied("MANAGE", TABLE, present.full_name))
        with self._table_locks[present.id]:
            self._fill(plan, present, request)
            self._catalog.update_table(
                present, comment=plan.facts.comment, facts=_stored(plan.facts)
            )
        return NOTHING

    def _fill(self, plan: CreateTable, table: Securable, request: Request) -> None:
        directory = self._catalog.directory_of(table)
        if plan.source is None:
            check_clustering(plan.facts, [column.name for column in plan.columns])
            create_empty(directory, plan.columns, comment=plan.facts.comment, replace=plan.replace)
            return
        host = self.host(request.caller.workspace_id)
        with host.session(plan.tables) as session:
            schema, batches = session.query(plan.source, operation=request.operation)
            check_names(schema.names)
            check_clustering(plan.facts, schema.names)
            try:
                overwrite(directory, schema, batches)
            except ValueError as error:
                raise SqlError(
                    "UNSUPPORTED_DATATYPE", f"Unsupported data type: {error}."
                ) from error

    def _add_columns(self, plan: AddColumns, _: Request) -> pa.Table:
        with self._table_locks[plan.target.id]:
            names = [column.name for column in self.columns_of(plan.target)]
            check_names([*names, *(column.name for column in plan.columns)])
            if not all(column.nullable for column in plan.columns):
                raise SqlError(
                    "UNSUPPORTED_FEATURE", "NOT NULL in ALTER TABLE ADD COLUMNS is not supported."
                )
            add_columns(self._catalog.directory_of(plan.target), plan.columns)
        return NOTHING

    def _set_properties(self, plan: SetProperties, _: Request) -> pa.Table:
        facts = dict(plan.target.facts)
        facts["properties"] = {**facts.get("properties", {}), **dict(plan.properties)}
        self._catalog.update_table(plan.target, comment=plan.target.comment, facts=facts)
        return NOTHING

    def _describe(self, plan: DescribeTable, _: Request) -> pa.Table:
        columns = self.columns_of(plan.target)
        return described_in_full(plan.target, columns) if plan.extended else described(columns)

    def _maintain(self, plan: Maintenance, _: Request) -> pa.Table:
        with self._table_locks[plan.target.id]:
            return maintain(plan, self._catalog.directory_of(plan.target))

    def _forget(self, table: Securable) -> None:
        host = self._hosts.get(table.workspace_id)
        if host is not None:
            host.forget(table)


def _joined(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _answer(table: pa.Table) -> Answer:
    return Answer(table.schema, iter(table.to_batches()))


def _counted(table: pa.Table) -> Answer:
    affected = table["num_affected_rows"][0].as_py()
    return Answer(table.schema, iter(table.to_batches()), affected)


def _counts(**counts: int) -> pa.Table:
    return pa.table({name: pa.array([count], pa.int64()) for name, count in counts.items()})


def _changed(verb: str, commit: Mapping[str, int]) -> pa.Table:
    if verb == "MERGE":
        updated = commit.get("numTargetRowsUpdated", 0)
        deleted = commit.get("numTargetRowsDeleted", 0)
        inserted = commit.get("numTargetRowsInserted", 0)
        return _counts(
            num_affected_rows=updated + deleted + inserted,
            num_updated_rows=updated,
            num_deleted_rows=deleted,
            num_inserted_rows=inserted,
        )
    name = "numUpdatedRows" if verb == "UPDATE" else "numDeletedRows"
    return _counts(num_affected_rows=commit.get(name, 0))


def _stored(facts: TableFacts) -> dict[str, Any]:
    keys = [
        {
            "name": key.name,
            "columns": list(key.columns),
            "table": [key.table.catalog, key.table.schema, key.table.name],
            "referred": list(key.referred),
        }
        for key in facts.foreign_keys
    ]
    return {
        **({"foreign_keys": keys} if keys else {}),
        "primary_key": list(facts.primary_key),
        "constraint": facts.constraint,
        "cluster_by": list(facts.cluster_by),
        "properties": dict(facts.properties),
    }


def _engine_gone(error: SailUnavailable) -> SqlError:
    return SqlError("INTERNAL_ERROR", f"The SQL engine ended while the statement ran: {error}.")
