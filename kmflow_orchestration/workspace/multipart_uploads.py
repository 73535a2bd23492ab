"""Uploads in parts: how newer SDKs send what is large, each part to a link of its own.

A session is begun, its parts arrive in any order and however often, and the file appears whole when
the session is completed; until then nobody sees any of it. Sessions end with the server. On
Google's cloud uploads are resumable streams instead.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kmflow_orchestration.workspace.files import begin_upload, uploads_directory
from kmflow_orchestration.workspace.presigned_urls import LinkRefused, PresignedUrls
from kmflow_orchestration.workspace.resumable_uploads import ResumableUploads
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.volume_paths import WRITE, volume_place
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, endpoint

MOST_PARTS = 10_000
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Session:
    """An upload under way: whose, to where, and the folder its parts wait in."""

    token: str
    caller: Caller
    path: str
    overwrite: bool
    folder: Path

    def part(self, number: int) -> Path:
        """Where a part lies; `.etag` beside it holds its tag."""
        return self.folder / str(number)


@dataclass(frozen=True, slots=True)
class PartOf:
    """What a part's link stands for."""

    session: Session
    number: int


class MultipartUploads:
    """All sessions of a server."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sessions: dict[str, Session] = {}
        self.links = PresignedUrls[PartOf](services, "parts")
        self.resumable = ResumableUploads(services)

    def act(self, call: Call) -> Mapping[str, Any]:
        """POST on a file: begin, complete or abort. Raises WireError."""
        action = call.query.get("action", "")
        if action == "initiate-upload" and self._services.cloud == "GCP":
            return {"resumable_upload": {"session_token": self.resumable.initiate(call)}}
        if action == "initiate-upload":
            return {"multipart_upload": {"session_token": self._initiate(call).token}}
        if action == "complete-upload":
            self._complete(self._session(call, call.query), call.body)
        elif action == "abort-upload":
            self._end(self._session(call, call.query))
        else:
            raise _invalid(f"Unknown action '{action}'.")
        return {}

    def _initiate(self, call: Call) -> Session:
        overwrite = call.query.get("overwrite", "false").lower() == "true"
        path = call.path["path"]
        # Refused now rather than after the last part.
        begin_upload(self._services, call.caller, path, overwrite=overwrite).abandon()
        token = uuid.uuid4().hex
        folder = uploads_directory(self._services, call.caller.workspace_id) / f"{token}.parts"
        folder.mkdir(parents=True)
        session = Session(token, call.caller, _plain(path), overwrite, folder)
        self._sessions[token] = session
        return session

    def part_urls(self, call: Call) -> Mapping[str, Any]:
        """Links for parts in a row. Raises WireError."""
        session = self._session(call, call.body, path=str(call.body.get("path", "")))
        first, count = _number(call.body, "start_part_number"), _number(call.body, "count")
        if first + count - 1 > MOST_PARTS:
            raise _invalid(f"A file has at most {MOST_PARTS} parts.")
        expire_time = call.body.get("expire_time")
        return {
            "upload_part_urls": [
                {
                    "url": self.links.make(PartOf(session, number), expire_time),
                    "part_number": number,
                    "headers": [],
                }
                for number in range(first, first + count)
            ]
        }

    def abort_url(self, call: Call) -> Mapping[str, Any]:
        """A link that ends a session. Raises WireError."""
        session = self._session(call, call.body, path=str(call.body.get("path", "")))
        url = self.links.make(PartOf(session, 0), call.body.get("expire_time"))
        return {"abort_upload_url": {"url": url, "headers": []}}

    async def receive(self, request: Request) -> Response:
        """One part, whole or not at all; answers with its tag."""
        target = self.links.target(request.path_params["secret"])
        arriving = target.session.folder / uuid.uuid4().hex
        tag = hashlib.md5(usedforsecurity=False)

        def take(pieces: Sequence[bytes]) -> None:
            for piece in pieces:
                tag.update(piece)
                file.write(piece)

        try:
            with arriving.open("wb", buffering=0) as file:
                async for pieces in _megabytes(request.stream()):
                    await run_in_threadpool(take, pieces)
            etag = f'"{tag.hexdigest()}"'
            target.session.part(target.number).with_suffix(".etag").write_text(etag)
            arriving.replace(target.session.part(target.number))
        except FileNotFoundError as error:
            raise LinkRefused("The specified upload does not exist.") from error
        finally:
            arriving.unlink(missing_ok=True)
        return Response(status_code=200, headers={"ETag": etag})

    async def aborted(self, request: Request) -> Response:
        """DELETE on an abort link."""
        target = self.links.target(request.path_params["secret"])
        if target.number != 0:
            raise LinkRefused("Access Denied")
        await run_in_threadpool(self._end, target.session)
        return Response(status_code=204)

    def _complete(self, session: Session, body: Mapping[str, Any]) -> None:
        parts = _checked(session, body.get("parts"))
        who, path, overwrite = session.caller, session.path, session.overwrite
        incoming = begin_upload(self._services, who, path, overwrite=overwrite)
        try:
            for part in parts:
                incoming.append(part)
            incoming.finish()
        except BaseException:
            incoming.abandon()
            raise
        self._end(session)

    def _end(self, session: Session) -> None:
        self._sessions.pop(session.token, None)
        self.links.forget(lambda part: part.session.token == session.token)
        shutil.rmtree(session.folder, ignore_errors=True)

    def _session(self, call: Call, given: Mapping[str, Any], *, path: str = "") -> Session:
        """The caller's session of this token and path; anybody else's is an unknown one."""
        wanted = _plain(path or call.path["path"])
        volume_place(self._services, call.caller, wanted, WRITE)
        session = self._sessions.get(str(given.get("session_token", "")))
        if session is None or (session.caller, session.path) != (call.caller, wanted):
            raise WireError(404, "NOT_FOUND", "The upload session is not found.")
        return session


def _plain(path: str) -> str:
    return path.lstrip("/")


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _invalid(f"{name} must be a positive number.")
    return value


def _checked(session: Session, listed: object) -> Sequence[Path]:
    """The parts that make the file, in order. Raises WireError 400."""
    if not isinstance(listed, list) or not listed:
        raise _invalid("parts must list the uploaded parts.")
    parts, last = [], 0
    for one in listed:
        number = _number(one if isinstance(one, dict) else {}, "part_number")
        part = session.part(number)
        if number <= last:
            raise _invalid("parts must be in ascending order.")
        if not part.is_file() or part.with_suffix(".etag").read_text() != one.get("etag"):
            raise _invalid(f"Part {number} was not uploaded, or has another etag.")
        parts.append(part)
        last = number
    return parts


async def _megabytes(stream: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Pieces that together are worth a thread's work."""
    pieces: list[bytes] = []
    async for piece in stream:
        pieces.append(piece)
        if sum(map(len, pieces)) >= _CHUNK:
            yield pieces
            pieces = []
    yield pieces


def _invalid(message: str) -> WireError:
    return WireError(400, "INVALID_PARAMETER_VALUE", message)


def routes(services: Services) -> list[Route]:
    """Sessions, and the place their parts' links point to."""
    uploads = MultipartUploads(services)
    return [
        Route("/api/2.0/fs/files/{path:path}", endpoint(uploads.act), methods=["POST"]),
        Route("/api/2.0/fs/create-upload-part-urls", endpoint(uploads.part_urls), methods=["POST"]),
        Route("/api/2.0/fs/create-abort-upload-url", endpoint(uploads.abort_url), methods=["POST"]),
        Route(uploads.links.route, uploads.receive, methods=["PUT"]),
        Route(uploads.links.route, uploads.aborted, methods=["DELETE"]),
        *uploads.resumable.routes(),
    ]
