"""Large files go up in parts of our own making, each to a link of its own (`spec/wire.md` 2.3).

The SDK's own parts lost data without a word where a link expired: it asked for a new one and sent
the rest of a body already read. Here a part is bytes at hand, sent whole to whatever link.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.databricks_client.interrupts import LOOK_S, check_given_up, thread_for
from kmflow_orchestration.errors import ProtocolError, RemoteFault, RemoteNotFound
from kmflow_orchestration.names import VolumePath

logger = logging.getLogger(__name__)
FILES = "/api/2.0/fs/files"
SENT_AGAIN = 3
"""Links that are tried for the same bytes."""
_MOST_PARTS = 10_000
_LINKS_AT_ONCE = 8
_LINK_LIFE = timedelta(hours=1)


def unheard(*told: object) -> None:
    """Hears what nobody else wants to hear."""


class LinksRefused(RemoteFault):
    """Whatever link is asked for, it takes no bytes: the upload is of no use."""


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


class Room:
    """Places in memory for parts, which many uploads share."""

    def __init__(self, places: int) -> None:
        self._free = threading.BoundedSemaphore(max(places, 1))

    def take(self) -> None:
        """A place, once there is one. Raises KeyboardInterrupt as `check_given_up`."""
        while not self._free.acquire(timeout=LOOK_S):
            check_given_up()

    def give_back(self) -> None:
        self._free.release()


@dataclass(frozen=True, slots=True)
class InParts:
    """An upload in parts; `etags` are those of parts that have arrived before.

    `on_arrival` hears of each part that arrives now, `on_sent` of the bytes of every part.
    """

    calls: WorkspaceCalls
    path: VolumePath
    token: str = field(repr=False)
    room: Room
    workers: int
    part_bytes: int
    etags: Mapping[int, str] = field(default_factory=dict)
    on_arrival: Callable[[int, str], object] = unheard
    on_sent: Callable[[int], object] = unheard

    def send(self, opener: Callable[[], BinaryIO], size_bytes: int) -> None:
        """Send what has not arrived yet, and make the file of its parts.

        Raises:
            RemoteNotFound: the workspace knows no such upload.
            LinksRefused: it gives links that do not work.
        """
        session = _Session(self.calls, self.path, self.token)
        etags = dict(self.etags)
        with opener() as content, _Crew(session, self.room, self.workers) as crew:
            for number, part in enumerate(self._parts(content, size_bytes), 1):
                if number in etags:
                    self.room.give_back()
                    self.on_sent(len(part))
                    continue
                crew.hand(number, part)
                if crew.under_way > self.workers:
                    self._collect(crew, etags)
            while crew.under_way:
                self._collect(crew, etags)
        session.complete(etags)

    def _collect(self, crew: _Crew, etags: dict[int, str]) -> None:
        sent = crew.next_sent()
        etags[sent.number] = sent.etag
        self.on_arrival(sent.number, sent.etag)
        self.on_sent(sent.size_bytes)

    def _parts(self, content: BinaryIO, size_bytes: int) -> Iterator[bytes]:
        """The content in parts, each with a place in memory that its sending gives back."""
        left = size_bytes
        while left:
            self.room.take()
            try:
                check_given_up()
                part = read_exactly(content, min(left, self.part_bytes))
            except BaseException:
                self.room.give_back()
                raise
            left -= len(part)
            yield part

    def abort(self) -> None:
        """Drop what has arrived."""
        _Session(self.calls, self.path, self.token).abort()


def read_exactly(content: BinaryIO, size: int) -> bytes:
    """Exactly so many bytes; a stream may hand them out in smaller pieces."""
    pieces, left = [], size
    while left:
        piece = content.read(left)
        if not piece:
            raise RemoteFault(f"the file ended {left} bytes too early")
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


@dataclass(frozen=True, slots=True)
class _SentPart:
    number: int
    etag: str
    size_bytes: int


class _Crew:
    """A few threads that send parts. They end with the upload, and at once when it fails."""

    def __init__(self, session: _Session, room: Room, workers: int) -> None:
        self._session = session
        self._room = room
        self._parts: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._results: SimpleQueue[_SentPart | BaseException] = SimpleQueue()
        self._given_up = threading.Event()
        self._threads = [thread_for(self._work, self._given_up) for _ in range(workers)]
        self.under_way = 0

    def hand(self, number: int, part: bytes) -> None:
        self.under_way += 1
        self._parts.put((number, part))

    def next_sent(self) -> _SentPart:
        """The next part that is sent, or what kept one from it."""
        while True:
            check_given_up()
            try:
                found = self._results.get(timeout=LOOK_S)
            except Empty:
                continue
            self.under_way -= 1
            if isinstance(found, BaseException):
                raise found
            return found

    def _work(self) -> None:
        while (job := self._parts.get()) is not None:
            number, part = job
            try:
                self._results.put(_SentPart(number, self._session.send(number, part), len(part)))
            except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
                self._results.put(error)
            finally:
                self._room.give_back()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._given_up.set()
            self._forget()
        for _ in self._threads:
            self._parts.put(None)
        for thread in self._threads:
            thread.join()

    def _forget(self) -> None:
        """Parts that nobody has begun to send."""
        try:
            while True:
                self._parts.get_nowait()
                self._room.give_back()
        except Empty:
            return


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
        self._calls.pace.wait_for(len(part))
        refused: RemoteNotFound | None = None
        for _ in range(SENT_AGAIN):
            url, headers = self._link(number)
            try:
                return self._calls.put_link(url, part, headers)
            except RemoteNotFound as error:
                logger.info("part %d: %s; another link is asked for", number, error.message)
                refused = error
        raise LinksRefused(f"part {number} was refused {SENT_AGAIN} times") from refused

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
            self._links[int(link.get("part_number", first))] = (url, link_headers(link))
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
        url = str(required(link, "url", f"POST {endpoint}"))
        self._calls.delete_link(url, link_headers(link))

    def _named(self) -> dict[str, Any]:
        expires = self._calls.retrier.clock.now() + _LINK_LIFE
        return {
            "path": self._path.text,
            "session_token": self._token,
            "expire_time": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def link_headers(link: Mapping[str, Any]) -> dict[str, str]:
    """What a request to a link must carry besides its body."""
    return {str(one["name"]): str(one["value"]) for one in link.get("headers") or ()}
