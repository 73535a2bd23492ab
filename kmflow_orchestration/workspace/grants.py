"""Privileges on securables, and who has them, by the rules of Unity Catalog.

A privilege granted on a catalog or schema holds for everything below. What lies in a schema is
reached only with USE CATALOG and USE SCHEMA. Administrators pass every check; an owner passes for
what he owns and everything below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.wire import Caller, WireError

METASTORE, CATALOG, SCHEMA, TABLE, VOLUME = "METASTORE", "CATALOG", "SCHEMA", "TABLE", "VOLUME"
METASTORE_NAME = "metastore"
# The group of the account to which every principal belongs.
EVERYBODY = "account users"

_DDL = """
CREATE TABLE IF NOT EXISTS grants (
    workspace_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    full_name TEXT NOT NULL,
    principal TEXT NOT NULL,
    privilege TEXT NOT NULL,
    PRIMARY KEY (workspace_id, kind, full_name, principal, privilege)
);
"""
_IN_TABLE = ("SELECT", "MODIFY", "APPLY_TAG")
_IN_VOLUME = ("READ_VOLUME", "WRITE_VOLUME")
_IN_SCHEMA = (*_IN_TABLE, *_IN_VOLUME, "USE_SCHEMA", "CREATE_TABLE", "CREATE_VOLUME")
_IN_CATALOG = (*_IN_SCHEMA, "USE_CATALOG", "CREATE_SCHEMA", "BROWSE")
_EVERYWHERE = ("ALL_PRIVILEGES", "MANAGE")
GRANTABLE: Mapping[str, frozenset[str]] = {
    METASTORE: frozenset({"CREATE_CATALOG"}),
    CATALOG: frozenset({*_IN_CATALOG, *_EVERYWHERE}),
    SCHEMA: frozenset({*_IN_SCHEMA, *_EVERYWHERE}),
    TABLE: frozenset({*_IN_TABLE, *_EVERYWHERE}),
    VOLUME: frozenset({*_IN_VOLUME, *_EVERYWHERE}),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege of one principal, and where it was granted."""

    kind: str
    full_name: str
    principal: str
    privilege: str


def privilege_name(text: str) -> str:
    """`read volume` and `READ_VOLUME` alike as the REST API writes it."""
    return "_".join(text.upper().replace("_", " ").split())


def spoken(privilege: str) -> str:
    """As SQL and error messages write it."""
    return privilege.replace("_", " ")


def denied(privilege: str, kind: str, full_name: str) -> WireError:
    """403 in the words of Unity Catalog."""
    return WireError(
        403,
        "PERMISSION_DENIED",
        f"User does not have {spoken(privilege)} on {kind.capitalize()} '{full_name}'.",
    )


def ancestry(kind: str, full_name: str) -> list[tuple[str, str]]:
    """The securable itself and what it lies in, from the inside out."""
    if kind == METASTORE:
        return [(METASTORE, METASTORE_NAME)]
    parts = full_name.split(".")
    around = [(CATALOG, parts[0]), (SCHEMA, ".".join(parts[:2]))][: len(parts) - 1]
    return [(kind, full_name), *reversed(around)]


