"""Large files go up in parts of our own making, each to a link of its own (`spec/wire.md` 2.3).

The SDK's own parts lost data without a word where a link expired: it asked for a new one and sent
the rest of a body already read. Here a part is bytes at hand, sent whole to whatever link.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO
from urllib.parse import quote

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.errors import KmflowError, ProtocolError, RemoteFault, RemoteNotFound
from kmflow_orchestration.names import VolumePath

logger = logging.getLogger(__name__)
FILES = "/api/2.0/fs/files"
_MOST_PARTS = 10_000
_LINKS_AT_ONCE = 8
_LINK_LIFE = timedelta(hours=1)
_SENT_AGAIN = 3


class NoParts(Exception):
    """The workspace takes no parts here; nothing has been sent."""


@dataclass(frozen=True, slots=True)
class PartSizes:
    """How large parts are, and how many bytes of them may be in memory at once, of all files."""

    part_bytes: int = 8 << 20
    in_memory_bytes: int = 128 << 20
    workers: int = 4
    """Parts of one file that are sent at once."""

    def of(self, size_bytes: int) -> int:
        """Bytes of each part of a file, which has at most ten thousand."""
        return max(self.part_bytes, -(-size_bytes // _MOST_PARTS))


class PartedUploads:
    """Uploads in parts over one client; safe for many threads, which share its memory."""

    def __init__(self, calls: WorkspaceCalls, sizes: PartSizes | None = None) -> None:
        self._calls = calls
        self.sizes = sizes or PartSizes()
        at_once = max(self.sizes.in_memory_bytes // self.sizes.part_bytes, 1)
        self._room = threading.BoundedSemaphore(at_once)

    def send(
        self, path: VolumePath, opener: Callable[[], BinaryIO], size_bytes: int, *, overwrite: bool
    ) -> None:
        """Store a file, which appears whole once its last part is there.

        A failure leaves no file, unless the last answer of all was lost.

        Raises:
            NoParts: the workspace has no such uploads; `opener` was not called.
            RemoteConflict: there is a file already, and `overwrite` is false.
        """
        session = self._begun(path, overwrite=overwrite)
        try:
            with opener() as content:
                etags = self._sent(session, content, size_bytes)
            session.complete(etags)
        except BaseException:
            self._abort(session)
            raise

    def _begun(self, path: VolumePath, *, overwrite: bool) -> _Session:
        endpoint = FILES + quote(path.text)
        query = {"action": "initiate-upload", "overwrite": "true" if overwrite else "false"}
        try:
            answer = self._calls.do("POST", endpoint, query=query)
        except RemoteNotFound as error:
            # No such API, or no such Volume: one request says which.
            raise NoParts from error
        upload = answer.get("multipart_upload")
        if not isinstance(upload, dict):
            raise NoParts  # a resumable upload, as Google's cloud has them
        token = str(required(upload, "session_token", f"POST {endpoint}"))
        return _Session(self._calls, path, token)

    def _sent(self, session: _Session, content: BinaryIO, size_bytes: int) -> dict[int, str]:
        """Tags of all parts, by their numbers."""
        etags: dict[int, str] = {}
        under_way: set[Future[tuple[int, str]]] = set()
        with ThreadPoolExecutor(self.sizes.workers, "kmflow-part") as pool:
            try:
                for number, part in enumerate(self._parts(content, size_bytes), 1):
                    under_way.add(pool.submit(self._send_part, session, number, part))
                    if len(under_way) > self.sizes.workers:
                        under_way = _collected(under_way, etags)
                while under_way:
                    under_way = _collected(under_way, etags)
            except BaseException:
                for one in under_way:
                    if one.cancel():
                        self._room.release()
                raise
        return etags

    def _parts(self, content: BinaryIO, size_bytes: int) -> Iterator[bytes]:
        """The content in parts, each with a place in memory that its sending gives back."""
        left, part_bytes = size_bytes, self.sizes.of(size_bytes)
        while left:
            self._room.acquire()
            try:
                part = _read(content, min(left, part_bytes))
            except BaseException:
                self._room.release()
                raise
            left -= len(part)
            yield part

    def _send_part(self, session: _Session, number: int, part: bytes) -> tuple[int, str]:
        try:
            self._calls.pace.wait_for(len(part))
            return number, session.send(number, part)
        finally:
            self._room.release()

    def _abort(self, session: _Session) -> None:
        """Best effort: the workspace drops what is never completed, after some days."""
        try:
            session.abort()
        except KmflowError as error:
            logger.info("an upload was left to expire: %s", error.message)


def _collected(under_way: set[Future[tuple[int, str]]], etags: dict[int, str]) -> Any:
    done, rest = wait(under_way, return_when=FIRST_COMPLETED)
    for one in done:
        number, etag = one.result()
        etags[number] = etag
    return rest


def _read(content: BinaryIO, size: int) -> bytes:
    """Exactly so many bytes; a stream may hand them out in smaller pieces."""
    pieces, left = [], size
    while left:
        piece = content.read(left)
        if not piece:
            raise RemoteFault(f"the file ended {left} bytes too early")
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Session:
    """An upload under way; its links are asked for a few at a time."""

    def __init__(self, calls: WorkspaceCalls, path: VolumePath, token: str) -> None:
        self._calls = calls
        self._path = path
        self._token = token
        self._links: dict[int, tuple[str, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def send(self, number: int, part: bytes) -> str:
        """A part's tag; a link that is refused, as one that has expired, is replaced."""
        refused: RemoteNotFound | None = None
        for _ in range(_SENT_AGAIN):
            url, headers = self._link(number)
            try:
                return self._calls.put_link(url, part, headers)
            except RemoteNotFound as error:
                logger.info("part %d: %s; another link is asked for", number, error.message)
                refused = error
        raise RemoteFault(f"part {number} was refused {_SENT_AGAIN} times") from refused

    def _link(self, number: int) -> tuple[str, dict[str, str]]:
        with self._lock:
            if number not in self._links:
                self._ask_for_links(number)
            return self._links.pop(number)

    def _ask_for_links(self, first: int) -> None:
        endpoint = "/api/2.0/fs/create-upload-part-urls"
        count = 1 if first > _MOST_PARTS - _LINKS_AT_ONCE else _LINKS_AT_ONCE
        body = {**self._named(), "start_part_number": first, "count": count}
        answer = self._calls.do("POST", endpoint, body=body)
        for link in required(answer, "upload_part_urls", f"POST {endpoint}"):
            url = str(required(link, "url", f"POST {endpoint}"))
            self._links[int(link.get("part_number", first))] = (url, _headers(link))
        if first not in self._links:
            raise ProtocolError(f"POST {endpoint}: no link for part {first}")

    def complete(self, etags: Mapping[int, str]) -> None:
        """Make the file of its parts."""
        query = {"action": "complete-upload", "upload_type": "multipart"}
        self._calls.do(
            "POST",
            FILES + quote(self._path.text),
            query={**query, "session_token": self._token},
            body={"parts": [{"part_number": n, "etag": etags[n]} for n in sorted(etags)]},
        )

    def abort(self) -> None:
        endpoint = "/api/2.0/fs/create-abort-upload-url"
        answer = self._calls.do("POST", endpoint, body=self._named())
        link = required(answer, "abort_upload_url", f"POST {endpoint}")
        self._calls.delete_link(str(required(link, "url", f"POST {endpoint}")), _headers(link))

    def _named(self) -> dict[str, Any]:
        expires = self._calls.retrier.clock.now() + _LINK_LIFE
        return {
            "path": self._path.text,
            "session_token": self._token,
            "expire_time": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def _headers(link: dict[str, Any]) -> dict[str, str]:
    return {str(one["name"]): str(one["value"]) for one in link.get("headers") or ()}
