"""Counts of the requests a server answered, for tests and benchmarks that count round trips."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Request:
    """One answered request; status 0 means that the connection was dropped without an answer."""

    method: str
    path: str
    principal: str
    status: int


class Requests:
    """Requests that a question matched."""

    def __init__(self, counts: Counter[Request]) -> None:
        self._counts = counts

    def count(self, *, status: int | None = None, principal: str | None = None) -> int:
        """How many, of one status or of one principal when asked so."""
        return sum(
            times
            for request, times in self._counts.items()
            if status in {None, request.status} and principal in {None, request.principal}
        )

    def __iter__(self) -> Iterator[Request]:
        return self._counts.elements()


_DISTINCT = 250_000


class RequestLog:
    """Every request since the start or the last `clear()`.

    Beyond a quarter of a million different ones (about 100 MB) new paths are counted under their
    first four parts and `/…`, so that a server that runs for weeks does not grow.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Request] = Counter()
        self._seen: set[bytes] = set()

    def saw(self, secret: str) -> None:
        """Remember, by its hash, that a token or client secret was sent here."""
        self._seen.add(_digest(secret))

    def has_seen(self, secret: str) -> bool:
        """Whether it was, since the start or the last `clear()`."""
        return _digest(secret) in self._seen

    def record(self, request: Request) -> None:
        """Count one request."""
        with self._lock:
            if len(self._counts) >= _DISTINCT and request not in self._counts:
                request = replace(request, path="/".join(request.path.split("/")[:5]) + "/…")
            self._counts[request] += 1

    def matching(self, method: str = "*", path: str = "*") -> Requests:
        """Requests by method and path; `*` in the path stands for any text, slashes too."""
        with self._lock:
            seen = list(self._counts.items())
        return Requests(
            Counter(
                {
                    request: times
                    for request, times in seen
                    if method in {"*", request.method} and fnmatchcase(request.path, path)
                }
            )
        )

    def clear(self) -> None:
        """Forget everything counted."""
        with self._lock:
            self._counts.clear()
            self._seen.clear()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
