"""Users who sign in with a browser (U2M): codes with PKCE, and refresh tokens that are used once.

There is no page to type a password into: whoever is `in_browser` of a workspace consents at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from kmflow_orchestration.workspace.oauth import AccessToken, OAuth
from kmflow_orchestration.workspace.state import WorkspaceState
from kmflow_orchestration.workspace.wire import Caller

_SCHEMA = """
CREATE TABLE IF NOT EXISTS refresh_tokens (
    token_sha256 TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    principal TEXT NOT NULL,
    scope TEXT NOT NULL
);
"""
_CODE_LIFE = timedelta(minutes=5)
_LOOPBACK = frozenset({"localhost", "127.0.0.1"})
# Without it there is no refresh token, as with Databricks.
_OFFLINE = "offline_access"


@dataclass(frozen=True, slots=True)
class _Code:
    caller: Caller
    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class UserTokens:
    """An access token, and what brings the next one; '' where offline access was not asked for."""

    access: AccessToken
    refresh: str


class UserLogins:
    """Codes and refresh tokens of users; of refresh tokens only hashes are kept."""

    def __init__(self, state: WorkspaceState, oauth: OAuth) -> None:
        self._state = state
        self._oauth = oauth
        self._codes: dict[str, _Code] = {}
        self._lock = threading.Lock()
        self.in_browser: Caller | None = None
        """The user who is signed in in the browser that comes; nobody by default."""
        state.database.ensure(_SCHEMA)

    def code(self, asked: dict[str, str]) -> str | None:
        """A code for the user in the browser; None for a request that is not one of PKCE, back to
        this machine, by somebody.
        """
        redirect = asked.get("redirect_uri", "")
        is_whole = (
            asked.get("response_type") == "code"
            and asked.get("code_challenge_method") == "S256"
            and asked.get("code_challenge")
            and asked.get("client_id")
            and urlsplit(redirect).hostname in _LOOPBACK
        )
        if not is_whole or self.in_browser is None:
            return None
        code = secrets.token_urlsafe(32)
        ends_at = self._state.clock.now() + _CODE_LIFE
        with self._lock:
            self._codes[code] = _Code(
                self.in_browser,
                asked["client_id"],
                redirect,
                asked["code_challenge"],
                asked.get("scope", ""),
                ends_at,
            )
        return code

    def exchange(self, form: dict[str, str]) -> UserTokens | None:
        """Tokens for a code, once; None for one that is over, another's or unverified."""
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        if code is None or self._state.clock.now() >= code.ends_at:
            return None
        same = (form.get("client_id"), form.get("redirect_uri")) == (
            code.client_id,
            code.redirect_uri,
        )
        if not same or not hmac.compare_digest(
            _challenge(form.get("code_verifier", "")), code.challenge
        ):
            return None
        return self._tokens(code.caller, code.client_id, code.scope)

    def refresh(self, form: dict[str, str]) -> UserTokens | None:
        """Tokens for a refresh token, which is then worthless; None for one that is not good."""
        digest = hashlib.sha256(form.get("refresh_token", "").encode()).hexdigest()
        with self._state.database.transaction() as database:
            found = database.execute(
                "SELECT * FROM refresh_tokens WHERE token_sha256 = ? AND client_id = ?",
                (digest, form.get("client_id", "")),
            )
            database.execute("DELETE FROM refresh_tokens WHERE token_sha256 = ?", (digest,))
        if not found:
            return None
        caller = Caller(found[0]["workspace_id"], found[0]["principal"])
        return self._tokens(caller, found[0]["client_id"], found[0]["scope"])

    def _tokens(self, caller: Caller, client_id: str, scope: str) -> UserTokens:
        words = scope.split()
        access = self._oauth.grant(
            caller, caller.principal, " ".join(one for one in words if one != _OFFLINE)
        )
        if _OFFLINE not in words:
            return UserTokens(access, "")
        refresh = secrets.token_urlsafe(48)
        self._state.database.execute(
            "INSERT INTO refresh_tokens VALUES (?, ?, ?, ?, ?)",
            (
                hashlib.sha256(refresh.encode()).hexdigest(),
                client_id,
                caller.workspace_id,
                caller.principal,
                scope,
            ),
        )
        return UserTokens(access, refresh)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
