"""The workspace's Unity Catalog: catalogs, schemas, tables, Volumes, and where their bytes lie.

It alone knows what exists; the engine's own catalog is a cache of it. Names are kept in lower case,
as Unity Catalog does. A table lies in a directory named after its id, so that a table dropped and
made again never meets its old files.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kmflow_orchestration.names import TableName
from kmflow_orchestration.workspace.foundation import Foundation
from kmflow_orchestration.workspace.grants import (
    CATALOG,
    METASTORE,
    METASTORE_NAME,
    SCHEMA,
    TABLE,
    VOLUME,
    Grant,
    Grants,
    ancestry,
    denied,
    privilege_name,
)
from kmflow_orchestration.workspace.securables import Securable, check_name, securable
from kmflow_orchestration.workspace.wire import Caller, WireError

_DDL = """
CREATE TABLE IF NOT EXISTS securables (
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    full_name TEXT NOT NULL,
    parent TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    comment TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (workspace_id, kind, full_name)
);
CREATE INDEX IF NOT EXISTS securables_by_parent ON securables (workspace_id, kind, parent);
"""


class CatalogStore:
    """What exists in each workspace, and who may use it.

    Methods with a caller check his privileges; names in any case are taken.
    """

    def __init__(self, services: Foundation) -> None:
        self._state = services.state
        self._database = services.state.database
        self._database.ensure(_DDL)
        self.grants = Grants(services.state)
        self._dropped: list[Callable[[Securable], None]] = []

    def on_drop(self, listener: Callable[[Securable], None]) -> None:
        """Tell a listener of every table that is dropped, before its files go."""
        self._dropped.append(listener)

    def create_catalog(self, caller: Caller, name: str, *, comment: str = "") -> Securable:
        """Make a catalog, owned by the caller. Raises WireError (403, 400 …_ALREADY_EXISTS)."""
        self.require(caller, "CREATE_CATALOG", METASTORE, METASTORE_NAME)
        made = self._make(caller, CATALOG, (name,), comment=comment)
        # Every catalog is born with one schema, as on Databricks.
        self._make(caller, SCHEMA, (name, "default"), comment="")
        return made

    def create_schema(
        self, caller: Caller, catalog: str, name: str, *, comment: str = ""
    ) -> Securable:
        """Make a schema, owned by the caller. Raises WireError."""
        self.require(caller, "USE_CATALOG", CATALOG, catalog)
        self.require(caller, "CREATE_SCHEMA", CATALOG, catalog)
        return self._make(caller, SCHEMA, (catalog, name), comment=comment)

    def create_volume(
        self, caller: Caller, schema_name: tuple[str, str], name: str, *, comment: str = ""
    ) -> Securable:
        """Make a managed Volume and its folder, owned by the caller. Raises WireError."""
        catalog, schema = schema_name
        self.require(caller, "USE_SCHEMA", SCHEMA, f"{catalog}.{schema}")
        self.require(caller, "CREATE_VOLUME", SCHEMA, f"{catalog}.{schema}")
        volume = self._make(caller, VOLUME, (catalog, schema, name), comment=comment)
        self._volume_path(volume).mkdir(parents=True, exist_ok=True)
        return volume

    def enter_table(
        self, caller: Caller, table: Securable, *, comment: str, facts: Mapping[str, Any]
    ) -> None:
        """Enter a table made by `new_table` whose files are in place. Raises WireError."""
        schema = table.full_name.rpartition(".")[0]
        self.require(caller, "USE_SCHEMA", SCHEMA, schema)
        self.require(caller, "CREATE_TABLE", SCHEMA, schema)
        made = replace(table, comment=comment, facts=dict(facts))
        self._insert(replace(made, created_ms=self._now_ms()))

    def update_table(self, table: Securable, *, comment: str, facts: Mapping[str, Any]) -> None:
        """Replace a table's comment and facts."""
        self._database.execute(
            "UPDATE securables SET comment = ?, facts = ? WHERE workspace_id = ? AND id = ?",
            (comment, json.dumps(facts), table.workspace_id, table.id),
        )

    def set_owner(self, workspace_id: str, kind: str, full_name: str, owner: str) -> None:
        """Give a securable to a principal. Raises WireError for one nobody knows."""
        self.grants.check_principal(workspace_id, owner)
        self._database.execute(
            "UPDATE securables SET owner = ? WHERE workspace_id = ? AND kind = ? AND full_name = ?",
            (owner, workspace_id, kind, full_name.lower()),
        )

    def drop(self, caller: Caller, kind: str, full_name: str, *, cascade: bool = False) -> None:
        """Remove a securable and its bytes; with `cascade` also what lies in it.

        Raises:
            WireError: it is absent, the caller may not, or it is not empty.
        """
        found = self.get(caller.workspace_id, kind, full_name)
        if not self.grants.may_manage(caller, kind, found.full_name):
            raise denied("MANAGE", kind, found.full_name)
        inside = [
            child
            for child_kind in (SCHEMA, TABLE, VOLUME)
            for child in self.children(caller.workspace_id, child_kind, found.full_name)
        ]
        if kind == CATALOG and [child.name for child in inside] == ["default"]:
            cascade = cascade or not self._has_children(inside[0])
        if inside and not cascade:
            raise WireError(
                400,
                "INVALID_STATE",
                f"{kind.capitalize()} '{found.full_name}' is not empty. The {kind.lower()} has"
                f" {len(inside)} {inside[0].kind.lower()}(s)",
            )
        for child in inside:
            self.drop(caller, child.kind, child.full_name, cascade=True)
        self._remove(found)

    def find(self, workspace_id: str, kind: str, full_name: str) -> Securable | None:
        """A securable by its full name; None when there is none."""
        rows = self._database.execute(
            "SELECT * FROM securables WHERE workspace_id = ? AND kind = ? AND full_name = ?",
            (workspace_id, kind, full_name.lower()),
        )
        return securable(rows[0]) if rows else None

    def get(self, workspace_id: str, kind: str, full_name: str) -> Securable:
        """A securable by its full name. Raises WireError 404."""
        found = self.find(workspace_id, kind, full_name)
        if found is None:
            raise WireError(
                404,
                f"{kind}_DOES_NOT_EXIST",
                f"{kind.capitalize()} '{full_name.lower()}' does not exist.",
            )
        return found

    def children(self, workspace_id: str, kind: str, parent: str = "") -> list[Securable]:
        """Securables of a kind right below a parent ("" for catalogs), by name."""
        rows = self._database.execute(
            "SELECT * FROM securables WHERE workspace_id = ? AND kind = ? AND parent = ?"
            " ORDER BY full_name",
            (workspace_id, kind, parent.lower()),
        )
        return [securable(row) for row in rows]

    def visible(self, caller: Caller, kind: str, parent: str = "") -> list[Securable]:
        """Those children the caller may use at all."""
        return [
            child
            for child in self.children(caller.workspace_id, kind, parent)
            if self.may_see(caller, child)
        ]

    def may_see(self, caller: Caller, securable: Securable) -> bool:
        """Whether a list shows a securable to the caller: he holds one privilege of its kind."""
        return any(
            self.grants.missing(caller, privilege, securable.kind, securable.full_name) is None
            for privilege in _SEEING[securable.kind]
        )

    def require(self, caller: Caller, privilege: str, securable_type: str, full_name: str) -> None:
        """Check existence, USE of the parents, and the privilege, from the outside in.

        Raises:
            WireError: 404 …_DOES_NOT_EXIST, 403 PERMISSION_DENIED.
        """
        kind, name = securable_type.upper(), full_name.lower()
        for place_kind, place in reversed(ancestry(kind, name)[1:]):
            self.get(caller.workspace_id, place_kind, place)
            if not self.grants.allows(caller, f"USE_{place_kind}", place_kind, place):
                raise denied(f"USE_{place_kind}", place_kind, place)
        if kind != METASTORE:
            self.get(caller.workspace_id, kind, name)
        if not self.grants.allows(caller, privilege, kind, name):
            raise denied(privilege_name(privilege), kind, name)

    def grant(
        self,
        workspace_id: str,
        privileges: Iterable[str],
        securable: tuple[str, str],
        principal: str,
    ) -> None:
        """Give privileges on `(kind, full name)`; who may do so is the caller's to check.

        Raises:
            WireError: no such securable, principal or privilege.
        """
        kind, full_name = securable[0].upper(), securable[1].lower()
        if kind != METASTORE:
            self.get(workspace_id, kind, full_name)
        with self._database.transaction():
            for privilege in privileges:
                self.grants.add(workspace_id, Grant(kind, full_name, principal, privilege))

    def volume_directory(self, caller: Caller, catalog: str, schema: str, volume: str) -> Path:
        """The folder of a Volume, privileges not checked. Raises WireError 404 NOT_FOUND."""
        full_name = f"{catalog}.{schema}.{volume}".lower()
        found = self.find(caller.workspace_id, VOLUME, full_name)
        if found is None:
            raise WireError(404, "NOT_FOUND", f"Volume '{full_name}' does not exist.")
        return self._volume_path(found)

    def table_directory(self, workspace_id: str, table: TableName) -> Path:
        """Where a table's Delta files lie. Raises WireError 404."""
        return self.directory_of(self.get(workspace_id, TABLE, table.text))

    def directory_of(self, table: Securable) -> Path:
        """Where a table's Delta files lie."""
        return self._state.workspace_directory(table.workspace_id) / "tables" / table.id

    def tables_usable_by(
        self, caller: Caller, privileges: Sequence[str] = ("SELECT",)
    ) -> list[tuple[TableName, Path]]:
        """Tables on which the caller holds all these privileges, by name."""
        rows = self._database.execute(
            "SELECT * FROM securables WHERE workspace_id = ? AND kind = ? ORDER BY full_name",
            (caller.workspace_id, TABLE),
        )
        return [
            (TableName(*table.parts), self.directory_of(table))
            for table in map(securable, rows)
            if all(
                self.grants.missing(caller, privilege, TABLE, table.full_name) is None
                for privilege in privileges
            )
        ]

    def _has_children(self, parent: Securable) -> bool:
        return any(
            self.children(parent.workspace_id, kind, parent.full_name) for kind in (TABLE, VOLUME)
        )

    def _make(
        self, caller: Caller, kind: str, parts: tuple[str, ...], *, comment: str
    ) -> Securable:
        check_name(parts[-1])
        made = Securable(
            workspace_id=caller.workspace_id,
            kind=kind,
            full_name=".".join(parts).lower(),
            id=str(uuid.uuid4()),
            owner=caller.principal,
            comment=comment,
            created_ms=self._now_ms(),
        )
        self._insert(made)
        return made

    def _insert(self, made: Securable) -> None:
        row = (
            *(made.workspace_id, made.kind, made.full_name, made.full_name.rpartition(".")[0]),
            *(made.id, made.owner, made.comment, made.created_ms, json.dumps(dict(made.facts))),
        )
        try:
            self._database.execute("INSERT INTO securables VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise WireError(
                400,
                f"{made.kind}_ALREADY_EXISTS",
                f"{made.kind.capitalize()} '{made.full_name}' already exists",
            ) from error

    def _now_ms(self) -> int:
        return int(self._state.clock.now().timestamp() * 1000)

    def _remove(self, securable: Securable) -> None:
        with self._database.transaction():
            self._database.execute(
                "DELETE FROM securables WHERE workspace_id = ? AND kind = ? AND full_name = ?",
                (securable.workspace_id, securable.kind, securable.full_name),
            )
            self.grants.forget(securable.workspace_id, securable.kind, securable.full_name)
        if securable.kind == TABLE:
            for listener in self._dropped:
                listener(securable)
            shutil.rmtree(self.directory_of(securable), ignore_errors=True)
        elif securable.kind == VOLUME:
            shutil.rmtree(self._volume_path(securable), ignore_errors=True)

    def _volume_path(self, volume: Securable) -> Path:
        return self._state.volumes_root(volume.workspace_id).joinpath(*volume.parts)


_SEEING: Mapping[str, tuple[str, ...]] = {
    CATALOG: ("USE_CATALOG", "BROWSE"),
    SCHEMA: ("USE_SCHEMA",),
    TABLE: ("SELECT", "MODIFY"),
    VOLUME: ("READ_VOLUME", "WRITE_VOLUME"),
}
