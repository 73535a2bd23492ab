"""OAuth for service principals (M2M): tokens fetched with a client secret, renewed in time.

Our own and not the SDK's, whose token request knows no time-out, no certificates of ours and no
retries, follows wherever discovery points, and tells the time by the wall clock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.databricks_client.platform_errors import (
    StatusSource,
    lasting_kind,
    translated,
)
from kmflow_orchestration.databricks_client.retries import Retrier, RetryPolicy, TransientFault
from kmflow_orchestration.databricks_client.sign_in import AUTHORIZATION
from kmflow_orchestration.errors import (
    CredentialRefused,
    ProtocolError,
    RemoteFault,
    RequestRejected,
)
from kmflow_orchestration.redaction import register

logger = logging.getLogger(__name__)
_DISCOVERY = "/oidc/.well-known/oauth-authorization-server"
_SCOPE = "all-apis"
# Azure refuses a token in its last 30 seconds.
_MARGIN_S = 60.0
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class _Token:
    header: str = field(repr=False)
    renew_at: float
    ends_at: float
    """Both in seconds of the clock's monotonic time."""


class ClientSignIn:
    """A service principal's id and secret. The first token is fetched for the first request.

    `session` is a plain session to the workspace at `host`; both token and secret go nowhere else.
    """

    kind = "oauth-m2m"

    def __init__(
        self,
        host: str,
        client_id: str,
        look_up: Callable[[], Secret],
        *,
        where: str,
        session: Any,
        transport: StatusSource,
        clock: Clock,
        timeout_s: float,
    ) -> None:
        self.where = where
        self._host = host
        self._client_id = client_id
        self._look_up = look_up
        self._session = session
        self._transport = transport
        self._clock = clock
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._token: _Token | None = None
        look_up()  # a secret that is not there is told before any request

    def headers(self) -> dict[str, str]:
        token = self._token
        if token is None or self._clock.monotonic() >= token.renew_at:
            token = self._renewed(token)
        return {AUTHORIZATION: token.header}

    def has_other_than(self, refused: str | None) -> bool:
        token = self._token
        if token is not None and token.header == refused:
            token = self._renewed(token, must=True)
        return token is not None and token.header != refused

    def _renewed(self, old: _Token | None, *, must: bool = False) -> _Token:
        """The token in force; fetched by one thread while the others wait."""
        with self._lock:
            if self._token is not None and self._token is not old:
                return self._token
            still_good = old is not None and self._clock.monotonic() < old.ends_at and not must
            # A token that is still good for a while is worth more than a long wait.
            attempts = 1 if still_good else RetryPolicy().attempts
            try:
                self._token = Retrier(self._clock, RetryPolicy(attempts)).call(self._fetched)
            except RemoteFault as fault:
                if old is None or not still_good:
                    raise
                logger.warning("the token in use could not be renewed yet: %s", fault)
                return old
            return self._token

    def _fetched(self) -> _Token:
        endpoint = self._token_endpoint()
        asked_at = self._clock.monotonic()
        answer = self._answer(
            "POST",
            endpoint,
            auth=(self._client_id, self._look_up().reveal()),
            data={"grant_type": "client_credentials", "scope": _SCOPE},
        )
        token, kind = answer.get("access_token"), answer.get("token_type", "Bearer")
        if not isinstance(token, str) or not token or not str(kind).isalpha():
            raise ProtocolError(f"POST {_path(endpoint)}: the answer lacks access_token")
        register(token, passing=True)
        life_s = _seconds(answer.get("expires_in"))
        margin_s = min(_MARGIN_S, life_s / 4)
        logger.debug("signed in as client %s for %d s", self._client_id, life_s)
        return _Token(f"{kind} {token}", asked_at + life_s - margin_s, asked_at + life_s)

    def _token_endpoint(self) -> str:
        answer = self._answer("GET", f"{self._host}{_DISCOVERY}", auth=_nobody)
        endpoint = str(answer.get("token_endpoint") or "")
        if urlsplit(endpoint)[:2] != urlsplit(self._host)[:2]:
            raise ProtocolError(
                f"GET {_DISCOVERY}: the token endpoint is not on the workspace's own host",
                hint="the client's secret is sent to no other host",
            )
        return endpoint

    def _answer(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        what = f"{method} {_path(url)}"
        with translated(what, self._transport):
            response = self._session.request(
                method, url, timeout=self._timeout_s, allow_redirects=False, **options
            )
            if response.status_code != 200:
                raise _refusal(what, response)
            answer = response.json()
        if not isinstance(answer, dict):
            raise ProtocolError(f"{what}: the answer is no JSON object")
        return answer


def _refusal(what: str, response: Any) -> Exception:
    status = response.status_code
    if status in _TRANSIENT:
        after = response.headers.get("Retry-After", "")
        return TransientFault(
            f"{what}: HTTP {status}",
            error_code=f"HTTP_{status}",
            retry_after_s=float(after) if after.isdecimal() else None,
            was_refused=status == 429,
            becomes=lasting_kind(status),
        )
    code = _oauth_error(response)
    if status == 401 or code in {"invalid_client", "unauthorized_client", "access_denied"}:
        return CredentialRefused(
            f"{what}: the client's id and secret are refused: {code or status}",
            hint="check client_id and client_secret, and that the secret has not expired",
        )
    return RequestRejected(f"{what}: HTTP {status} {code}".strip(), error_code=code)


def _oauth_error(response: Any) -> str:
    """The error's code, such as `invalid_scope`; its description is anybody's text and left out."""
    try:
        body = response.json()
    except ValueError:
        return ""
    code = str(body.get("error", "")) if isinstance(body, dict) else ""
    return code if code.replace("_", "").isalpha() and len(code) < 50 else ""


def _seconds(expires_in: Any) -> float:
    try:
        return max(float(expires_in), 1.0)
    except (TypeError, ValueError):
        raise ProtocolError("the token endpoint does not say how long its token is good") from None


def _nobody(request: Any) -> Any:
    """An auth that adds nothing, so that requests does not look into ~/.netrc either."""
    return request


def _path(url: str) -> str:
    return urlsplit(url).path
