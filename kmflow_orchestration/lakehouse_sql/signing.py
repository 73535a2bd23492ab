"""How the driver's requests are signed: the one seam through which credentials come in.

A `SqlSignIn` gives headers and knows where its secret is kept; the driver asks for headers before
every request, so a token that is renewed meanwhile is used by connections that are open already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.errors import ConfigurationError, CredentialError

AUTHORIZATION = "Authorization"


class SqlSignIn(Protocol):
    """A group's way to sign in; safe for many threads."""

    @property
    def kind(self) -> str:
        """The SDK's name of the method: `pat`, `oauth-m2m`, …"""

    @property
    def where(self) -> str:
        """Where its secret is kept, for people and for cache keys."""

    def headers(self) -> dict[str, str]:
        """Headers that authorize the next request. Raises CredentialError."""

    def has_other_than(self, refused: str | None) -> bool:
        """Whether there is another Authorization header than the refused one, after looking."""


class ReferencedToken:
    """A token behind a reference, resolved for each request."""

    kind = "pat"

    def __init__(self, reference: SecretRef, environment: Mapping[str, str] | None = None) -> None:
        self._reference = reference
        self._environment = environment

    @property
    def where(self) -> str:
        return str(self._reference)

    def headers(self) -> dict[str, str]:
        """Raises CredentialError."""
        token = self._reference.resolve(self._environment).reveal()
        if not token.isascii() or not token.isprintable() or " " in token:
            raise CredentialError(
                f"{self._reference} holds characters that no token has",
                hint="keep the bare token there, without `Bearer`",
            )
        return {AUTHORIZATION: f"Bearer {token}"}

    def has_other_than(self, refused: str | None) -> bool:
        return self.headers()[AUTHORIZATION] != refused


def referenced_token(
    config: GroupConfig, environment: Mapping[str, str] | None = None
) -> SqlSignIn:
    """The sign-in of a group that keeps a token. Raises ConfigurationError."""
    if config.token is None:
        raise ConfigurationError(f"group {config.group_id} has no token", fields=("token",))
    return ReferencedToken(config.token, environment)


class DriverSigning:
    """A sign-in in the form the driver takes: called for a header factory, which is then called
    for every request.

    The name of the header is in lower case on purpose, for HTTP the same: under its usual name
    the driver (4.9) would keep the first token for an hour instead of asking again, and would
    offer a token of another issuer to the host's token exchange.
    """

    def __init__(self, sign_in: SqlSignIn) -> None:
        self.sign_in = sign_in
        self._sent = threading.local()

    def __call__(self) -> Callable[[], dict[str, str]]:
        return self._headers

    def auth_type(self) -> str:
        """What the driver asks of a credentials provider."""
        return self.sign_in.kind

    def has_newer(self) -> bool:
        """Whether what this thread sent last can be replaced by something else."""
        return self.sign_in.has_other_than(getattr(self._sent, "authorization", None))

    def _headers(self) -> dict[str, str]:
        headers = self.sign_in.headers()
        self._sent.authorization = headers.get(AUTHORIZATION)
        return {name.lower(): value for name, value in headers.items()}
