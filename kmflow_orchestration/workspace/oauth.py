"""Access tokens, and the service principals that get them for a client id and secret (M2M)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.token_limits import ALL_APIS, TokenLimits
from kmflow_orchestration.workspace.wire import Caller

_SCHEMA = """
CREATE TABLE IF NOT EXISTS client_secrets (
    client_id TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    PRIMARY KEY (client_id, secret_sha256)
);
"""
_NAMESPACE = uuid.UUID("6a3f0f0e-4a0f-5d51-9a86-2f6f9f0c7f11")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An answer of the token endpoint."""

    text: str
    lifetime_s: int
    scope: str


class OAuth:
    """Client secrets, of which only hashes are kept, and the access tokens made for them."""

    def __init__(self, state: WorkspaceState, limits: TokenLimits) -> None:
        self._state = state
        self._limits = limits
        state.database.ensure(_SCHEMA)
        self.lifetime_s = 3600
        """Seconds a new access token is good for; Databricks gives an hour."""

    def add_secret(self, caller: Caller, secret: str) -> str:
        """Give a principal one more client secret; its client id, the same every time."""
        client_id = self.client_id(caller)
        self._state.database.execute(
            "INSERT OR REPLACE INTO client_secrets VALUES (?, ?, ?, ?)",
            (client_id, _sha256(secret), caller.workspace_id, caller.principal),
        )
        return client_id

    def client_id(self, caller: Caller) -> str:
        """The id under which a principal signs in, the same every time."""
        return str(uuid.uuid5(_NAMESPACE, f"{caller.workspace_id}\n{caller.principal}"))

    def revoke_secret(self, client_id: str, secret: str) -> None:
        """Make a client secret worthless; tokens made for it stay good until they end."""
        self._state.database.execute(
            "DELETE FROM client_secrets WHERE client_id = ? AND secret_sha256 = ?",
            (client_id, _sha256(secret)),
        )

    def issue(self, client_id: str, secret: str, scope: str) -> AccessToken | None:
        """A fresh access token; None for a secret that is not this client's."""
        caller = self._caller(client_id, secret)
        return None if caller is None else self.grant(caller, client_id, scope)

    def grant(self, caller: Caller, subject: str, scope: str) -> AccessToken:
        """A fresh access token of a principal, however it proved who it is."""
        granted = scope or ALL_APIS
        expires_at = self._state.clock.now() + timedelta(seconds=self.lifetime_s)
        claims = {"sub": subject, "exp": int(expires_at.timestamp()), "scope": granted}
        parts = [_encoded({"alg": "RS256", "typ": "at+jwt"}), _encoded(claims)]
        token = ".".join([*parts, secrets.token_urlsafe(48)])
        self._limits.set(token, expires_at=expires_at, scopes=granted.split())
        admin = self._state.is_admin(caller)
        self._state.create_principal(
            caller.workspace_id, caller.principal, token=token, admin=admin
        )
        return AccessToken(token, self.lifetime_s, granted)

    def _caller(self, client_id: str, secret: str) -> Caller | None:
        rows = self._state.database.execute(
            "SELECT secret_sha256, workspace_id, principal FROM client_secrets WHERE client_id = ?",
            (client_id,),
        )
        for row in rows:
            if hmac.compare_digest(row["secret_sha256"], _sha256(secret)):
                return Caller(row["workspace_id"], row["principal"])
        return None


def _encoded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
