"""What the catalog knows of a catalog, schema, table or Volume."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kmflow_orchestration.names import TableName, is_identifier
from kmflow_orchestration.workspace.grants import TABLE
from kmflow_orchestration.workspace.wire import Caller, WireError


@dataclass(frozen=True, slots=True)
class Securable:
    """A catalog, schema, table or Volume; `created_ms` is milliseconds since 1970.

    `facts` of a table: primary_key, constraint, cluster_by, properties.
    """

    workspace_id: str
    kind: str
    full_name: str
    id: str
    owner: str
    comment: str
    created_ms: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.full_name.rpartition(".")[2]

    @property
    def parts(self) -> list[str]:
        return self.full_name.split(".")


def new_table(caller: Caller, table: TableName) -> Securable:
    """A table of the caller that is not in the catalog yet, with an id and so a directory.

    Raises:
        WireError: no valid name.
    """
    check_name(table.name)
    return Securable(
        workspace_id=caller.workspace_id,
        kind=TABLE,
        full_name=table.text.lower(),
        id=str(uuid.uuid4()),
        owner=caller.principal,
        comment="",
        created_ms=0,
    )


def check_name(name: str) -> None:
    """Refuse what Unity Catalog would not take as a name. Raises WireError 400."""
    if not is_identifier(name):
        raise WireError(
            400,
            "INVALID_PARAMETER_VALUE",
            f"{name!r} is not a valid name. Only letters, digits, '-' and '_' are allowed",
        )


def securable(row: sqlite3.Row) -> Securable:
    """A row of the catalog's table."""
    return Securable(
        workspace_id=row["workspace_id"],
        kind=row["kind"],
        full_name=row["full_name"],
        id=row["id"],
        owner=row["owner"],
        comment=row["comment"],
        created_ms=row["created_ms"],
        facts=json.loads(row["facts"]),
    )
