"""SDK and network exceptions → our error tree, by type, status and error code, never by message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from kmflow_orchestration.databricks_client.proxies import proxy_for
from kmflow_orchestration.databricks_client.retries import TransientFault
from kmflow_orchestration.errors import (
    AccessRefused,
    CredentialRefused,
    KmflowError,
    ProtocolError,
    RateLimited,
    RemoteConflict,
    RemoteFault,
    RemoteNotFound,
    RemoteTimeout,
    RequestRejected,
    ScopeMissing,
)
from kmflow_orchestration.redaction import scrub

_TRANSIENT_STATUS = frozenset({408, 429, 502, 503, 504})
_TRANSIENT_CODES = frozenset(
    {
        "TEMPORARILY_UNAVAILABLE",
        "SERVICE_UNAVAILABLE",
        "REQUEST_LIMIT_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "DEADLINE_EXCEEDED",
        "WORKSPACE_TEMPORARILY_UNAVAILABLE",
    }
)
_TIMEOUT_STATUS = frozenset({408, 504})
_RATE_CODES = frozenset({"REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"})
_SCOPE_CODES = frozenset({"INVALID_SCOPE", "INSUFFICIENT_SCOPE"})


class StatusSource(Protocol):
    """Knows this thread's last answer; without one there is None, or '', to know."""

    @property
    def last_status(self) -> int | None: ...

    @property
    def last_challenge(self) -> str: ...

    @property
    def last_retry_after_s(self) -> float | None: ...


@contextmanager
def translated(what: str, statuses: StatusSource) -> Iterator[None]:
    """Turns every failure of one request inside into a leaf of our tree.

    `what` names the request, such as `GET /api/2.0/sql/warehouses`. The SDK keeps a request's
    HTTP status to itself and leaves 502 without a class of its own: `statuses` supplies it.
    """
    import requests
    from databricks.sdk.errors import DatabricksError

    try:
        yield
    except TimeoutError as error:
        scrub(error)
        # What the SDK raises when its own retry time is over; the real fault is its cause.
        cause = error.__cause__
        raise _translate(cause if cause is not None else error, what, statuses) from error
    except (DatabricksError, requests.RequestException) as error:
        # Its text may hold a presigned URL, which is a credential by itself.
        scrub(error)
        raise _translate(error, what, statuses) from error


def _translate(error: BaseException, what: str, statuses: StatusSource) -> KmflowError:
    from databricks.sdk.errors import DatabricksError

    if isinstance(error, DatabricksError):
        fault = _platform_error(error, what, statuses)
        if isinstance(fault, AccessRefused):
            fault.error_code = str(error.error_code or "")
        if isinstance(fault, TransientFault):
            fault.retry_after_s = statuses.last_retry_after_s
        return fault
    return _network_error(error, what)


def _network_error(error: BaseException, what: str) -> KmflowError:
    import requests

    if isinstance(error, requests.exceptions.JSONDecodeError):
        return ProtocolError(f"{what}: the answer is no JSON")
    if isinstance(error, requests.exceptions.SSLError):
        return RequestRejected(
            f"{what}: the workspace's certificate is not trusted",
            hint="check workspace_url; name certificates of your own in KMFLOW_CA_BUNDLE",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return _proxy_error(error, what)
    transient = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        TimeoutError,
    )
    if isinstance(error, transient):
        late = isinstance(error, (requests.Timeout, TimeoutError))
        return TransientFault(
            f"{what}: {type(error).__name__}",
            error_code="CONNECTION",
            becomes=RemoteTimeout if late else RemoteFault,
        )
    return RequestRejected(f"{what}: {type(error).__name__}")


def _proxy_error(error: Any, what: str) -> TransientFault:
    """A proxy that is not there, or does not let us through: it, and not the workspace, is named.

    Whether it wants a password is not told apart: the library keeps its answer to itself.
    """
    proxy = proxy_for(str(getattr(error.request, "url", "") or ""))
    named = "the proxy" if proxy is None else f"the proxy {proxy.at}"
    return TransientFault(
        f"{what}: {named} does not let us through",
        error_code="CONNECTION",
        hint="" if proxy is None else proxy.hint,
    )


def _platform_error(error: Any, what: str, statuses: StatusSource) -> KmflowError:
    from databricks.sdk import errors as sdk

    status = statuses.last_status
    code = str(error.error_code or "")
    text = f"{what}: {error}" if str(error) != "None" else f"{what}: HTTP {status}"
    if isinstance(error, (sdk.Unauthenticated, sdk.PermissionDenied)):
        return _refusal(error, text, code, statuses.last_challenge)
    if isinstance(error, sdk.NotFound):
        return RemoteNotFound(text, error_code=code)
    if isinstance(error, sdk.ResourceConflict) or code.endswith("_ALREADY_EXISTS"):
        return RemoteConflict(text, error_code=code)
    if status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES:
        return TransientFault(
            text,
            error_code=code or f"HTTP_{status}",
            was_refused=status == 429,
            becomes=lasting_kind(status, code),
        )
    if isinstance(error, sdk.BadRequest):
        return RequestRejected(text, error_code=code)
    if status is not None and status >= 500:
        return TransientFault(text, error_code=code or f"HTTP_{status}", is_internal=True)
    return RemoteFault(text, error_code=code or f"HTTP_{status}")


def _refusal(error: Any, text: str, code: str, challenge: str) -> KmflowError:
    """Who we are, what our token is for, or what we may do: one of them was refused."""
    from databricks.sdk import errors as sdk

    if 'error="insufficient_scope"' in challenge or code.upper() in _SCOPE_CODES:
        return ScopeMissing(text, hint="give the token the scope, or another way to sign in")
    # At its gate Databricks repeats the status as the code; a missing grant has a code in words.
    if isinstance(error, sdk.Unauthenticated) or code in {"401", "403"}:
        return CredentialRefused(text, hint="check the group's token: it may have ended")
    return AccessRefused(text, hint="check the group's token and its grants")


def lasting_kind(status: int | None, code: str = "") -> type[RemoteFault]:
    """What a passing fault is called once it has not passed."""
    if status == 429 or code in _RATE_CODES:
        return RateLimited
    if status in _TIMEOUT_STATUS or code == "DEADLINE_EXCEEDED":
        return RemoteTimeout
    return RemoteFault
