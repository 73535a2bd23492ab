"""What stands between the SDK and the network: one bounded connection pool, and no waiting.

Imported only when a client is built, because it imports requests and the SDK.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import requests
from databricks.sdk.clock import Clock as SdkClock
from requests.adapters import HTTPAdapter

from kmflow_orchestration.clock import Clock

logger = logging.getLogger(__name__)
_PIECE_BYTES = 1 << 18


class Transport(HTTPAdapter):
    """Connection pool that logs each request and remembers the status of each thread's last one.

    A request line holds method, path, status and milliseconds; never the query, which carries
    the signature of a presigned URL, and never a header.
    """

    def __init__(self, connections: int, clock: Clock) -> None:
        # Not blocking: an unread download must not stop the others.
        super().__init__(pool_connections=4, pool_maxsize=connections, pool_block=False)
        self._clock = clock
        self._seen = threading.local()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # A body goes out in pieces of this size; the default of 16 KiB costs four times the CPU.
        super().init_poolmanager(*args, **kwargs, blocksize=_PIECE_BYTES)

    @property
    def last_status(self) -> int | None:
        status: int | None = getattr(self._seen, "status", None)
        return status

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        self._seen.status = None
        started = self._clock.monotonic()
        path = (request.path_url or "").partition("?")[0]
        try:
            response: requests.Response = super().send(request, *args, **kwargs)
        except requests.RequestException as error:
            logger.debug("%s %s: %s", request.method, path, type(error).__name__)
            raise
        self._seen.status = response.status_code
        took_ms = (self._clock.monotonic() - started) * 1000
        logger.debug("%s %s %d %.0f ms", request.method, path, response.status_code, took_ms)
        return response


def settle(session: requests.Session, url: str) -> None:
    """Fix what the environment says about proxies and certificates, once for all requests.

    `requests` would read all of it again for each of them, a tenth of an upload's CPU.
    """
    found = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies, session.verify = found["proxies"], found["verify"]
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
