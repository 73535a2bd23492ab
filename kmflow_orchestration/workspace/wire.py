"""What every endpoint of the embedded workspace shares: who calls, what was sent, how errors look.

Errors have the envelope of the Databricks REST API, `{"error_code", "message"}`; a client decides
by the code first and the HTTP status second.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_DOMAIN = "filesystem.databricks.com"


class WireError(Exception):
    """An answer other than success: HTTP status, Databricks error code, sentence.

    The code is a word everywhere but at the gate, where Databricks repeats the status number, as
    a number.
    `reason` is the finer code that the Files API gives in `details`.
    """

    def __init__(
        self,
        status: int,
        error_code: str,
        message: str,
        *,
        reason: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message
        self.reason = reason
        self.headers = dict(headers or {})

    def envelope(self) -> dict[str, object]:
        """The JSON body Databricks sends."""
        code = int(self.error_code) if self.error_code.isdigit() else self.error_code
        body: dict[str, object] = {"error_code": code, "message": self.message}
        if self.reason:
            body["details"] = [{"@type": _ERROR_INFO, "reason": self.reason, "domain": _DOMAIN}]
        return body

    def response(self) -> Response:
        """The whole answer."""
        return JSONResponse(self.envelope(), status_code=self.status, headers=self.headers)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token stands for: a principal in one workspace of this server."""

    workspace_id: str
    principal: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a blocking handler sees it: caller, path variables, query, JSON body."""

    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]


Handler = Callable[[Call], Response | Mapping[str, Any]]


def caller(request: Request) -> Caller:
    """The authenticated caller; the server put it there before any route was looked at."""
    found = request.state.caller
    assert isinstance(found, Caller)  # noqa: S101 - the server's own promise, not input
    return found


async def json_body(request: Request) -> Mapping[str, Any]:
    """The request's JSON object; no body is an empty object. Raises WireError 400."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise WireError(
            400, "MALFORMED_REQUEST", f"Could not parse request object: {error}"
        ) from error
    if not isinstance(body, dict):
        raise WireError(400, "MALFORMED_REQUEST", "Could not parse request object: expected a map")
    return body


def endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A route's endpoint from a blocking handler: it runs in a thread, off the event loop.

    A handler returns a mapping (sent as JSON with 200) or a Response of its own.
    """

    async def run(request: Request) -> Response:
        call = Call(
            caller(request),
            dict(request.path_params),
            dict(request.query_params),
            await json_body(request),
        )
        answer = await run_in_threadpool(handler, call)
        return answer if isinstance(answer, Response) else JSONResponse(answer)

    return run
