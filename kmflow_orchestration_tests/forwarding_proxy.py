"""A small HTTP proxy in this process: forwards plain requests, tunnels what comes by CONNECT.

Everything goes to one server, whatever host is asked for: a client that goes to a host where
nobody listens gets an answer only through the proxy.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

_PIECE = 1 << 16


@dataclass
class ForwardingProxy:
    """A running proxy; `seen` are the request lines it was sent, as `CONNECT localhost:9`."""

    port: int
    seen: list[str] = field(default_factory=list)
    wants: str = ""
    """`user:password` that every request must bring; '' for none."""

    @property
    def url(self) -> str:
        return f"http://{self.at}"

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url_of(self, user_info: str) -> str:
        return f"http://{user_info}@{self.at}"

    def admits(self, header: str) -> bool:
        expected = base64.b64encode(self.wants.encode()).decode()
        return not self.wants or header == f"Basic {expected}"


@contextlib.contextmanager
def forwarding_proxy(server_url: str) -> Iterator[ForwardingProxy]:
    """A proxy on a port of its own, before the server at this address."""
    target = urlsplit(server_url)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode("latin-1").strip()
            headers = _headers(self.rfile)
            method, _, rest = line.partition(" ")
            address = rest.rpartition(" ")[0]
            if not line:
                return
            if not proxy.admits(headers.pop("proxy-authorization", "")):
                proxy.seen.append("407")
                self.wfile.write(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                    b"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
                return
            proxy.seen.append(f"{method} {address}")
            with socket.create_connection((target.hostname, target.port)) as server:
                if method == "CONNECT":
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    server.sendall(_plain_head(method, address, headers))
                self._pump(server)

        def _pump(self, server: socket.socket) -> None:
            back = threading.Thread(target=_copy, args=(server, self.connection), daemon=True)
            back.start()
            # Buffered already, or still to come: the rest of what the client sends.
            while piece := self.rfile.read1(_PIECE):
                server.sendall(piece)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join(10)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up in the middle is no failure of a test."""

    running = Server(("127.0.0.1", 0), Handler)
    proxy = ForwardingProxy(running.server_address[1])
    thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def _headers(lines: object) -> dict[str, str]:
    found: dict[str, str] = {}
    while line := lines.readline().decode("latin-1").strip():  # type: ignore[attr-defined]
        name, _, value = line.partition(":")
        found[name.lower()] = value.strip()
    return found


def _plain_head(method: str, address: str, headers: dict[str, str]) -> bytes:
    """A request as its server reads it; one for each connection."""
    url = urlsplit(address)
    assert url.scheme, f"the proxy was asked for {address!r}, which says no host"
    path = f"{url.path or '/'}{'?' if url.query else ''}{url.query}"
    told = {**headers, "connection": "close"}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {told[name]}" for name in told), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
