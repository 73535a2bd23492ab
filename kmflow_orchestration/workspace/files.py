"""Files API: upload, download, metadata and deletion of single files in Volumes.

An upload is written under another name and renamed, so that a file is whole or absent.
"""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from kmflow_orchestration.workspace import directories
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.volume_paths import READ, WRITE, Place, volume_place
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, caller, endpoint

_IN_MEMORY = 1 << 20
"""Bytes up to which a body is kept in memory and written in one go, by the event loop itself: that
takes less than handing it to a thread, which would fight it for the interpreter (measured)."""
_CHUNK = 1 << 20
_WRITERS = 8
"""Large uploads written at the same time; more threads only take turns."""
_T = TypeVar("_T")


def routes(services: Services) -> list[Route]:
    """`/api/2.0/fs/files…` and `/api/2.0/fs/directories…`."""
    uploads = _Uploads(services)

    async def upload(request: Request) -> Response:
        return await uploads.receive(request)

    async def download(request: Request) -> Response:
        return await run_in_threadpool(_download, services, request)

    def metadata(call: Call) -> Response:
        try:
            stat = existing_file(services, call.caller, call.path["path"]).disk.stat()
        except WireError as error:
            return Response(status_code=error.status)  # HEAD answers carry no body
        return Response(headers=_headers(stat))

    def delete(call: Call) -> Response:
        existing_file(services, call.caller, call.path["path"], WRITE).disk.unlink()
        return Response(status_code=204)

    path = "/api/2.0/fs/files/{path:path}"
    return [
        Route(path, upload, methods=["PUT"]),
        Route(path, endpoint(metadata), methods=["HEAD"]),
        Route(path, download, methods=["GET"]),
        Route(path, endpoint(delete), methods=["DELETE"]),
        *directories.routes(services),
    ]


def existing_file(services: Services, who: Caller, path: str, privilege: str = READ) -> Place:
    """An existing file. Raises WireError."""
    place = volume_place(services, who, path, privilege)
    if not place.disk.is_file():
        raise WireError(
            404,
            "NOT_FOUND",
            "The file being accessed is not found.",
            reason="FILES_API_FILE_NOT_FOUND",
        )
    return place


