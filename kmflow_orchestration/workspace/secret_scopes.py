"""Secret scopes: values for those whom the scope's list names, encrypted where they lie."""

from __future__ import annotations

import re
import threading

from cryptography.fernet import Fernet

from kmflow_orchestration.workspace.own_token import own_secret
from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.wire import Caller, WireError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS secret_scopes (
    workspace_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    PRIMARY KEY (workspace_id, scope)
);
CREATE TABLE IF NOT EXISTS secret_acls (
    workspace_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    principal TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (workspace_id, scope, principal)
);
CREATE TABLE IF NOT EXISTS secrets (
    workspace_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    ciphertext TEXT NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, scope, key)
);
"""
READ, WRITE, MANAGE = "READ", "WRITE", "MANAGE"
_NAME = re.compile(r"[\w.@ -]{1,128}")


class SecretScopes:
    """Scopes of all workspaces of a server. Administrators may do everything."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        state.database.ensure(_SCHEMA)
        self._lock = threading.Lock()
        self._fernet: Fernet | None = None

    def put(self, workspace_id: str, scope: str, key: str, value: str) -> None:
        """Store a value; the scope appears with its first one.

        Raises:
            ValueError: names that Databricks would not take.
        """
        if not _NAME.fullmatch(scope) or not _NAME.fullmatch(key):
            raise ValueError("scope and key are 1 to 128 letters, digits, '.', '-', '_' and '@'")
        ciphertext = self._cipher().encrypt(value.encode()).decode()
        changed_ms = int(self._state.clock.now().timestamp() * 1000)
        with self._state.database.transaction() as database:
            database.execute(
                "INSERT OR IGNORE INTO secret_scopes VALUES (?, ?)", (workspace_id, scope)
            )
            database.execute(
                "INSERT OR REPLACE INTO secrets VALUES (?, ?, ?, ?, ?)",
                (workspace_id, scope, key, ciphertext, changed_ms),
            )

    def allow(self, caller: Caller, scope: str, permission: str = READ) -> None:
        """Put a principal on a scope's list."""
        self._state.database.execute(
            "INSERT OR REPLACE INTO secret_acls VALUES (?, ?, ?, ?)",
            (caller.workspace_id, scope, caller.principal, permission),
        )

    def get(self, caller: Caller, scope: str, key: str) -> str:
        """A value. Raises WireError: 404 for what is absent, 403 for a scope that is not theirs."""
        self._check(caller, scope)
        rows = self._state.database.execute(
            "SELECT ciphertext FROM secrets WHERE workspace_id = ? AND scope = ? AND key = ?",
            (caller.workspace_id, scope, key),
        )
        if not rows:
            raise _absent(f"Secret does not exist with scope: {scope} and key: {key}")
        return self._cipher().decrypt(rows[0]["ciphertext"].encode()).decode()

    def keys(self, caller: Caller, scope: str) -> list[tuple[str, int]]:
        """Keys of a scope with the time of their last change, in ms. Raises as `get`."""
        self._check(caller, scope)
        rows = self._state.database.execute(
            "SELECT key, updated_ms FROM secrets WHERE workspace_id = ? AND scope = ? ORDER BY key",
            (caller.workspace_id, scope),
        )
        return [(row["key"], row["updated_ms"]) for row in rows]

    def _check(self, caller: Caller, scope: str) -> None:
        if not self._state.database.execute(
            "SELECT 1 FROM secret_scopes WHERE workspace_id = ? AND scope = ?",
            (caller.workspace_id, scope),
        ):
            raise _absent(f"Scope {scope} does not exist!")
        listed = self._state.database.execute(
            "SELECT 1 FROM secret_acls WHERE workspace_id = ? AND scope = ? AND principal = ?",
            (caller.workspace_id, scope, caller.principal),
        )
        if not listed and not self._state.is_admin(caller):
            raise WireError(
                403,
                "PERMISSION_DENIED",
                f"User {caller.principal} does not have READ permission on scope {scope}",
            )

    def _cipher(self) -> Fernet:
        with self._lock:
            if self._fernet is None:
                # Any 32 bytes make a key; the file holds 43 letters of base64, which are 32 bytes.
                key = own_secret(self._state.directory / "scopes.key").read_text("ascii")
                self._fernet = Fernet(f"{key}=")
            return self._fernet


def _absent(message: str) -> WireError:
    return WireError(404, "RESOURCE_DOES_NOT_EXIST", message)
