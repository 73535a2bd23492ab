"""Requests with a body: connections are used again, and each fault is the one requests names."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from kmflow_orchestration.databricks_client.body_connections import BodyConnections
from kmflow_orchestration.workspace.certificates import own_certificate

TAKEN = b"HTTP/1.1 204 No Content\r\nX-Told: yes\r\n\r\n"
BIG = b"0123456789abcdef" * 200_000


@dataclass
class Peer:
    """A server of one answer; it notes the connections and the bodies that come."""

    origin: str
    answer: bytes = TAKEN
    takes_bodies: bool = True
    closes: bool = False
    connections: int = 0
    bodies: list[bytes] = field(default_factory=list)
    gone: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released for every connection that the server has closed."""

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        with connection, connection.makefile("rb") as stream, suppress(OSError):
            while head := _head(stream):
                if self.takes_bodies:
                    self.bodies.append(stream.read(int(head["content-length"])))
                connection.sendall(self.answer)
                if self.closes:
                    break
        self.gone.release()


def _head(stream: io.BufferedReader) -> dict[str, str]:
    stream.readline()
    lines = iter(lambda: stream.readline().decode().strip(), "")
    pairs = (line.partition(":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in pairs}


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scheme = "http" if tls is None else "https"
        peer = Peer(f"{scheme}://localhost:{listener.getsockname()[1]}")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=greet, args=(connection,), daemon=True).start()

        def greet(connection: socket.socket) -> None:
            with suppress(OSError):
                secure = (
                    connection if tls is None else tls.wrap_socket(connection, server_side=True)
                )
                peer.serve(secure)

        threading.Thread(target=accept, daemon=True).start()
        yield peer
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening() as found:
        yield found


@pytest.fixture
def connected() -> Iterator[Callable[..., BodyConnections]]:
    made: list[BodyConnections] = []

    def connect(peer: Peer, *, verify: bool | str = True, kept: int = 2) -> BodyConnections:
        made.append(BodyConnections(peer.origin, verify, kept=kept))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def put(connections: BodyConnections, peer: Peer, body, *, timeout_s: float = 10):
    length = len(body) if isinstance(body, bytes) else len(BIG)
    request = requests.PreparedRequest()
    request.prepare(method="PUT", url=f"{peer.origin}/files/a%20b?overwrite=false")
    request.headers["Content-Length"] = str(length)
    request.body = body
    return connections.send(request, timeout_s=timeout_s)


@pytest.mark.parametrize("body", [b"small", BIG, io.BytesIO(BIG)], ids=["small", "big", "stream"])
def test_a_body_arrives_and_the_answer_comes_back(peer, connected, body):
    answer = put(connected(peer), peer, body)

    assert (answer.status_code, answer.reason, answer.content) == (204, "No Content", b"")
    assert (answer.headers["x-told"], answer.url) == ("yes", answer.request.url)
    assert peer.bodies == [b"small" if body == b"small" else BIG]


def test_a_connection_serves_one_request_after_the_other(peer, connected):
    connections = connected(peer)

    for _ in range(3):
        put(connections, peer, b"x")

    assert peer.connections == 1


def test_a_connection_that_its_server_closed_meanwhile_is_not_used_again(peer, connected):
    connections = connected(peer)
    peer.closes = True

    for _ in range(3):
        assert put(connections, peer, b"x").status_code == 204
        assert peer.gone.acquire(timeout=10)

    assert peer.connections == 3


def test_a_server_that_says_it_will_close_is_believed(peer, connected):
    peer.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    connections = connected(peer)

    assert [put(connections, peer, b"x").text for _ in range(2)] == ["ok", "ok"]
    assert peer.connections == 2


def test_no_more_connections_stay_open_than_are_kept(peer, connected):
    connections = connected(peer, kept=2)
    together = threading.Barrier(4)

    class Slow(io.BytesIO):
        """All are under way at once, each on a connection of its own."""

        def read(self, size: int | None = -1) -> bytes:
            if not self.tell():
                together.wait(10)
            return super().read(size)

    threads = [threading.Thread(target=put, args=(connections, peer, Slow(BIG))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert (peer.connections, len(peer.bodies)) == (4, 4)
    assert all(peer.gone.acquire(timeout=10) for _ in range(2))
    assert not peer.gone.acquire(blocking=False)
    connections.close()
    assert all(peer.gone.acquire(timeout=10) for _ in range(2))


def test_a_refusal_that_comes_before_the_whole_body_is_the_answer(peer, connected):
    peer.answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
    peer.takes_bodies, peer.closes = False, True

    answer = put(connected(peer), peer, BIG)

    assert (answer.status_code, answer.text) == (413, "big")


def test_a_server_that_hangs_up_without_an_answer(peer, connected):
    peer.answer, peer.closes = b"", True

    with pytest.raises(requests.ConnectionError):
        put(connected(peer), peer, b"x")


def test_an_answer_that_is_no_http(peer, connected):
    peer.answer = b"SSH-2.0-here\r\n\r\n"

    with pytest.raises(requests.ConnectionError):
        put(connected(peer), peer, b"x")


def test_a_server_that_says_nothing_for_too_long(peer, connected):
    peer.answer = b""

    with pytest.raises(requests.Timeout):
        put(connected(peer), peer, b"x", timeout_s=0.2)


def test_a_server_that_is_not_there(connected):
    with listening() as peer:
        pass

    with pytest.raises(requests.ConnectionError):
        put(connected(peer), peer, b"x")


def test_a_body_that_cannot_be_read_is_told_and_its_connection_not_used_again(peer, connected):
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    connections = connected(peer)

    with pytest.raises(requests.ConnectionError, match="Input/output error"):
        put(connections, peer, Broken(BIG))
    assert put(connections, peer, b"x").status_code == 204
    assert peer.connections == 2


def test_certificates_are_trusted_as_requests_trusts_them(tmp_path: Path, connected):
    certificate = own_certificate(tmp_path, datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    with listening(context) as peer:
        with pytest.raises(requests.exceptions.SSLError):
            put(connected(peer), peer, b"x")
        assert peer.bodies == []
        for verify in (str(certificate.certificate), False):
            assert put(connected(peer, verify=verify), peer, b"x").status_code == 204
