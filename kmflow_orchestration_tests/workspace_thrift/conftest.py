"""The driver of Databricks SQL, unmodified, at the Thrift endpoint of an embedded workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from databricks import sql

from kmflow_orchestration_tests.embedded import (
    SCHEMA,
    GroupInRoom,
    Room,
    embedded_server,
    room,
)

__all__ = ["embedded_server", "room"]
Connect = Callable[..., Any]


def http_path(room: Room) -> str:
    """Of the room's warehouse."""
    warehouse_id = room.server.services.warehouses.default_id(room.admin.workspace_id)
    return f"/sql/1.0/warehouses/{warehouse_id}"


def driver_settings(room: Room, group: GroupInRoom) -> dict[str, Any]:
    """Arguments of the driver's `connect`: one attempt a call, so that faults are seen at once."""
    path = http_path(room)
    return {
        "server_hostname": "127.0.0.1",
        "http_path": path,
        "_connection_uri": f"{room.url}{path}",
        "access_token": group.token,
        "catalog": group.catalog,
        "schema": SCHEMA,
        "enable_telemetry": False,
        "_enable_v3_retries": False,
        "_retry_stop_after_attempts_count": 1,
    }


@pytest.fixture
def acme(room: Room) -> GroupInRoom:
    return room.group("acme")


@pytest.fixture
def connect(room: Room) -> Iterator[Connect]:
    """Opens connections of a group, and closes them at the end."""
    with ExitStack() as opened:

        def open_one(group: GroupInRoom, **settings: Any) -> Any:
            connection = sql.connect(**{**driver_settings(room, group), **settings})
            opened.callback(connection.close)
            return connection

        yield open_one


@pytest.fixture
def cursor(connect: Connect, acme: GroupInRoom) -> Any:
    return connect(acme).cursor()
