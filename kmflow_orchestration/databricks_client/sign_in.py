"""Ways to sign a group's requests. Each looks its secret up at use and keeps it to itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from kmflow_orchestration.config.secret_refs import Secret

AUTHORIZATION = "Authorization"


class SignIn(Protocol):
    """What a client asks for the headers of each request; safe for many threads."""

    @property
    def kind(self) -> str:
        """The SDK's name of the method: `pat`, `oauth-m2m`, …"""

    @property
    def where(self) -> str:
        """Where its secret is kept, for people."""

    def headers(self) -> dict[str, str]:
        """Headers that authorize the next request.

        Raises:
            CredentialError: the secret cannot be read.
            AccessRefused: the secret is not accepted.
            RemoteFault: no token could be fetched now.
        """

    def has_other_than(self, refused: str | None) -> bool:
        """Whether there is another Authorization header than the refused one, after looking."""


class TokenSignIn:
    """A token that is kept somewhere; looked up again once it is refused."""

    def __init__(self, look_up: Callable[[], Secret], where: str, *, kind: str = "pat") -> None:
        self._look_up = look_up
        self._lock = threading.Lock()
        self.kind = kind
        self.where = where
        self._headers = _bearer(look_up())

    def headers(self) -> dict[str, str]:
        return dict(self._headers)

    def has_other_than(self, refused: str | None) -> bool:
        with self._lock:
            if self._headers[AUTHORIZATION] == refused:
                self._headers = _bearer(self._look_up())
            return self._headers[AUTHORIZATION] != refused


def _bearer(token: Secret) -> Mapping[str, str]:
    return {AUTHORIZATION: f"Bearer {token.reveal()}"}
