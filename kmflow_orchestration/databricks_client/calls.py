"""One request to the workspace: sent, repeated where that may help, its errors translated."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from kmflow_orchestration.databricks_client.pace import Pace
from kmflow_orchestration.databricks_client.platform_errors import lasting_kind, translated
from kmflow_orchestration.databricks_client.retries import Retrier, TransientFault
from kmflow_orchestration.databricks_client.sign_in import SignIn
from kmflow_orchestration.errors import (
    CredentialRefused,
    ProtocolError,
    RemoteConflict,
    RemoteNotFound,
    ScopeMissing,
    TokenExpired,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")


class WorkspaceCalls:
    """A group's way to its workspace. Made by `connect`; safe to share between threads.

    A token that ends meanwhile is replaced where there is another, else TokenExpired is raised.
    Every method raises the leaves of `platform_errors`: AccessRefused, RemoteNotFound,
    RemoteConflict, RequestRejected, ProtocolError, or RemoteFault once our retries are spent.
    """

    def __init__(
        self,
        client: Any,
        *,
        transport: Any,
        retrier: Retrier,
        http_timeout_s: float,
        sign_in: SignIn,
        fallback: WorkspaceCalls | None = None,
        verify: bool | str = True,
        pace: Pace | None = None,
    ) -> None:
        import requests

        self.client = client
        self.retrier = retrier
        self.sign_in = sign_in
        self.pace = pace or Pace(retrier.clock)
        """How fast bodies of files may leave."""
        self._fallback = fallback
        self._was_accepted = False
        self._transport = transport
        self._http_timeout_s = http_timeout_s
        self._links = requests.Session()
        self._links.mount("https://", transport)
        self._links.mount("http://", transport)
        self._links.verify = verify

    @property
    def auth_kind(self) -> str:
        """How this client signs in, by the SDK's word for it: `pat`, `oauth-m2m`, …"""
        return str(self.client.config.auth_type or "")

    def with_retrier(self, retrier: Retrier) -> WorkspaceCalls:
        """The same client and connections under another retry policy; close only the original."""
        other = copy.copy(self)
        other.retrier = retrier
        return other

    def do(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        data: Callable[[], BinaryIO] | None = None,
        headers: Mapping[str, str] | None = None,
        answer_headers: tuple[str, ...] = (),
        repeatable: bool = True,
    ) -> dict[str, Any]:
        """The JSON object answered, {} when the answer is empty.

        `data` opens the request's body anew for every attempt. `repeatable=False` for a request
        that must not take effect twice.
        """

        def once() -> dict[str, Any]:
            with translated(f"{method} {path}", self._transport):
                answer = self.client.api_client.do(
                    method,
                    path,
                    query=dict(query or {}),
                    body=None if body is None else dict(body),
                    data=None if data is None else data(),
                    headers=dict(headers or {}),
                    response_headers=list(answer_headers),
                )
            if not isinstance(answer, dict):
                raise ProtocolError(f"{method} {path}: the answer is no JSON object")
            return answer

        try:
            return self.retrier.call(lambda: self._signed_in(once), repeatable=repeatable)
        except ScopeMissing as missing:
            if self._fallback is None:
                raise
            logger.info("%s; the next way to sign in is tried", missing.message)
        return self._fallback.do(
            method,
            path,
            query=query,
            body=body,
            data=data,
            headers=headers,
            answer_headers=answer_headers,
            repeatable=repeatable,
        )

    def _signed_in(self, once: Callable[[], T]) -> T:
        """An attempt, and one more where the workspace refuses a token that there is a newer of.

        A refused request had no effect, so that even one that must not be sent twice may be.
        """
        try:
            answer = once()
        except CredentialRefused as refusal:
            if not self.sign_in.has_other_than(self._transport.last_authorization):
                if not self._was_accepted:
                    raise
                raise TokenExpired(
                    f"token expired; {self.sign_in.where} was accepted before, now it is refused",
                    hint="put a new token there and run again: what is done stays done",
                ) from refusal
            answer = once()
        self._was_accepted = True
        return answer

    def open_stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Answer of a GET whose body is read by the caller, who closes it: see `contents`."""

        def once() -> dict[str, Any]:
            with translated(f"GET {path}", self._transport):
                answer: dict[str, Any] = self.client.api_client.do(
                    "GET",
                    path,
                    headers=dict(headers or {}),
                    raw=True,
                    response_headers=["content-range", "last-modified"],
                )
                return answer

        try:
            return self.retrier.call(lambda: self._signed_in(once))
        except ScopeMissing as missing:
            if self._fallback is None:
                raise
            logger.info("%s; the next way to sign in is tried", missing.message)
        return self._fallback.open_stream(path, headers=headers)

    def reading(self, path: str) -> Any:
        """Context that translates faults while a stream of `open_stream` is read."""
        return translated(f"GET {path}", self._transport)

    def fetch_link(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Body behind a presigned URL, which must never see our token.

        Raises:
            RemoteNotFound: refused, most likely because it expired: ask for a new one.
        """
        return bytes(self._at_link("GET", url, headers).content)

    def put_link(self, url: str, content: bytes, headers: Mapping[str, str]) -> str:
        """Send bytes to a presigned URL; the tag it gives them.

        Raises:
            RemoteNotFound: as `fetch_link`.
        """
        answer = self._at_link("PUT", url, headers, content)
        return str(required(answer.headers, "ETag", "PUT of a part"))

    def put_piece(self, url: str, piece: bytes, headers: Mapping[str, str]) -> str | None:
        """Send a piece of a resumable upload, once; the `Range` that has arrived, None when all.

        Raises:
            RemoteNotFound: as `fetch_link`.
            RemoteConflict: there is a file that must not be replaced.
            TransientFault: nobody knows how much of it arrived; asking tells, see `spec/wire.md`.
        """
        answer = self._once_at_link("PUT", url, headers, piece, accepted=(308, 412))
        if answer.status_code == 412:
            raise RemoteConflict(f"PUT {urlsplit(url).path}: the file exists already")
        return str(answer.headers.get("Range", "")) if answer.status_code == 308 else None

    def delete_link(self, url: str, headers: Mapping[str, str]) -> None:
        """Delete what a presigned URL names. Raises RemoteNotFound as `fetch_link`."""
        # 499 is how Google's cloud confirms that an upload was given up.
        self._at_link("DELETE", url, headers, accepted=(499,))

    def _at_link(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None = None,
        *,
        accepted: tuple[int, ...] = (),
    ) -> Any:
        return self.retrier.call(
            lambda: self._once_at_link(method, url, headers, body, accepted=accepted)
        )

    def _once_at_link(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        *,
        accepted: tuple[int, ...],
    ) -> Any:
        where = f"{method} {urlsplit(url).path}"
        with translated(where, self._transport):
            # An auth of our own keeps requests from adding one out of ~/.netrc.
            answer = self._links.request(
                method,
                url,
                data=body,
                headers=dict(headers or {}),
                auth=lambda request: request,
                timeout=self._http_timeout_s,
                allow_redirects=method == "GET",
            )
        if 200 <= answer.status_code < 300 or answer.status_code in accepted:
            return answer
        if answer.status_code in {400, 401, 403, 404, 410}:
            raise RemoteNotFound(f"{where}: link refused with {answer.status_code}")
        raise TransientFault(
            f"{where}: HTTP {answer.status_code}",
            retry_after_s=self._transport.last_retry_after_s,
            becomes=lasting_kind(answer.status_code),
        )

    def close(self) -> None:
        """Close the connections that are idle."""
        self._transport.close()
        if self._fallback is not None:
            self._fallback.close()


def required(answer: Mapping[str, Any], name: str, endpoint: str) -> Any:
    """A field that an endpoint always answers with. Raises ProtocolError naming the endpoint."""
    value = answer.get(name)
    if value is None:
        raise ProtocolError(f"{endpoint}: the answer lacks {name}")
    return value


def required_int(answer: Mapping[str, Any], name: str, endpoint: str) -> int:
    """An integer field. Raises ProtocolError naming the endpoint."""
    value = required(answer, name, endpoint)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProtocolError(f"{endpoint}: {name} is no integer")
    return value
