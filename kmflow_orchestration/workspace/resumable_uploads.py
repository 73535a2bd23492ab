"""Uploads as one stream that is resumed where it broke: how a workspace on Google's cloud has them.

A piece says by `Content-Range` which bytes it is; the answer 308 says by `Range` how many the
workspace has, which may be fewer; 200 says that the file is there. `bytes */*` only asks. Pieces
but the last are multiples of 256 KiB, and so is what is kept of one that broke.
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from kmflow_orchestration.workspace.files import begin_upload, uploads_directory
from kmflow_orchestration.workspace.presigned_urls import LinkRefused, PresignedUrls
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.volume_paths import WRITE, volume_place
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, endpoint

_GRAIN = 256 << 10
_LASTS = timedelta(days=7)
_PIECE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_QUESTION = re.compile(r"bytes \*/(\d+|\*)")


@dataclass(slots=True)
class Stream:
    """An upload under way: whose, to where, and what has arrived; one request at a time."""

    token: str
    caller: Caller
    path: str
    overwrite: bool
    arrived: Path
    size_bytes: int = 0
    is_done: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class ResumableUploads:
    """All such uploads of a server. They end with it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._streams: dict[str, Stream] = {}
        self.links = PresignedUrls[Stream](services, "resumable")

    def initiate(self, call: Call) -> str:
        """The session token of a new upload. Raises WireError."""
        overwrite = call.query.get("overwrite", "false").lower() == "true"
        path = call.path["path"]
        # Refused now rather than after the last byte.
        begin_upload(self._services, call.caller, path, overwrite=overwrite).abandon()
        token = uuid.uuid4().hex
        folder = uploads_directory(self._services, call.caller.workspace_id)
        folder.mkdir(parents=True, exist_ok=True)
        arrived = folder / f"{token}.stream"
        arrived.touch()
        self._streams[token] = Stream(token, call.caller, path.lstrip("/"), overwrite, arrived)
        return token

    def url(self, call: Call) -> Mapping[str, Any]:
        """The link of an upload. Raises WireError."""
        path = str(call.body.get("path", "")).lstrip("/")
        volume_place(self._services, call.caller, path, WRITE)
        stream = self._streams.get(str(call.body.get("session_token", "")))
        if stream is None or (stream.caller, stream.path) != (call.caller, path):
            raise WireError(404, "NOT_FOUND", "The upload session is not found.")
        until = self._services.state.clock.now() + _LASTS
        url = self.links.make(stream, until.isoformat())
        return {"resumable_upload_url": {"url": url, "headers": []}}

    async def receive(self, request: Request) -> Response:
        """A piece of an upload, or the question how far it has got."""
        stream = self.links.target(request.path_params["secret"])
        async with stream.turn:
            if stream.is_done:
                return Response(status_code=200)
            asked = request.headers.get("content-range", "")
            if _QUESTION.fullmatch(asked):
                return _so_far(stream)
            start, size_bytes = _checked(asked, stream)
            await self._take(request, stream, start, size_bytes)
            if stream.size_bytes != size_bytes:
                return _so_far(stream)
            await run_in_threadpool(self._finish, stream)
            return Response(status_code=200)

    async def _take(
        self, request: Request, stream: Stream, start: int, size_bytes: int | None
    ) -> None:
        """Keep what comes, from where the upload was on: bytes that are there are passed over."""
        known = stream.size_bytes - start
        with stream.arrived.open("ab", buffering=0) as file:
            try:
                async for piece in request.stream():
                    new, known = piece[known:], max(known - len(piece), 0)
                    if new:
                        await run_in_threadpool(file.write, new)
            except ClientDisconnect:
                pass  # what came is kept: that is what the way is for
            size = file.tell()
            if size != size_bytes:
                size -= size % _GRAIN
                file.truncate(size)
        stream.size_bytes = size

    def _finish(self, stream: Stream) -> None:
        try:
            incoming = begin_upload(
                self._services, stream.caller, stream.path, overwrite=stream.overwrite
            )
            incoming.append(stream.arrived)
            incoming.finish()
        except WireError as error:
            if error.status != 409:
                raise
            raise Unmet from error
        stream.is_done = True
        self._streams.pop(stream.token, None)
        stream.arrived.unlink(missing_ok=True)

    async def given_up(self, request: Request) -> Response:
        """DELETE on an upload's link."""
        stream = self.links.target(request.path_params["secret"])
        async with stream.turn:
            self._streams.pop(stream.token, None)
            self.links.forget(lambda one: one.token == stream.token)
            stream.arrived.unlink(missing_ok=True)
        return Response(status_code=499)

    def routes(self) -> list[Route]:
        """Where links are asked for, and where they point to."""
        path = "/api/2.0/fs/create-resumable-upload-url"
        return [
            Route(path, endpoint(self.url), methods=["POST"]),
            Route(self.links.route, self.receive, methods=["PUT"]),
            Route(self.links.route, self.given_up, methods=["DELETE"]),
        ]


class Unmet(LinkRefused):
    """The storage's answer where a file is that must not be replaced."""

    def __init__(self) -> None:
        super().__init__("At least one of the pre-conditions you specified did not hold.")
        self.status, self.error_code = 412, "PreconditionFailed"


class _BadPiece(LinkRefused):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.status, self.error_code = 400, "InvalidArgument"


def _so_far(stream: Stream) -> Response:
    """Without a `Range` nothing has arrived."""
    if stream.size_bytes == 0:
        return Response(status_code=308)
    return Response(status_code=308, headers={"Range": f"bytes=0-{stream.size_bytes - 1}"})


def _checked(asked: str, stream: Stream) -> tuple[int, int | None]:
    """First byte of a piece, and the size of the whole when it is told. Raises LinkRefused."""
    found = _PIECE.fullmatch(asked)
    if found is None:
        raise _BadPiece(f"Content-Range {asked!r} is none.")
    start, last = int(found.group(1)), int(found.group(2))
    whole = None if found.group(3) == "*" else int(found.group(3))
    if start > stream.size_bytes or last < start or (whole is not None and last >= whole):
        raise _BadPiece(f"Content-Range {asked!r} does not fit what has arrived.")
    if whole != last + 1 and (last + 1 - start) % _GRAIN:
        raise _BadPiece("All pieces but the last must be multiples of 256 KiB.")
    return start, whole
