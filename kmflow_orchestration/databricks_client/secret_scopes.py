"""Databricks secret scopes, where `secret:scope/key` references lead."""

from __future__ import annotations

import base64
import binascii

from kmflow_orchestration.databricks_client.calls import WorkspaceCalls, required
from kmflow_orchestration.errors import (
    AccessRefused,
    CredentialError,
    ProtocolError,
    RemoteNotFound,
)

_GET = "/api/2.0/secrets/get"
_LIST = "/api/2.0/secrets/list"


class SecretScopes:
    """Secret scopes of one workspace, read as whoever the client signs in."""

    def __init__(self, calls: WorkspaceCalls) -> None:
        self._calls = calls

    def read(self, scope: str, key: str) -> str:
        """A value.

        Raises:
            CredentialError: no such scope or key, or they are not for us; names the reference.
            RemoteFault: the workspace does not answer.
        """
        where = f"secret:{scope}/{key}"
        try:
            answer = self._calls.do("GET", _GET, query={"scope": scope, "key": key})
        except RemoteNotFound as error:
            raise CredentialError(f"{where} is not there: {error.message}") from error
        except AccessRefused as error:
            raise CredentialError(
                f"{where} may not be read: {error.message}",
                hint=f"give this process's principal READ on the scope {scope}",
            ) from error
        try:
            return base64.b64decode(
                required(answer, "value", f"GET {_GET}"), validate=True
            ).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise ProtocolError(f"GET {_GET}: the value is no base64 of a text") from None

    def keys(self, scope: str) -> list[str]:
        """Keys of a scope. Raises the leaves that `WorkspaceCalls` names."""
        answer = self._calls.do("GET", _LIST, query={"scope": scope})
        return [str(one["key"]) for one in answer.get("secrets") or ()]
