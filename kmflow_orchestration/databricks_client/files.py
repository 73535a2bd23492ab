"""Files in Unity Catalog Volumes: upload, download, list, look, delete."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote, unquote

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.databricks_client.large_uploads import (
    LargeFile,
    LargeUploads,
    NoParts,
    OnSent,
    UploadGone,
)
from kmflow_orchestration.databricks_client.pace import PacedStream
from kmflow_orchestration.databricks_client.parted_upload import FILES, PartSizes, unheard
from kmflow_orchestration.databricks_client.retries import TransientFault
from kmflow_orchestration.databricks_client.upload_journal import UploadedContent, UploadJournals
from kmflow_orchestration.errors import (
    QuarantinedFile,
    RemoteFault,
    RemoteNotFound,
    RequestRejected,
)
from kmflow_orchestration.names import VolumePath

logger = logging.getLogger(__name__)
# Beyond this the parts' own requests are paid back by sending several at once.
_IN_PARTS_FROM = 64 << 20
# What the API takes in one request; https://docs.databricks.com/api/workspace/files/upload
_MOST_AT_ONCE = 5 << 30
_DIRECTORIES = "/api/2.0/fs/directories"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An entry of a listing; a directory has size 0. `last_modified_ms` counts from 1970 in UTC."""

    path: VolumePath
    size_bytes: int
    is_directory: bool
    last_modified_ms: int | None = None

    @property
    def name(self) -> str:
        return self.path.parts[-1]


@dataclass(frozen=True, slots=True)
class ListedName:
    """An entry as it was listed, whatever its name; else as `RemoteFile`."""

    name: str
    size_bytes: int
    is_directory: bool
    last_modified_ms: int | None


class VolumeFiles:
    """The Files API, as one group may use it. Raises the leaves that `WorkspaceCalls` names."""

    def __init__(
        self,
        calls: WorkspaceCalls,
        *,
        parts: PartSizes | None = None,
        in_parts_from: int = _IN_PARTS_FROM,
        page_size: int = _PAGE,
        journals: UploadJournals | None = None,
    ) -> None:
        self._calls = calls
        self._page_size = page_size
        self._large = LargeUploads(calls, parts, journals)
        self._in_parts_from = in_parts_from

    def is_large(self, size_bytes: int) -> bool:
        """Whether a file of that size is sent in parts, perhaps by several processes."""
        return size_bytes >= self._in_parts_from

    def upload(
        self,
        path: VolumePath,
        opener: Callable[[], BinaryIO],
        *,
        size_bytes: int = 0,
        overwrite: bool = False,
        content: UploadedContent | None = None,
        on_sent: OnSent | None = None,
    ) -> bool:
        """Store a file; missing parent directories appear.

        `opener` gives the content from its start, anew for every attempt. A `size_bytes` that is
        large makes it go up in many requests, where the workspace has such uploads; `on_sent` then
        hears of bytes as they arrive. With `content`, what a process left that died is gone on
        with: then the answer is True, and whoever wants to be sure reads the file back.

        Raises:
            RemoteConflict: there is a file already, and `overwrite` is false.
            RequestRejected: it is larger than one request may be, and parts are not to be had.
        """
        if self.is_large(size_bytes):
            hears = on_sent or unheard
            file = LargeFile(path, opener, size_bytes, overwrite, content, hears)
            try:
                return self._sent_as_large(file)
            except NoParts:
                _check_one_request_holds(path, size_bytes)
        self._sent_at_once(path, opener, overwrite=overwrite)
        return False

    def _sent_as_large(self, file: LargeFile) -> bool:
        try:
            went_on = self._large.send(file)
        except UploadGone as gone:
            # Completed, if only the answer was lost.
            if not file.overwrite and self.size(file.path) == file.size_bytes:
                return gone.went_on
            if not gone.went_on:
                told = f"{file.path.text}: the upload was gone before its end"
                raise RemoteFault(told) from gone.__cause__
            logger.info("%s: the upload that was begun is over", file.path.text)
            return self._sent_as_large(file)  # noted as over: now it is begun anew
        stored = self.size(file.path)
        if stored != file.size_bytes:
            raise RemoteFault(f"{file.path.text}: {stored} of {file.size_bytes} bytes arrived")
        return went_on

    def _sent_at_once(
        self, path: VolumePath, opener: Callable[[], BinaryIO], *, overwrite: bool
    ) -> None:
        opened: list[BinaryIO] = []

        def content() -> BinaryIO:
            opened.append(self._paced(opener()))
            return opened[-1]

        try:
            self._calls.do(
                "PUT",
                FILES + quote(path.text),
                query={"overwrite": "true" if overwrite else "false"},
                headers={"Content-Type": "application/octet-stream"},
                data=content,
            )
        finally:
            for stream in opened:
                stream.close()

    def _paced(self, content: BinaryIO) -> BinaryIO:
        pace = self._calls.pace
        if not pace.is_limited:
            return content
        if isinstance(content, io.BytesIO):
            pace.wait_for(len(content.getbuffer()))
            return content
        return PacedStream(content, pace)  # type: ignore[return-value]

    @contextmanager
    def open_read(self, path: VolumePath) -> Iterator[BinaryIO]:
        """A stream over a file, which resumes by itself after a broken connection.

        Raises:
            RemoteNotFound: there is no such file.
        """
        # Closing the buffer closes what it reads from.
        with io.BufferedReader(self.reader(path), 1 << 20) as stream:
            yield stream

    def reader(self, path: VolumePath) -> ResumingReader:
        """The same without a buffer, for a caller who closes it and asks how old the file is."""
        return ResumingReader(self._calls, FILES + quote(path.text))

    def size(self, path: VolumePath) -> int | None:
        """Size of a file in bytes, None when there is none."""
        endpoint = FILES + quote(path.text)
        try:
            answer = self._calls.do("HEAD", endpoint, answer_headers=("content-length",))
        except RemoteNotFound:
            return None
        return int(required(answer, "content-length", f"HEAD {endpoint}"))

    def delete(self, path: VolumePath) -> bool:
        """Remove a file; False when there was none."""
        try:
            self._calls.do("DELETE", FILES + quote(path.text))
        except RemoteNotFound:
            return False
        return True

    def is_directory(self, path: VolumePath) -> bool:
        """Whether there is such a directory; a Volume's own counts as one."""
        try:
            self._calls.do("HEAD", _DIRECTORIES + quote(path.text))
        except RemoteNotFound:
            return False
        return True

    def remove_directory(self, path: VolumePath) -> bool:
        """Remove an empty directory; False when it is not empty, or there was none."""
        try:
            self._calls.do("DELETE", _DIRECTORIES + quote(path.text))
        except (RemoteNotFound, RequestRejected):
            return False
        return True

    def make_directory(self, path: VolumePath) -> None:
        """Make a directory and those around it; one that is there already is no error."""
        self._calls.do("PUT", _DIRECTORIES + quote(path.text))

    def list_directory(self, path: VolumePath, *, must_exist: bool = False) -> Iterator[RemoteFile]:
        """Entries of a directory, page by page; none when there is no such directory.

        Raises:
            RemoteNotFound: there is none, and `must_exist` is true.
            UnsafePath: an entry has a name that could not be part of a path of ours.
        """
        for one in self.list_names(path, must_exist=must_exist):
            yield RemoteFile(
                path.joined(one.name), one.size_bytes, one.is_directory, one.last_modified_ms
            )

    def list_names(self, path: VolumePath, *, must_exist: bool = False) -> Iterator[ListedName]:
        """The same, with whatever names others gave. Raises RemoteNotFound as `list_directory`."""
        endpoint = _DIRECTORIES + quote(path.text)
        query: dict[str, Any] = {"page_size": self._page_size}
        while True:
            try:
                answer = self._calls.do("GET", endpoint, query=query)
            except RemoteNotFound:
                if must_exist:
                    raise
                return
            for entry in answer.get("contents") or ():
                yield _entry(entry)
            if not answer.get("next_page_token"):
                return
            query["page_token"] = answer["next_page_token"]


