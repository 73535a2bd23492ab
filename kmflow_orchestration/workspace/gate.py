"""The way every request goes: who calls, what shall go wrong, the route, the error's form.

Plain ASGI instead of Starlette's middleware classes: thousands of small uploads a second pass here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kmflow_orchestration.workspace import presigned_urls
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.request_log import Request, RequestLog
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.wire import Caller, WireError

_LOG = logging.getLogger(__name__)
_ORG_HEADER = "X-Databricks-Org-Id"
# Clients of the Thrift protocol read the reason here: they cannot read a JSON body.
_REASON_HEADER = "X-Databricks-Reason-Phrase"
_NO_CREDENTIAL = "Credential was not sent or was of an unsupported type for this API."
# Host metadata, the token endpoint, and links whose secret is their own credential.
_OPEN = ("/.well-known/", "/oidc/", "/external-results/", presigned_urls.ROOT)
_UPLOADS = {"PUT", "POST"}
_HANG_UP_S = 5.0

Hangup = Callable[[Scope, bool], None]
"""Closes the connection of a request: the second argument says whether to flush what was sent."""


class Gate:
    """The ASGI application of an embedded workspace server."""

    def __init__(self, services: Services, router: Router, hang_up: Hangup) -> None:
        self._services = services
        self._router = router
        self._hang_up = hang_up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        exchange = _Exchange(scope, send, self._services.request_log)
        try:
            caller = self._authenticated(scope)
        except WireError as error:
            await error.response()(scope, receive, exchange.send)
        else:
            exchange.caller = caller
            scope["state"] = {**scope.get("state", {}), "caller": caller}
            fault = self._fault(scope, caller)
            await self._serve(fault, exchange, receive)
        exchange.note(0)  # in case nobody waited for an answer

    def _authenticated(self, scope: Scope) -> Caller | None:
        if scope["path"].startswith(_OPEN):
            return None
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise WireError(
                401,
                "401",
                _NO_CREDENTIAL,
                headers={
                    "WWW-Authenticate": 'Bearer realm="DatabricksRealm"',
                    _REASON_HEADER: _NO_CREDENTIAL,
                },
            )
        self._services.request_log.saw(token.strip())
        caller = self._services.state.authenticate(token.strip())
        if caller is None:
            text = "Invalid access token."
            raise WireError(403, "403", text, headers={_REASON_HEADER: text})
        self._services.token_limits.check(token.strip(), scope["path"])
        return caller

    def _fault(self, scope: Scope, caller: Caller | None) -> Fault | None:
        if scope["path"].startswith("/__kmflow/"):
            return None
        principal = caller.principal if caller else ""
        return self._services.faults.take(scope["method"], scope["path"], principal)

    async def _serve(self, fault: Fault | None, exchange: _Exchange, receive: Receive) -> None:
        scope, send = exchange.scope, exchange.send
        match fault.name if fault else None:
            case "fail_times" | "rate_limit" | "unavailable":
                await _failure(cast("Fault", fault))(scope, receive, send)
            case "delay":
                await asyncio.sleep(cast("Fault", fault).seconds)
                await self._route(scope, receive, send)
            case "execute_then_drop":
                await self._route(scope, receive, _nowhere)
                exchange.note(0)
                await self._leave(scope, receive, flush=False)
            case "cut_body":
                await self._cut(cast("Fault", fault).keep_bytes, exchange, receive)
            case "take_less":
                less = _Less(cast("Fault", fault).keep_bytes, receive)
                await self._route(scope, less.receive, send)
            case _:
                await self._route(scope, receive, send)

    async def _cut(self, keep_bytes: int, exchange: _Exchange, receive: Receive) -> None:
        exchange.note(0)
        scope = exchange.scope
        if scope["method"] in _UPLOADS:
            cut = _CutUpload(keep_bytes, receive)
            await self._route(scope, cut.receive, _nowhere)
            await self._leave(scope, receive, flush=False)
        else:
            download = _CutDownload(keep_bytes, exchange.forward)
            await self._route(scope, receive, download.send)
            await self._leave(scope, receive, flush=True)

    async def _leave(self, scope: Scope, receive: Receive, *, flush: bool) -> None:
        """Hang up and wait until that is done; uvicorn would answer 500 for us before it is."""
        self._hang_up(scope, flush)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HANG_UP_S):
                while (await receive())["type"] != "http.disconnect":
                    continue

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = _Guarded(self._router, scope)
        await guarded.serve(receive, send)


class _Exchange:
    """One request and its answer: adds the organisation header, notes the status in the log."""

    def __init__(self, scope: Scope, send: Send, log: RequestLog) -> None:
        self.scope = scope
        self.caller: Caller | None = None
        self._send = send
        self._log = log
        self._noted = False

    async def send(self, message: Message) -> None:
        """Pass an answer on to the client."""
        if message["type"] == "http.response.start":
            # Before the client has it, so that whoever counts next counts this one too.
            self.note(message["status"])
        await self.forward(message)

    async def forward(self, message: Message) -> None:
        """Pass a message on without taking note of its status."""
        if message["type"] == "http.response.start" and self.caller is not None:
            MutableHeaders(scope=message)[_ORG_HEADER] = self.caller.workspace_id
        await self._send(message)

    def note(self, status: int) -> None:
        """Log the request, once; status 0 says that the client gets no (whole) answer."""
        if not self._noted:
            self._noted = True
            principal = self.caller.principal if self.caller else ""
            self._log.record(Request(self.scope["method"], self.scope["path"], principal, status))


class _Guarded:
    """Runs the routes and turns what they raise into answers of Databricks' form."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._app = app
        self._scope = scope
        self._started = False

    async def serve(self, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            self._started = True
            await send(message)

        try:
            await self._app(self._scope, receive, noting)
        except WireError as error:
            await self._answer(error.response(), receive, send)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception:  # noqa: BLE001 - the last resort of a server: any bug is a 500 on the wire
            _LOG.exception("%s %s", self._scope["method"], self._scope["path"])
            await self._answer(_internal_error(), receive, send)

    async def _answer(self, response: Response, receive: Receive, send: Send) -> None:
        if not self._started:
            await response(self._scope, receive, send)


class _CutUpload:
    """Hands the first bytes of a request's body on, then reports that the client is gone."""

    def __init__(self, keep_bytes: int, receive: Receive) -> None:
        self._left = keep_bytes
        self._receive = receive

    async def receive(self) -> Message:
        if self._left <= 0:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")[: self._left]
            self._left = self._left - len(body) if message.get("more_body") else 0
            return {"type": "http.request", "body": body, "more_body": True}
        return message


class _Less:
    """Hands the first bytes of a request's body on, as if there were no others."""

    def __init__(self, keep_bytes: int, receive: Receive) -> None:
        self._left = keep_bytes
        self._receive = receive

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        body = message.get("body", b"")[: self._left]
        self._left -= len(body)
        return {**message, "body": body}


class _CutDownload:
    """Lets the first bytes of an answer's body through and swallows the rest."""

    def __init__(self, keep_bytes: int, send: Send) -> None:
        self._left = keep_bytes
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")[: self._left]
            self._left -= len(body)
            message = {"type": "http.response.body", "body": body, "more_body": True}
        await self._send(message)


async def _nowhere(message: Message) -> None:
    """An answer that nobody gets."""


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to a path that no endpoint has."""
    error = WireError(
        404, "ENDPOINT_NOT_FOUND", f"No API found for '{scope['method']} {scope['path']}'"
    )
    await error.response()(scope, receive, send)


def _failure(fault: Fault) -> Response:
    if fault.name == "rate_limit":
        headers = {"Retry-After": str(fault.retry_after_s)}
        limited = WireError(429, "RESOURCE_EXHAUSTED", "Rate limit exceeded", headers=headers)
        return limited.response()
    if fault.name == "unavailable":
        headers = {"Retry-After": str(fault.retry_after_s)}
        return WireError(503, "TEMPORARILY_UNAVAILABLE", fault.message, headers=headers).response()
    return WireError(fault.status, fault.error_code, fault.message).response()


def _internal_error() -> Response:
    body = {"error_code": "INTERNAL_ERROR", "message": "Unexpected failure in the server"}
    return JSONResponse(body, status_code=500)
