"""What a failure of the driver means, told by its type and HTTP status (rows C7, C17)."""

from __future__ import annotations

from typing import Any

from urllib3 import exceptions as http

from kmflow_orchestration.databricks_client.reachability import HostUnreachable
from kmflow_orchestration.databricks_client.retries import TransientFault
from kmflow_orchestration.errors import (
    AccessRefused,
    CredentialRefused,
    KmflowError,
    RemoteFault,
    RemoteNotFound,
    RequestRejected,
    WarehouseUnavailable,
)

_NETWORK = frozenset({"DNS", "CONNECTION", "TIMEOUT"})
_UNAVAILABLE = frozenset({"502", "503", "504"})
# Answers that prove that nothing was done.
_REFUSALS = frozenset({"429", "503"})


def driver_errors() -> tuple[type[Exception], ...]:
    """What a call of the driver may raise when the network or the gateway fails."""
    from databricks.sql.exc import Error

    return (Error, http.HTTPError, OSError)


def meaning(error: BaseException, what: str) -> KmflowError | None:
    """Our error for a failure of the driver; `what` begins its sentence.

    None for everything the SQL server itself said, such as a syntax error: that stays SQLAlchemy's.
    """
    from databricks.sql.exc import RequestError

    if isinstance(error, http.HTTPError | OSError):
        return _of_the_network(error, what)
    if isinstance(error, RequestError):
        return _of_a_request(error, what)
    return None


def given_up(fault: RemoteFault) -> RemoteFault:
    """The last word after our retries, with types of their own for a host that cannot be reached
    and a warehouse that is away.
    """
    if fault.error_code in _NETWORK:
        return HostUnreachable(
            fault.message,
            hint="check workspace_url, the firewall and the proxy",
            error_code=fault.error_code,
        )
    if fault.error_code in _UNAVAILABLE:
        return WarehouseUnavailable(
            fault.message,
            hint="start it or enable auto-start in the workspace, or name another warehouse_id",
            error_code=fault.error_code,
        )
    return fault


def _of_the_network(error: BaseException, what: str) -> KmflowError:
    if isinstance(error, http.MaxRetryError) and error.reason is not None:
        return _of_the_network(error.reason, what)
    if isinstance(error, http.SSLError):
        return RequestRejected(
            f"{what}: the workspace's certificate is not trusted",
            hint="check workspace_url; name certificates of your own in KMFLOW_CA_BUNDLE",
        )
    code, unsent = "CONNECTION", isinstance(error, http.NewConnectionError)
    if isinstance(error, http.NameResolutionError):
        code = "DNS"
    elif isinstance(error, http.TimeoutError | TimeoutError):
        code, unsent = "TIMEOUT", isinstance(error, http.ConnectTimeoutError)
    return TransientFault(
        f"{what} cannot be reached: {type(error).__name__}", error_code=code, was_refused=unsent
    )


def _of_a_request(error: Any, what: str) -> KmflowError | None:
    # The driver keeps the cause as the exception's second argument.
    cause = error.args[1] if len(error.args) > 1 else None
    if isinstance(cause, KmflowError):
        return cause
    if isinstance(cause, http.HTTPError | OSError):
        return _of_the_network(cause, what)
    return _of_a_status(int(error.context.get("http-code") or 0), error.context, what)


def _of_a_status(status: int, context: dict[str, Any], what: str) -> KmflowError:
    told = f"{what} answered HTTP {status}"
    if status in {401, 403}:
        # A wrong token is answered 403 too, as is a warehouse that one may not use.
        refused = CredentialRefused if status == 401 else AccessRefused
        return refused(
            f"{what} refuses the group's credentials or its access (HTTP {status})",
            hint="check the token, and that the group may use the SQL warehouse",
        )
    if status == 404:
        return RemoteNotFound(f"{told}: no such warehouse", hint="check warehouse_id or http_path")
    if status in {429, 502, 503, 504}:
        asked = context.get("bounded-retry-delay")
        return TransientFault(
            told,
            error_code=str(status),
            # The driver puts 1 s where the answer named no time.
            retry_after_s=float(asked) if asked and asked > 1 else None,
            was_refused=str(status) in _REFUSALS,
        )
    if status == 200:
        return TransientFault(f"{what} broke off its answer", error_code="CONNECTION")
    return RequestRejected(told)
