"""A group's SQL engines: Databricks SQL, or a SQLite file for its own models (rows C10 to C14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.sign_in import SignIn
from kmflow_orchestration.databricks_client.warehouses import ready_warehouse
from kmflow_orchestration.errors import AccessRefused, RemoteNotFound
from kmflow_orchestration.lakehouse_sql.addresses import (
    address_settings,
    group_url,
    http_path_of,
    warehouse_of,
)
from kmflow_orchestration.lakehouse_sql.calls import SINGLE_ATTEMPT, GuardedCalls
from kmflow_orchestration.lakehouse_sql.column_types import check_times
from kmflow_orchestration.lakehouse_sql.driver import require_driver
from kmflow_orchestration.lakehouse_sql.models import schemas_of, without_schemas
from kmflow_orchestration.lakehouse_sql.pool import GroupPool
from kmflow_orchestration.lakehouse_sql.signing import DriverSigning
from kmflow_orchestration.lakehouse_sql.sqlite_files import group_file, open_group_file

# Statements run on without their client: no single request lasts as long as its statement.
REQUEST_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What engines are made of besides a group's settings.

    `client` gives a group's REST client: its way to sign in is the engine's too, and it looks at
    a warehouse that does not answer. Without `ca_file` the system's certificates are trusted;
    without `verify_tls` all of them.
    """

    client: Callable[[GroupConfig], WorkspaceCalls]
    clock: Clock
    sqlite_path: Path
    ca_file: Path | None = None
    verify_tls: bool = True
    request_timeout_s: float = REQUEST_TIMEOUT_S


def open_databricks(config: GroupConfig, sign_in: SignIn, parts: EngineParts) -> Engine:
    """An engine on a group's SQL warehouse; no connection is made yet.

    Raises:
        MissingDependency: the driver is not installed.
        ConfigurationError: naming what is missing in the group's settings.
    """
    require_driver()
    url = group_url(config)
    signing = DriverSigning(sign_in)
    engine = create_engine(
        url,
        poolclass=GroupPool,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=config.sql_pool_size,
        max_overflow=config.sql_max_overflow,
        pool_recycle=config.sql_pool_recycle_s,
        pool_timeout=config.sql_pool_timeout_s,
        connect_args={
            **address_settings(config, parts.ca_file, verify_tls=parts.verify_tls),
            **SINGLE_ATTEMPT,
            "_socket_timeout": parts.request_timeout_s,
            "credentials_provider": signing,
        },
        execution_options={"schema_translate_map": schemas_of(config.namespace)},
    )
    calls = GuardedCalls(
        f"Databricks SQL of group {config.group_id}",
        signing=signing,
        start_warehouse=lambda: _started(config, parts),
        clock=parts.clock,
    )
    calls.attach(engine)
    return _with_checked_times(engine)


def open_group_sqlite(config: GroupConfig, parts: EngineParts) -> Engine:
    """An engine on a group's SQLite file."""
    engine = open_group_file(group_file(parts.sqlite_path, config.group_id))
    engine.update_execution_options(schema_translate_map=without_schemas())
    return _with_checked_times(engine)


def probe(engine: Engine) -> None:
    """Ask for one row. Raises what a first statement would raise."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _started(config: GroupConfig, parts: EngineParts) -> bool:
    """Whether a warehouse that did not run was waited for, and runs now.

    Raises:
        WarehouseUnavailable: it did not start in the group's time.
    """
    warehouse_id = warehouse_of(http_path_of(config))
    if not warehouse_id:
        return False
    try:
        found = ready_warehouse(
            parts.client(config),
            warehouse_id,
            clock=parts.clock,
            start_timeout_s=config.warehouse_start_timeout_s,
        )
    except (AccessRefused, RemoteNotFound):
        return False  # who may use a warehouse need not be allowed to look at it
    return found != "RUNNING"


def _with_checked_times(engine: Engine) -> Engine:
    def check(*arguments: Any) -> None:
        check_times(arguments[4])

    event.listen(engine, "before_cursor_execute", check)
    return engine
