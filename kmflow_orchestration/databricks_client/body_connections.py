"""Bodies go out over connections of the standard library, at less than half of urllib3's CPU.

Small uploads are bound by the interpreter's lock, so that the CPU of one is the speed of all (see
`docs/benchmarks.md`). A fault is raised as what requests would raise for it.
"""

from __future__ import annotations

import http.client
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_encoding_from_headers
from urllib3.util.wait import wait_for_read, wait_for_write

from kmflow_orchestration.databricks_client.interrupts import LOOK_S, check_given_up, is_watched

_PIECE_BYTES = 1 << 18
_PORTS = {"http": 80, "https": 443}


class BodyConnections:
    """Connections to one origin, such as `https://host:port`, for requests that bring a body.

    Its length is in the request's headers. Safe for many threads: each that sends has a connection,
    and `kept` of them stay open.
    """

    def __init__(self, origin: str, verify: bool | str, *, kept: int) -> None:
        url = urlsplit(origin)
        self._origin = origin
        self._host = url.hostname or ""
        self._port = url.port or _PORTS[url.scheme]
        self._tls = _tls(verify) if url.scheme == "https" else None
        self._kept = kept
        self._idle: deque[http.client.HTTPConnection] = deque()

    def send(self, request: requests.PreparedRequest, *, timeout_s: float) -> requests.Response:
        """The answer to a request, read to its end.

        Raises:
            requests.RequestException: the leaf that requests has for the fault.
        """
        connection = self._connection(timeout_s)
        try:
            with _as_requests_says(request):
                answer = self._exchange(connection, request)
                response = _response(request, answer, answer.read())
        except BaseException:
            connection.close()
            raise
        if answer.will_close or len(self._idle) >= self._kept:
            connection.close()
        else:
            self._idle.append(connection)
        return response

    def _exchange(
        self, connection: http.client.HTTPConnection, request: requests.PreparedRequest
    ) -> http.client.HTTPResponse:
        headers: Any = request.headers
        target = (request.url or "").removeprefix(self._origin)
        body: Any = request.body
        if is_watched() and int(headers.get("Content-Length") or 0) > _PIECE_BYTES:
            body = _watched(connection, body)
        try:
            connection.request(request.method or "", target, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            if connection.sock is None:
                raise
            # A request may be refused before its body has been taken: the answer says why.
        _wait(connection, wait_for_read)
        return connection.getresponse()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        while (kept := self._take()) is not None:
            # With something to read, it was closed meanwhile.
            if kept.sock is not None and not wait_for_read(kept.sock, timeout=0):
                kept.sock.settimeout(timeout_s)
                return kept
            kept.close()
        options: dict[str, Any] = {"timeout": timeout_s, "blocksize": _PIECE_BYTES}
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, **options)
        return http.client.HTTPSConnection(self._host, self._port, context=self._tls, **options)

    def _take(self) -> http.client.HTTPConnection | None:
        """The connection that was used last: others may end by themselves."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def close(self) -> None:
        """Close the connections that are idle."""
        while (kept := self._take()) is not None:
            kept.close()


def _watched(connection: http.client.HTTPConnection, body: Any) -> Iterator[Any]:
    """The body in pieces, for as long as this thread is not given up."""
    for piece in _pieces(body):
        _wait(connection, wait_for_write)
        yield piece


def _pieces(body: Any) -> Iterable[Any]:
    if hasattr(body, "read"):
        return iter(lambda: body.read(_PIECE_BYTES), b"")
    view = memoryview(body)
    return (view[at : at + _PIECE_BYTES] for at in range(0, len(view), _PIECE_BYTES))


def _wait(connection: http.client.HTTPConnection, ready: Callable[..., bool]) -> None:
    """Until the other side is ready, or this thread is given up: no signal reaches it."""
    sock = connection.sock
    if sock is None or not is_watched():
        return
    left = sock.gettimeout() or LOOK_S
    while left > 0:
        check_given_up()
        if ready(sock, timeout=LOOK_S):
            return
        left -= LOOK_S
    raise TimeoutError


def _response(
    request: requests.PreparedRequest, answer: http.client.HTTPResponse, content: bytes
) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason = answer.status, answer.reason
    response.headers = CaseInsensitiveDict(answer.getheaders())
    response.encoding = get_encoding_from_headers(response.headers)
    response.url, response.request = request.url or "", request
    response._content = content  # noqa: SLF001 - where requests keeps what it has read
    return response


@contextmanager
def _as_requests_says(request: requests.PreparedRequest) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise requests.exceptions.SSLError(error, request=request) from error
    except TimeoutError as error:
        raise requests.Timeout(error, request=request) from error
    except (http.client.HTTPException, OSError) as error:
        raise requests.ConnectionError(error, request=request) from error


def _tls(verify: bool | str) -> ssl.SSLContext:
    """Certificates as requests' `verify` names them: a file, a folder, its own list, or none."""
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    trusted = Path(DEFAULT_CA_BUNDLE_PATH if verify is True else verify)
    if trusted.is_dir():
        return ssl.create_default_context(capath=str(trusted))
    return ssl.create_default_context(cafile=str(trusted))
