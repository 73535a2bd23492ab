"""A group's client to the embedded workspace, on a clock that moves when told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom
from kmflow_orchestration_tests.fakes import FakeClock

__all__ = ["embedded_server", "room"]


@pytest.fixture
def groups(room: Room, clock: FakeClock) -> Iterator[GroupsInRoom]:
    opened = GroupsInRoom(room, clock)
    yield opened
    opened.close()


@pytest.fixture
def calls(groups: GroupsInRoom) -> WorkspaceCalls:
    return groups.calls("acme")


@pytest.fixture
def httpserver_at() -> Iterator[Callable[[object], str]]:
    """Makes servers that give one JSON answer to everything; `{host}` in it is their address."""
    with contextlib.ExitStack() as servers:

        def serve(answer: object) -> str:
            return servers.enter_context(answering(answer))

        yield serve


@contextlib.contextmanager
def answering(answer: object) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps(answer).replace("{host}", host).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield host
    server.shutdown()
    server.server_close()
    thread.join()
