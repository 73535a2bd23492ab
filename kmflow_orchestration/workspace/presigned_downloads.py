"""Downloads by a link of their own: how newer SDKs fetch every file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kmflow_orchestration.workspace.files import existing_file, sent_file
from kmflow_orchestration.workspace.presigned_urls import LinkRefused, PresignedUrls
from kmflow_orchestration.workspace.services import Services
from kmflow_orchestration.workspace.volume_paths import Place
from kmflow_orchestration.workspace.wire import Call, endpoint


def routes(services: Services) -> list[Route]:
    """The request for a link, and the place links point to."""
    links = PresignedUrls[Place](services, "downloads")

    def create(call: Call) -> Mapping[str, Any]:
        place = existing_file(services, call.caller, call.query.get("path", ""))
        return {"url": links.make(place, call.query.get("expire_time")), "headers": []}

    async def download(request: Request) -> Response:
        place = links.target(request.path_params["secret"])
        return await run_in_threadpool(_sent, place, request)

    return [
        Route("/api/2.0/fs/create-download-url", endpoint(create), methods=["POST"]),
        Route(links.route, download, methods=["GET"]),
    ]


def _sent(place: Place, request: Request) -> Response:
    try:
        return sent_file(place.disk, request.headers)
    except FileNotFoundError as error:
        raise LinkRefused("The specified key does not exist.") from error
