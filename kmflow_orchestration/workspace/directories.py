"""Files API: directories of Volumes, and their paged listing."""

from __future__ import annotations

import base64
import binascii
import os
from bisect import bisect_right
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.volume_paths import READ, WRITE, Place, volume_place
from kmflow_orchestration.workspace.wire import Call, Caller, WireError, endpoint

_PAGE = 1000
"""Entries of a page when none are asked for, and at most."""


def routes(services: Services) -> list[Route]:
    """`/api/2.0/fs/directories…`."""

    def create(call: Call) -> Response:
        place = volume_place(services, call.caller, call.path["path"], WRITE)
        try:
            place.disk.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise WireError(
                409,
                "ALREADY_EXISTS",
                "A file of this name already exists.",
                reason="FILES_API_FILE_ALREADY_EXISTS",
            ) from error
        return Response(status_code=204)

    def metadata(call: Call) -> Response:
        try:
            _directory(services, call.caller, call.path["path"])
        except WireError as error:
            return Response(status_code=error.status)  # HEAD answers carry no body
        return Response(status_code=200)

    def delete(call: Call) -> Response:
        place = _directory(services, call.caller, call.path["path"], WRITE)
        if not place.volume_path.parts:
            raise WireError(400, "INVALID_PARAMETER_VALUE", "A Volume's root cannot be deleted.")
        try:
            place.disk.rmdir()
        except OSError as error:
            raise WireError(
                400,
                "INVALID_PARAMETER_VALUE",
                "The directory being deleted is not empty.",
                reason="FILES_API_DIRECTORY_IS_NOT_EMPTY",
            ) from error
        return Response(status_code=204)

    def contents(call: Call) -> dict[str, Any]:
        place = _directory(services, call.caller, call.path["path"])
        size = min(_PAGE, int(call.query.get("page_size") or _PAGE) or _PAGE)
        return _page(place, size, call.query.get("page_token", ""))

    path = "/api/2.0/fs/directories/{path:path}"
    return [
        Route(path, endpoint(create), methods=["PUT"]),
        Route(path, endpoint(metadata), methods=["HEAD"]),
        Route(path, endpoint(contents), methods=["GET"]),
        Route(path, endpoint(delete), methods=["DELETE"]),
    ]


def _directory(services: Services, who: Caller, path: str, privilege: str = READ) -> Place:
    """An existing directory. Raises WireError."""
    place = volume_place(services, who, path, privilege)
    if not place.disk.is_dir():
        raise WireError(
            404,
            "NOT_FOUND",
            "The directory being accessed is not found.",
            reason="FILES_API_DIRECTORY_NOT_FOUND",
        )
    return place


def _page(place: Place, size: int, token: str) -> dict[str, Any]:
    """Entries by name after the token's; links are not shown, they could lead out."""
    with os.scandir(place.disk) as scan:
        entries = {entry.name: entry for entry in scan if not entry.is_symlink()}
    names = sorted(entries)
    start = bisect_right(names, _name_of(token)) if token else 0
    shown = names[start : start + size]
    page: dict[str, Any] = {"contents": [_entry(place, entries[name]) for name in shown]}
    if start + size < len(names):
        page["next_page_token"] = base64.urlsafe_b64encode(os.fsencode(shown[-1])).decode()
    return page


def _name_of(token: str) -> str:
    try:
        return os.fsdecode(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error) as error:
        raise WireError(400, "INVALID_PARAMETER_VALUE", "Invalid page token.") from error


def _entry(place: Place, entry: os.DirEntry[str]) -> dict[str, Any]:
    stat = entry.stat(follow_symlinks=False)
    path = f"{place.volume_path.text}/{entry.name}"
    shown: dict[str, Any] = {
        "path": path,
        "is_directory": False,
        "last_modified": int(stat.st_mtime * 1000),
        "name": entry.name,
    }
    if entry.is_dir():
        return shown | {"path": path + "/", "is_directory": True}
    return shown | {"file_size": stat.st_size}
