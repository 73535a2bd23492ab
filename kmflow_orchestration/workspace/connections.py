"""Open client connections, so that a fault can cut one."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Scope


class Connections:
    """Open client connections by the client's address, so that a fault can cut one."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's protocol, the quicker one when installed, that registers its connection."""
        transports = self._transports
        base = _http_protocol()

        class Registered(base):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: asyncio.Transport) -> None:
                self.peer = transport.get_extra_info("peername")[:2]
                transports[self.peer] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self.peer, None)
                super().connection_lost(exc)

            def shutdown(self) -> None:
                super().shutdown()
                # Over TLS a closed connection waits 30 s for the client to say goodbye too.
                if self.transport.get_extra_info("sslcontext") and self.transport.is_closing():
                    self.transport.abort()

        return Registered

    def hang_up(self, scope: Scope, flush: bool) -> None:
        """Close the connection a request came by, at once or after what was sent so far."""
        transport = self._transports.get(tuple(scope["client"]))
        if transport is None:
            return
        if flush:
            transport.close()
        else:
            transport.abort()


def _http_protocol() -> Any:
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return H11Protocol
    return HttpToolsProtocol
