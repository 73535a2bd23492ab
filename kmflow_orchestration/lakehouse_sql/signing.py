"""How the driver's requests are signed: as those of our own client, header by header."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kmflow_orchestration.databricks_client.sign_in import AUTHORIZATION, SignIn


class DriverSigning:
    """A group's sign-in in the form the driver takes: called for a header factory, which is then
    called before every request, so that open connections outlive their tokens.

    The name of the header is in lower case on purpose, for HTTP the same: under its usual name
    the driver (4.9) would keep the first token for an hour instead of asking again, and would
    offer a token of another issuer to the host's token exchange.
    """

    def __init__(self, sign_in: SignIn) -> None:
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