class _Uploads:
    """Single-request uploads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._writers = CapacityLimiter(_WRITERS)
        for workspace_id in services.state.workspaces():  # what a killed server left behind
            shutil.rmtree(uploads_directory(services, workspace_id), ignore_errors=True)

    async def receive(self, request: Request) -> Response:
        """Take a whole body, then make the file appear. Raises WireError, ClientDisconnect."""
        body = request.stream()
        head = await _head(body)
        if len(head) < _IN_MEMORY:
            self._begin(request, head).finish()
            return Response(status_code=204)
        incoming = await self._off_the_loop(self._begin, request, head)
        try:
            async for chunk in body:
                await self._off_the_loop(incoming.write, chunk)
            await self._off_the_loop(incoming.finish)
        except BaseException:
            incoming.abandon()
            raise
        return Response(status_code=204)

    async def _off_the_loop(self, work: Callable[..., _T], *args: object) -> _T:
        return await to_thread.run_sync(work, *args, limiter=self._writers)

    def _begin(self, request: Request, head: bytes) -> IncomingFile:
        overwrite = request.query_params.get("overwrite", "false").lower() == "true"
        path = request.path_params["path"]
        incoming = begin_upload(self._services, caller(request), path, overwrite=overwrite)
        incoming.write(head)
        return incoming


def uploads_directory(services: Services, workspace_id: str) -> Path:
    """Outside the Volumes, on the same file system, so that a rename is all it takes."""
    return services.state.workspace_directory(workspace_id) / "uploads"


def begin_upload(services: Services, who: Caller, path: str, *, overwrite: bool) -> IncomingFile:
    """A file to write and then to finish. Raises WireError."""
    place = volume_place(services, who, path, WRITE)
    if place.disk.is_dir():
        raise _already_exists("A directory of this name already exists.")
    if not overwrite and place.disk.exists():
        raise _already_exists("The file being created already exists.")
    directory = uploads_directory(services, who.workspace_id)
    return IncomingFile(place.disk, directory, overwrite=overwrite)


class IncomingFile:
    """Bytes that are not yet a file of the Volume."""

    def __init__(self, target: Path, directory: Path, *, overwrite: bool) -> None:
        self._target = target
        self._overwrite = overwrite
        self._temporary = directory / uuid.uuid4().hex
        self._file = self._open()

    def _open(self) -> BinaryIO:
        try:
            return self._temporary.open("wb", buffering=0)
        except FileNotFoundError:  # the first upload of the workspace
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            return self._temporary.open("wb", buffering=0)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def append(self, source: Path) -> None:
        """Add a file's bytes; on Linux they do not pass through this process."""
        with source.open("rb", buffering=0) as opened:
            if sys.platform == "linux":
                left = os.fstat(opened.fileno()).st_size
                while left:
                    left -= os.sendfile(self._file.fileno(), opened.fileno(), None, left)
            else:
                shutil.copyfileobj(opened, self._file, _CHUNK)

    def finish(self) -> None:
        """Let the file appear under its name. Raises WireError 409."""
        self._file.close()
        try:
            self._publish()
        except FileNotFoundError:  # parents are made as needed
            self._make_parents()
            self._publish()
        except NotADirectoryError as error:
            self.abandon()
            raise _already_exists("A file stands where a directory is needed.") from error

    def _publish(self) -> None:
        if self._overwrite:
            self._temporary.replace(self._target)
            return
        try:
            os.link(self._temporary, self._target)  # fails when somebody was quicker
        except FileExistsError as error:
            self.abandon()
            raise _already_exists("The file being created already exists.") from error
        self._temporary.unlink()

    def _make_parents(self) -> None:
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            self.abandon()
            raise _already_exists("A file stands where a directory is needed.") from error

    def abandon(self) -> None:
        """Leave no trace."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


async def _head(body: AsyncIterator[bytes]) -> bytes:
    """The whole body when it is small, else its first megabyte."""
    head = bytearray()
    async for chunk in body:
        head += chunk
        if len(head) >= _IN_MEMORY:
            break
    return bytes(head)


def _download(services: Services, request: Request) -> Response:
    place = existing_file(services, caller(request), request.path_params["path"])
    return sent_file(place.disk, request.headers)


def sent_file(path: Path, asked: Mapping[str, str]) -> Response:
    """A file, or the range of it that the request's headers ask for. Raises WireError 412, 416."""
    with ExitStack() as open_files:
        source = open_files.enter_context(path.open("rb"))
        stat = os.fstat(source.fileno())
        if _changed_since(asked.get("if-unmodified-since"), stat):
            raise WireError(412, "PRECONDITION_FAILED", "The file was modified.")
        start, end = _range(asked.get("range"), stat.st_size)
        source.seek(start)
        headers = _headers(stat) | {"Content-Length": str(end - start)}
        status = 200
        if "range" in asked:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{stat.st_size}"
        if end - start <= _IN_MEMORY:
            return Response(source.read(end - start), status, headers)
        open_files.pop_all()  # the response closes it
        return _OpenFile(source, end - start, status, headers)


class _OpenFile(StreamingResponse):
    """So many bytes of an open file, which is closed at the end: a client may go before the first
    of them was asked for."""

    def __init__(
        self, source: BinaryIO, length: int, status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(_chunks(source, length), status, headers)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._source.close()

    def __del__(self) -> None:
        # Nobody sent it.
        self._source.close()


def _chunks(source: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0 and (chunk := source.read(min(_CHUNK, length))):
        length -= len(chunk)
        yield chunk


def _range(header: str | None, size: int) -> tuple[int, int]:
    """First byte and the one past the last, of `bytes=a-[b]`. Raises WireError 416."""
    if header is None:
        return 0, size
    first, _, last = header.removeprefix("bytes=").partition("-")
    start = int(first) if first.isdigit() else size
    if start >= size:
        raise WireError(416, "INVALID_PARAMETER_VALUE", f"Range {header} is not satisfiable")
    return start, min(size, int(last) + 1) if last.isdigit() else size


def _changed_since(header: str | None, stat: os.stat_result) -> bool:
    return header is not None and int(stat.st_mtime) > parsedate_to_datetime(header).timestamp()


def _headers(stat: os.stat_result) -> dict[str, str]:
    modified = datetime.fromtimestamp(int(stat.st_mtime), UTC)
    return {
        "Content-Length": str(stat.st_size),
        "Content-Type": "application/octet-stream",
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Accept-Ranges": "bytes",
    }


def _already_exists(message: str) -> WireError:
    return WireError(409, "ALREADY_EXISTS", message, reason="FILES_API_FILE_ALREADY_EXISTS")
