"""What a token may do beside standing for its principal: until when, and for which APIs.

A token of which nothing is noted here, such as a personal one, is good for ever and for all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.wire import WireError

ALL_APIS = "all-apis"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS token_limits (
    token_sha256 TEXT PRIMARY KEY,
    expires_at REAL,
    scopes TEXT NOT NULL
);
"""
# The scope that each family of APIs asks of an OAuth token.
_SCOPES = (
    ("/api/2.0/fs/", "files"),
    ("/api/2.0/sql/", "sql"),
    ("/sql/", "sql"),
    ("/api/2.1/unity-catalog/", "unity-catalog"),
    ("/api/2.0/secrets/", "secrets"),
    ("/api/2.0/preview/scim/", ""),
)


@dataclass(frozen=True, slots=True)
class _Limit:
    expires_at: float | None
    scopes: frozenset[str]


class TokenLimits:
    """Ends and scopes of tokens, by the workspace's clock."""

    def __init__(self, state: WorkspaceState) -> None:
        self._state = state
        state.database.ensure(_SCHEMA)
        self._known: dict[str, _Limit | None] = {}

    def set(
        self, token: str, *, expires_at: datetime | None = None, scopes: Sequence[str] = (ALL_APIS,)
    ) -> None:
        """Let a token end, or serve some APIs only, from the next request on."""
        digest = _sha256(token)
        until = None if expires_at is None else expires_at.timestamp()
        # Kept for ever: a token whose end was forgotten would be good again.
        self._state.database.execute(
            "INSERT OR REPLACE INTO token_limits VALUES (?, ?, ?)",
            (digest, until, " ".join(scopes)),
        )
        self._known.pop(digest, None)

    def check(self, token: str, path: str) -> None:
        """Whether a token may be used for a path now.

        Raises:
            WireError: 401 for one that has ended, 403 for one without the scope.
        """
        limit = self._of(_sha256(token))
        if limit is None:
            return
        if limit.expires_at is not None and limit.expires_at <= self._state.clock.now().timestamp():
            raise WireError(401, "401", "Token is expired")
        needed = next((scope for prefix, scope in _SCOPES if path.startswith(prefix)), ALL_APIS)
        if needed and not limit.scopes & {ALL_APIS, needed}:
            raise WireError(
                403,
                "403",
                f"Provided OAuth token does not have required scopes: {needed}",
                headers={
                    "WWW-Authenticate": 'Bearer realm="DatabricksRealm", '
                    f'error="insufficient_scope", scope="{needed}"'
                },
            )

    def _of(self, digest: str) -> _Limit | None:
        if digest not in self._known:
            rows = self._state.database.execute(
                "SELECT expires_at, scopes FROM token_limits WHERE token_sha256 = ?", (digest,)
            )
            found = [_Limit(row["expires_at"], frozenset(row["scopes"].split())) for row in rows]
            self._known[digest] = found[0] if found else None
        return self._known[digest]


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
