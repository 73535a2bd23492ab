"""Links to files that carry their own credential and expire, as clouds hand them out."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from starlette.responses import Response

from kmflow_orchestration.workspace.foundation import Foundation
from kmflow_orchestration.workspace.wire import WireError

ROOT = "/presigned/"
T = TypeVar("T")


class LinkRefused(WireError):
    """The storage's answer, not the workspace's: XML, as S3 words it."""

    def __init__(self, message: str) -> None:
        super().__init__(403, "AccessDenied", message)

    def response(self) -> Response:
        body = f"<Error><Code>{self.error_code}</Code><Message>{self.message}</Message></Error>"
        return Response(body, self.status, media_type="application/xml")


class PresignedUrls(Generic[T]):
    """Links of one kind; each stands for a target until the moment its client asked for.

    They live as long as the server: a new one knows none of them.
    """

    def __init__(self, services: Foundation, kind: str) -> None:
        self._services = services
        self._path = f"{ROOT}{kind}/"
        self._lock = threading.Lock()
        self._links: dict[str, tuple[T, datetime]] = {}

    @property
    def route(self) -> str:
        """Path of the route that serves them."""
        return self._path + "{secret}"

    def make(self, target: T, expire_time: object) -> str:
        """A link to a target. Raises WireError 400 for a moment that is none or over."""
        expires, now = _moment(expire_time), self._services.state.clock.now()
        if expires <= now:
            raise _invalid("expire_time must be in the future.")
        secret = secrets.token_urlsafe(24)
        with self._lock:
            self._links = {key: one for key, one in self._links.items() if one[1] > now}
            self._links[secret] = (target, expires)
        return f"{self._services.url}{self._path}{secret}"

    def target(self, secret: str) -> T:
        """What a link stands for. Raises LinkRefused."""
        with self._lock:
            found = self._links.get(secret)
        if found is None:
            raise LinkRefused("Access Denied")
        if found[1] <= self._services.state.clock.now():
            raise LinkRefused("Request has expired")
        return found[0]

    def forget(self, is_gone: Callable[[T], bool]) -> None:
        """Drop the links to targets that are gone."""
        with self._lock:
            self._links = {key: one for key, one in self._links.items() if not is_gone(one[0])}


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise _invalid(f"expire_time {text!r} is no timestamp.") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _invalid(message: str) -> WireError:
    return WireError(400, "INVALID_PARAMETER_VALUE", message)
