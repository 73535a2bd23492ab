"""Engine and catalog of an embedded workspace, and callers in it, without the HTTP server."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.workspace.catalog_store import CatalogStore
from kmflow_orchestration.workspace.faults import Faults
from kmflow_orchestration.workspace.request_log import RequestLog
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.sql_engine import Request, SqlEngine
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_text import Parameter
from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.wire import Caller
from kmflow_orchestration_tests.embedded import embedded_server, room
from kmflow_orchestration_tests.fakes import FakeClock

NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Session:
    """A caller's way to the engine, with default catalog and schema."""

    services: Services
    caller: Caller
    catalog: str
    schema: str = "s"

    def run(self, sql: str, **parameters: Any) -> pa.Table:
        bound = [
            Parameter(name, *(value if isinstance(value, tuple) else (value,)))
            for name, value in parameters.items()
        ]
        request = Request(
            self.caller, sql, str(uuid.uuid4()), bound, catalog=self.catalog, schema=self.schema
        )
        return self.services.engine.run(request).table()

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.run(sql, **parameters).to_pylist()]

    def refused(self, sql: str, **parameters: Any) -> SqlError:
        with pytest.raises(SqlError) as caught:
            self.run(sql, **parameters)
        return caught.value

    def as_(self, principal: str) -> Session:
        return replace(self, caller=Caller(self.caller.workspace_id, principal))


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """One server's parts for all tests: its engine process is started once."""
    state = WorkspaceState(tmp_path_factory.mktemp("workspace"), FakeClock())
    built = Services(state, Faults(), RequestLog())
    built.catalog = CatalogStore(built)
    built.engine = SqlEngine(built)
    workspace_id = state.create_workspace("demo")
    for name, admin in (("root", True), ("ada", False), ("bob", False)):
        state.create_principal(workspace_id, name, token=f"token-{name}", admin=admin)
    yield built
    built.engine.close()
    state.close()


@pytest.fixture
def root(services: Services) -> Session:
    """The administrator, in a catalog of the test's own with a schema `s`."""
    return fresh_root(services)


@pytest.fixture(scope="module")
def shared_root(services: Services) -> Session:
    """The administrator, in a catalog that the tests of one file share and leave as it was."""
    return fresh_root(services)


def fresh_root(services: Services) -> Session:
    workspace_id = next(iter(services.state.workspaces()))
    catalog = f"c{next(NUMBERS)}"
    session = Session(services, Caller(workspace_id, "root"), catalog)
    session.run(f"CREATE CATALOG {catalog}")
    session.run(f"CREATE SCHEMA {catalog}.s")
    return session


def owner_of(root: Session, principal: str, schema: str) -> Session:
    root.run(f"CREATE SCHEMA {schema}")
    root.run(f"GRANT USE CATALOG ON CATALOG {root.catalog} TO {principal}")
    root.run(
        "GRANT USE SCHEMA, CREATE TABLE, CREATE VOLUME, SELECT, MODIFY, READ VOLUME, WRITE VOLUME"
        f" ON SCHEMA {schema} TO {principal}"
    )
    return replace(root.as_(principal), schema=schema)


__all__ = ["embedded_server", "room"]


def secret_of(ada: Session) -> str:
    """Full name of a table of Ada's with one row; beside it a Volume `vault` with files."""
    ada.run("CREATE TABLE secret (k INT, v STRING)")
    ada.run("INSERT INTO secret VALUES (1, 'hidden')")
    ada.run("CREATE VOLUME vault")
    folder = ada.services.catalog.volume_directory(ada.caller, ada.catalog, "a", "vault")
    pq.write_table(pa.table({"k": [1]}), folder / "rows.parquet")
    (folder / "rows.csv").write_text("1\n")
    (folder / "rows.json").write_text('{"k": 1}\n')
    return f"{ada.catalog}.a.secret"


def with_own_table(bob: Session) -> Session:
    """Bob, owner of a table `mine` with one row."""
    bob.run("CREATE TABLE mine (k INT, v STRING)")
    bob.run("INSERT INTO mine VALUES (5, 'own')")
    return bob
