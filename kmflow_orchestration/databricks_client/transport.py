"""What stands between the SDK and the network: one bounded connection pool, and no waiting.

Imported only when a client is built, because it imports requests and the SDK.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import urlencode

import requests
from databricks.sdk.clock import Clock as SdkClock
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers, requote_uri, super_len

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.body_connections import BodyConnections
from kmflow_orchestration.databricks_client.retry_after import retry_after_s

logger = logging.getLogger(__name__)
_PIECE_BYTES = 1 << 18
# A workspace, and the hosts of a few kinds of presigned links.
_ORIGINS = 4
_BODILESS = frozenset({"GET", "HEAD"})


class Transport(HTTPAdapter):
    """Connection pool that logs each request and remembers the status of each thread's last one.

    A request line holds method, path, status and milliseconds; never the query, which carries
    the signature of a presigned URL, and never a header.
    """

    def __init__(self, connections: int, clock: Clock) -> None:
        # Not blocking: an unread download must not stop the others.
        super().__init__(pool_connections=_ORIGINS, pool_maxsize=connections, pool_block=False)
        self._clock = clock
        self._seen = threading.local()
        self._pools: dict[object, Any] = {}
        self._connections = connections
        self._bodies: dict[object, BodyConnections] = {}

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # A body goes out in pieces of this size; the default of 16 KiB costs four times the CPU.
        super().init_poolmanager(*args, **kwargs, blocksize=_PIECE_BYTES)

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> Any:
        # One origin, one pool: to work out which takes a tenth of an upload's CPU.
        origin = _origin(request)
        key = (origin, verify, cert, *(proxies or {}).items())
        pool = self._pools.get(key)
        if pool is None:
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            if len(self._pools) == _ORIGINS:
                self._pools.clear()
            self._pools[key] = pool
        return pool

    def request_url(
        self, request: requests.PreparedRequest, proxies: Mapping[str, str] | None
    ) -> str:
        return super().request_url(request, proxies) if proxies else request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        # As requests does it, but for cookies of an answer that sets none: to look for them takes
        # as long as all the rest.
        if "Set-Cookie" in resp.headers:
            return super().build_response(req, resp)
        response = requests.Response()
        response.status_code, response.reason, response.raw = resp.status, resp.reason, resp
        response.headers = CaseInsensitiveDict(resp.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.url, response.request, response.connection = req.url or "", req, self
        return response

    def close(self) -> None:
        """Close the connections that are idle."""
        super().close()
        self._pools.clear()
        for connections in list(self._bodies.values()):
            connections.close()

    @property
    def last_status(self) -> int | None:
        status: int | None = getattr(self._seen, "status", None)
        return status

    @property
    def last_authorization(self) -> str | None:
        """The Authorization header of this thread's last request."""
        header: str | None = getattr(self._seen, "authorization", None)
        return header

    @property
    def last_challenge(self) -> str:
        """What this thread's last answer says about the authorization it wants, '' for nothing."""
        challenge: str = getattr(self._seen, "challenge", "")
        return challenge

    @property
    def last_retry_after_s(self) -> float | None:
        """Seconds that this thread's last answer asks us to stay away, None if it does not."""
        seconds: float | None = getattr(self._seen, "retry_after_s", None)
        return seconds

    def _send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        if request.method != "PUT" or not request.body or kwargs.get("proxies"):
            response: requests.Response = super().send(request, *args, **kwargs)
            return response
        bodies = self._bodies_to(_origin(request), kwargs["verify"])
        return bodies.send(request, timeout_s=kwargs["timeout"])

    def _bodies_to(self, origin: str, verify: bool | str) -> BodyConnections:
        key = (origin, verify)
        found = self._bodies.get(key)
        if found is None:
            if len(self._bodies) >= _ORIGINS:
                self._bodies.pop(next(iter(self._bodies))).close()
            found = BodyConnections(origin, verify, kept=self._connections)
            # Of two threads that make the first at once, one waits for nothing and loses nothing.
            found = self._bodies.setdefault(key, found)
        return found

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        self._seen.status = self._seen.retry_after_s = None
        self._seen.challenge = ""
        self._seen.authorization = request.headers.get("Authorization")
        started = self._clock.monotonic()
        try:
            response = self._send(request, *args, **kwargs)
        except requests.RequestException as error:
            logger.debug("%s %s: %s", request.method, _Path(request), type(error).__name__)
            raise
        self._seen.status = response.status_code
        self._seen.challenge = response.headers.get("WWW-Authenticate", "")
        header = response.headers.get("Retry-After")
        if header is not None:
            self._seen.retry_after_s = retry_after_s(header, self._clock.now())
        took_ms = (self._clock.monotonic() - started) * 1000
        status = response.status_code
        logger.debug("%s %s %d %.0f ms", request.method, _Path(request), status, took_ms)
        return response


