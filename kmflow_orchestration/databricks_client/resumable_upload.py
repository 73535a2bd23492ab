"""A large file as one stream that is resumed where it broke: the uploads of Google's cloud.

A piece says which bytes it is; the answer says how far the whole has got, which may be short of
what was sent. Whatever went wrong, asking tells where to go on. The file is there with its last
byte. https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.databricks_client.interrupts import check_given_up
from kmflow_orchestration.databricks_client.parted_upload import (
    SENT_AGAIN,
    LinksRefused,
    Room,
    link_headers,
    read_exactly,
    unheard,
)
from kmflow_orchestration.errors import ProtocolError, RemoteNotFound
from kmflow_orchestration.names import VolumePath

logger = logging.getLogger(__name__)
# Pieces but the last are multiples of this; the cloud refuses others.
_GRAIN = 256 << 10
_GOT = re.compile(r"bytes=0-(\d+)")


@dataclass(frozen=True, slots=True)
class Resumable:
    """An upload as one stream; one piece of it is in memory at a time."""

    calls: WorkspaceCalls
    path: VolumePath
    token: str = field(repr=False)
    room: Room
    part_bytes: int
    on_sent: Callable[[int], object] = unheard

    def send(self, opener: Callable[[], BinaryIO], size_bytes: int) -> None:
        """Send what the workspace has not got yet.

        Raises:
            RemoteNotFound: the workspace knows no such upload.
            RemoteConflict: there is a file already that must not be replaced.
            LinksRefused: it gives links that do not work.
        """
        stream = _Stream(self.calls, self.path, self.token, size_bytes)
        got = stream.status()
        self.on_sent(got)
        for _ in range(SENT_AGAIN):
            got = self._sent_from(got, stream, opener)
            if got >= size_bytes:
                return
            logger.info("%s: the workspace is back at byte %d", self.path.text, got)
        raise LinksRefused(f"{self.path.text}: the upload was set back {SENT_AGAIN} times")

    def _sent_from(self, start: int, stream: _Stream, opener: Callable[[], BinaryIO]) -> int:
        """Send from a byte on; how far it got, less than it was when bytes were lost."""
        got = start
        with opener() as content:
            self._skip(content, start)
            while got < stream.size_bytes:
                self.room.take()
                try:
                    check_given_up()
                    piece = read_exactly(content, min(self._piece, stream.size_bytes - got))
                    now = self._piece_sent(stream, piece, got)
                finally:
                    self.room.give_back()
                if now < got + len(piece):
                    return now
                self.on_sent(len(piece))
                got = now
        return got

    @property
    def _piece(self) -> int:
        return max(self.part_bytes // _GRAIN, 1) * _GRAIN

    def _skip(self, content: BinaryIO, left: int) -> None:
        """What has arrived is read all the same: to its end, the bytes must be the right ones."""
        while left:
            check_given_up()
            left -= len(read_exactly(content, min(left, self._piece)))

    def _piece_sent(self, stream: _Stream, piece: bytes, start: int) -> int:
        """How far the upload is once a piece is there, which may take more than one request."""
        got, end = start, start + len(piece)
        while start <= got < end:
            self.calls.pace.wait_for(end - got)
            got = stream.send(memoryview(piece)[got - start :], got)
        return got

    def abort(self) -> None:
        """Drop what has arrived."""
        _Stream(self.calls, self.path, self.token, 0).abort()


class _Stream:
    """The link of an upload; it is asked for anew where it is refused."""

    def __init__(
        self, calls: WorkspaceCalls, path: VolumePath, token: str, size_bytes: int
    ) -> None:
        self._calls = calls
        self._path = path
        self._token = token
        self.size_bytes = size_bytes
        self._link: tuple[str, dict[str, str]] | None = None

    def status(self) -> int:
        """How many bytes the workspace has. Raises as `Resumable.send`."""
        return self._at_link(lambda: self._put(b"", "*"))

    def send(self, piece: memoryview, start: int) -> int:
        """How many bytes the workspace has after a piece, whatever became of its request."""
        is_first = True

        def attempt() -> int:
            nonlocal is_first
            if not is_first:
                # Some of the bytes may have arrived: only the workspace knows how many.
                got = self._put(b"", "*")
                if got != start:
                    return got
            is_first = False
            return self._put(piece, f"{start}-{start + len(piece) - 1}")

        return self._at_link(attempt)

    def _at_link(self, attempt: Callable[[], int]) -> int:
        refused: RemoteNotFound | None = None
        for _ in range(SENT_AGAIN):
            self._ask_for_link()
            try:
                return self._calls.retrier.call(attempt)
            except RemoteNotFound as error:
                logger.info("%s; another link is asked for", error.message)
                self._link, refused = None, error
        raise LinksRefused(f"an upload was refused {SENT_AGAIN} times") from refused

    def _ask_for_link(self) -> tuple[str, dict[str, str]]:
        if self._link is None:
            endpoint = "/api/2.0/fs/create-resumable-upload-url"
            body = {"path": self._path.text, "session_token": self._token}
            answer = self._calls.do("POST", endpoint, body=body)
            link = required(answer, "resumable_upload_url", f"POST {endpoint}")
            url = str(required(link, "url", f"POST {endpoint}"))
            self._link = url, link_headers(link)
        return self._link

    def _put(self, piece: Any, which: str) -> int:
        url, headers = self._ask_for_link()
        headers = {**headers, "Content-Range": f"bytes {which}/{self.size_bytes}"}
        got = self._calls.put_piece(url, piece, headers)
        if got is None:
            return self.size_bytes
        return _end_of(got)

    def abort(self) -> None:
        url, headers = self._ask_for_link()
        self._calls.delete_link(url, headers)


def _end_of(got: str) -> int:
    """How many bytes a `Range` tells; none at all where there is none."""
    if not got:
        return 0
    found = _GOT.fullmatch(got)
    if found is None:
        raise ProtocolError("PUT of a piece: the answer's Range is none")
    return int(found.group(1)) + 1