class Grants:
    """Who may do what; the catalog store tells it who owns what."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        self._database = state.database
        self._database.ensure(_DDL)

    def allows(self, caller: Caller, privilege: str, kind: str, full_name: str) -> bool:
        """Whether the caller has one privilege on one securable, USE of its parents aside."""
        wanted = {privilege_name(privilege), "ALL_PRIVILEGES"}
        if self._state.is_admin(caller):
            return True
        for place_kind, place in ancestry(kind, full_name):
            if self._owner(caller.workspace_id, place_kind, place) == caller.principal:
                return True
            held = self._held(caller, place_kind, place)
            if held & wanted:
                return True
        return False

    def missing(
        self, caller: Caller, privilege: str, kind: str, full_name: str
    ) -> WireError | None:
        """What the caller lacks, USE of the parents included; None when nothing."""
        for place_kind, place in reversed(ancestry(kind, full_name)[1:]):
            use = f"USE_{place_kind}"
            if not self.allows(caller, use, place_kind, place):
                return denied(use, place_kind, place)
        if not self.allows(caller, privilege, kind, full_name):
            return denied(privilege_name(privilege), kind, full_name)
        return None

    def may_manage(self, caller: Caller, kind: str, full_name: str) -> bool:
        """Whether the caller may drop a securable and grant on it: its owner, or MANAGE."""
        return any(
            self._owner(caller.workspace_id, place_kind, place) == caller.principal
            or "MANAGE" in self._held(caller, place_kind, place)
            for place_kind, place in ancestry(kind, full_name)
        ) or self._state.is_admin(caller)

    def add(self, workspace_id: str, grant: Grant) -> None:
        """Give a privilege; a second time changes nothing.

        Raises:
            WireError: no such privilege on this kind, or no such principal.
        """
        privilege = self._checked(grant)
        self.check_principal(workspace_id, grant.principal)
        self._database.execute(
            "INSERT OR IGNORE INTO grants VALUES (?, ?, ?, ?, ?)",
            (workspace_id, grant.kind, grant.full_name, grant.principal, privilege),
        )

    def check_principal(self, workspace_id: str, principal: str) -> None:
        """Raises WireError for one nobody knows."""
        known = {one.name for one in self._state.principals(workspace_id)}
        if principal not in {*known, EVERYBODY}:
            raise WireError(
                404, "PRINCIPAL_DOES_NOT_EXIST", f"Could not find principal with name {principal}."
            )

    def remove(self, workspace_id: str, grant: Grant) -> None:
        """Take a privilege back; one that was never given is no error."""
        self._database.execute(
            "DELETE FROM grants WHERE workspace_id = ? AND kind = ? AND full_name = ?"
            " AND principal = ? AND privilege = ?",
            (workspace_id, grant.kind, grant.full_name, grant.principal, self._checked(grant)),
        )

    def on(self, workspace_id: str, kind: str, full_name: str) -> list[Grant]:
        """Privileges granted on the securable itself, by principal and privilege."""
        rows = self._database.execute(
            "SELECT principal, privilege FROM grants WHERE workspace_id = ? AND kind = ?"
            " AND full_name = ? ORDER BY principal, privilege",
            (workspace_id, kind, full_name),
        )
        return [Grant(kind, full_name, row["principal"], row["privilege"]) for row in rows]

    def effective(self, workspace_id: str, kind: str, full_name: str) -> list[Grant]:
        """Those on the securable and those it inherits, which name where they come from."""
        return [
            grant
            for place_kind, place in ancestry(kind, full_name)
            for grant in self.on(workspace_id, place_kind, place)
            if grant.privilege in GRANTABLE[kind]
        ]

    def forget(self, workspace_id: str, kind: str, full_name: str) -> None:
        """Drop all grants on a securable that is gone."""
        self._database.execute(
            "DELETE FROM grants WHERE workspace_id = ? AND kind = ? AND full_name = ?",
            (workspace_id, kind, full_name),
        )

    def _held(self, caller: Caller, kind: str, full_name: str) -> set[str]:
        rows = self._database.execute(
            "SELECT privilege FROM grants WHERE workspace_id = ? AND kind = ? AND full_name = ?"
            " AND principal IN (?, ?)",
            (caller.workspace_id, kind, full_name, caller.principal, EVERYBODY),
        )
        return {row["privilege"] for row in rows}

    def _owner(self, workspace_id: str, kind: str, full_name: str) -> str | None:
        rows = self._database.execute(
            "SELECT owner FROM securables WHERE workspace_id = ? AND kind = ? AND full_name = ?",
            (workspace_id, kind, full_name),
        )
        return str(rows[0]["owner"]) if rows else None

    @staticmethod
    def _checked(grant: Grant) -> str:
        privilege = privilege_name(grant.privilege)
        if privilege not in GRANTABLE[grant.kind]:
            raise WireError(
                400,
                "INVALID_PARAMETER_VALUE",
                f"Privilege {spoken(privilege)} is not applicable to this entity"
                f" [{grant.full_name}:{grant.kind}].",
            )
        return privilege


def privileges_of(grants: Iterable[Grant]) -> dict[str, list[Grant]]:
    """Grants by principal."""
    by_principal: dict[str, list[Grant]] = {}
    for grant in grants:
        by_principal.setdefault(grant.principal, []).append(grant)
    return by_principal