def _check_one_request_holds(path: VolumePath, size_bytes: int) -> None:
    if size_bytes > _MOST_AT_ONCE:
        raise RequestRejected(
            f"{path.text}: {size_bytes} bytes are more than one request may hold, "
            "and the workspace takes no parts here",
            hint="split the file, or store it with STORAGE_BACKEND=local",
        )


def _entry(entry: dict[str, Any]) -> ListedName:
    name = required(entry, "path", f"GET {_DIRECTORIES}").rstrip("/").rpartition("/")[2]
    modified = entry.get("last_modified")
    return ListedName(
        name,
        int(entry.get("file_size") or 0),
        bool(entry.get("is_directory")),
        None if modified is None else int(modified),
    )


class ResumingReader(io.RawIOBase):
    """Body of a download; a cut connection is taken up again where it broke.

    It gives up after as many failures without a byte in between as the retry policy has attempts.
    `last_modified` is what the answer's header says, '' without one.

    Raises from reading:
        QuarantinedFile: `changed`, when it is another file by the time it is taken up again.
    """

    def __init__(self, calls: WorkspaceCalls, endpoint: str) -> None:
        super().__init__()
        self._calls = calls
        self._endpoint = endpoint
        self._position = 0
        self._failures = 0
        self.last_modified = ""
        self._body: Any = None
        self._body = self._open()

    def _open(self) -> Any:
        headers = {"Range": f"bytes={self._position}-"} if self._position else {}
        answer = self._calls.open_stream(self._endpoint, headers=headers)
        body = answer["contents"]
        modified = str(answer.get("last-modified") or "")
        if self._position and modified != self.last_modified:
            body.close()
            raise self._changed()
        self.last_modified = modified
        if self._position and not answer.get("content-range"):
            # The server sent everything again.
            self._skip(body, self._position)
        return body

    def _skip(self, body: Any, length: int) -> None:
        """Raises QuarantinedFile where there are fewer bytes than were read before."""
        left = length
        while left:
            skipped = len(body.read(min(left, 1 << 20)))
            if not skipped:
                body.close()
                raise self._changed()
            left -= skipped

    def _changed(self) -> QuarantinedFile:
        return QuarantinedFile(
            f"{unquote(self._endpoint.removeprefix(FILES))} changed while it was read",
            reason="changed",
            hint="read it again",
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        while True:
            try:
                with self._calls.reading(self._endpoint):
                    chunk = self._body.read(len(view))
            except TransientFault as fault:
                self._recover(fault)
                continue
            view[: len(chunk)] = chunk
            self._position += len(chunk)
            if chunk:
                self._failures = 0
            return len(chunk)

    def _recover(self, fault: TransientFault) -> None:
        self._failures += 1
        policy = self._calls.retrier.policy
        if self._failures >= policy.attempts:
            raise fault.given_up(f"at byte {self._position}") from fault
        logger.info("download broke at byte %d, resuming: %s", self._position, fault.message)
        self._calls.retrier.clock.sleep(policy.wait_s(self._failures, fault, 0.5))
        self._body.close()
        self._body = self._open()

    def close(self) -> None:
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()