class _Path:
    """A request's path, worked out when somebody wants to read it."""

    def __init__(self, request: requests.PreparedRequest) -> None:
        self._request = request

    def __str__(self) -> str:
        return (self._request.path_url or "").partition("?")[0]


def _origin(request: requests.PreparedRequest) -> str:
    return "/".join((request.url or "").split("/", 3)[:3])


class LeanSession(requests.Session):
    """The SDK's session, which sends a request without working everything out anew for each.

    What the environment says about proxies and certificates is settled once, for `url`. A request
    without JSON is put together by hand: its headers are ours already, and cookies, redirects and
    hooks have no part in it. Together that is half of an upload's CPU, and small uploads are bound
    by the interpreter's lock.
    """

    def __init__(self, transport: Transport, url: str, verify: bool | str = True) -> None:
        super().__init__()
        self._transport = transport
        _settle(self, transport, url, verify)
        # The API redirects nobody; whoever does is a login page, or worse.
        self.max_redirects = 0

    def request(  # type: ignore[override]
        self, method: str, url: str, *, data: Any = None, **rest: Any
    ) -> requests.Response:
        if rest.get("json") is not None or rest.get("files") is not None:
            return super().request(method, url, data=data, **rest)
        prepared, stream = self._prepared(method, url, data, rest), bool(rest.get("stream"))
        response = self._transport.send(
            prepared,
            stream=stream,
            timeout=rest.get("timeout"),
            verify=self.verify,
            proxies=self.proxies,
        )
        if not stream:
            _ = response.content  # read to its end, the connection can be used again
        if response.is_redirect:
            raise requests.TooManyRedirects(f"{method} was redirected", response=response)
        return response

    def _prepared(
        self, method: str, url: str, data: BinaryIO | None, rest: Mapping[str, Any]
    ) -> requests.PreparedRequest:
        prepared = requests.PreparedRequest()
        given = {
            name: value for name, value in (rest.get("params") or {}).items() if value is not None
        }
        query = urlencode(given, doseq=True)
        whole = f"{url}?{query}" if query else url
        # The address of a file is quoted already; the SDK leaves names of other things as they are.
        prepared.method, prepared.url = method, whole if data is not None else requote_uri(whole)
        prepared.hooks = {"response": []}
        # Bytes at hand go out as they are, without being read in pieces.
        body: Any = data.getvalue() if isinstance(data, io.BytesIO) else data
        prepared.body = body
        prepared.headers = CaseInsensitiveDict({**self.headers, **(rest.get("headers") or {})})
        if data is not None or method not in _BODILESS:
            length = super_len(data) if data is not None else 0  # type: ignore[no-untyped-call]
            prepared.headers["Content-Length"] = str(length)
        return self.auth(prepared)  # type: ignore[operator, misc]


def plain_session(transport: Transport, url: str, verify: bool | str) -> requests.Session:
    """A session over the same connections that authorizes nothing by itself."""
    session = requests.Session()
    _settle(session, transport, url, verify)
    return session


def _settle(session: requests.Session, transport: Transport, url: str, verify: bool | str) -> None:
    """Connections, proxies and certificates of a session, once and for all of its requests.

    A `verify` that is not True, our own certificates or none checked, wins over the environment's.
    """
    session.mount("https://", transport)
    session.mount("http://", transport)
    found = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies = found["proxies"]
    session.verify = found["verify"] if verify is True else verify
    session.trust_env = False


class OneAttemptClock(SdkClock):  # type: ignore[misc]
    """Makes the SDK give up after one attempt, without sleeping, whatever `Retry-After` says.

    Its retry loop runs until a deadline on this clock (0 s would mean 300): so a sleep moves the
    clock past it. Each thread has its own clock: they must not push each other over deadlines.
    """

    def __init__(self) -> None:
        self._thread = threading.local()

    def time(self) -> float:
        return time.time() + float(getattr(self._thread, "skipped_s", 0.0))

    def sleep(self, seconds: float) -> None:
        self._thread.skipped_s = getattr(self._thread, "skipped_s", 0.0) + seconds + 1.0
