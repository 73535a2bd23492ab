"""Where a browser leads a person back to after signing in: one answer, in a limited time.

The SDK's own listener begins after the browser was sent off, so a quick answer finds nobody; it
takes the first request for the answer, whatever it is, and waits for ever.
"""

from __future__ import annotations

import errno
import functools
import hmac
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from kmflow_orchestration.errors import SignInPortTaken, SignInRefused, SignInTimedOut

_CONNECTION_S = 30
_DONE = "Your answer has come back; what you began goes on. This tab can be closed."
_REFUSED = "The sign-in was refused. This tab can be closed."
_STRAY = "This is not the answer that is waited for."


class BrowserAnswer:
    """What came back, once it has."""

    def __init__(self, redirect_url: str, state: str) -> None:
        self._redirect_url = redirect_url
        self._path = urlsplit(redirect_url).path or "/"
        self._state = state
        self._came: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()

    def judged(self, url: str) -> tuple[HTTPStatus, str, dict[str, str]]:
        """What to tell a browser that asks for this, and its parameters if they are the answer.

        Only one with our state counts: favicons, tabs of earlier tries and other pages' requests
        end nothing.
        """
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        is_ours = hmac.compare_digest(query.get("state", "").encode(), self._state.encode())
        if parts.path != self._path or not is_ours or not query.keys() & {"code", "error"}:
            return HTTPStatus.NOT_FOUND, _STRAY, {}
        if "error" in query:
            return HTTPStatus.FORBIDDEN, _REFUSED, query
        return HTTPStatus.OK, _DONE, query

    def take(self, query: dict[str, str]) -> None:
        """The answer has come."""
        self._came.put(query)

    def wait(self, limit_s: float) -> dict[str, str]:
        """The parameters of the answer, with a code.

        Raises:
            SignInTimedOut: none came in `limit_s` seconds.
            SignInRefused: the person, or the workspace, said no.
        """
        try:
            query = self._came.get(timeout=limit_s)
        except queue.Empty:
            raise SignInTimedOut(
                f"nobody signed in in the browser within {limit_s:g} seconds",
                hint="begin again and finish in the browser that opens; where none opens, or none "
                f"reaches {self._redirect_url}, sign in with a token",
            ) from None
        if "error" in query:
            told = ": ".join(filter(None, (query["error"], query.get("error_description"))))
            raise SignInRefused(
                f"signing in in the browser was refused: {told}",
                hint="begin again and consent, as a user whom the workspace knows",
            )
        return query


@contextmanager
def listening(redirect_url: str, state: str) -> Iterator[BrowserAnswer]:
    """Takes requests of this machine from now on, until the block ends.

    Raises:
        SignInPortTaken: another process listens there; nobody was asked for anything yet.
    """
    port = urlsplit(redirect_url).port or 80
    answer = BrowserAnswer(redirect_url, state)
    try:
        server = _Server(("127.0.0.1", port), functools.partial(_Request, answer))
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        raise SignInPortTaken(
            f"port {port} of this machine is not free for the browser's answer",
            hint="end the other sign-in that waits there (`databricks auth login` does, too), or "
            "sign in with a token",
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield answer
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    # Browsers open connections ahead and say nothing on them; no other request waits for those.
    daemon_threads = True
    # There it would let two processes listen at once.
    allow_reuse_address = sys.platform != "win32"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hung up is no news; nothing is printed beside what a command shows."""


class _Request(BaseHTTPRequestHandler):
    timeout = _CONNECTION_S

    def __init__(self, answer: BrowserAnswer, *args: Any) -> None:
        self._answer = answer
        super().__init__(*args)

    def do_GET(self) -> None:
        status, text, query = self._answer.judged(self.path)
        try:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        finally:
            # Last: who waits for it may end this process. It counts also if nobody reads the page.
            if query:
                self._answer.take(query)

    def log_message(self, _format: str, *_args: object) -> None:
        """Its lines would hold the code."""
