"""Where our sign-ins meet the SDK's: ours as its strategy, its other methods as ours.

Imported only when a client is built, because it imports the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests
from databricks import sdk
from databricks.sdk.credentials_provider import CredentialsStrategy

from kmflow_orchestration.databricks_client.sign_in import AUTHORIZATION, SignIn
from kmflow_orchestration.errors import CredentialError, RemoteFault
from kmflow_orchestration.redaction import redact, register


class GivenSettings(sdk.config.Config):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's Config without its environment, its profiles and its chatty error texts."""

    @classmethod
    def attributes(cls) -> Any:
        return sdk.config.Config.attributes()

    def _load_from_env(self) -> None:
        """Another group's or a developer's DATABRICKS_* must not leak in."""

    def _known_file_config_loader(self) -> None:
        """Nor `~/.databrickscfg`: a profile's values are given like all others."""

    def wrap_debug_info(self, message: str) -> str:
        """The SDK appends its settings to every 401 and 403."""
        return message


class SignInStrategy(CredentialsStrategy):  # type: ignore[misc]
    """Hands a sign-in's headers to the SDK, for each request anew; holds no secret itself."""

    def __init__(self, make: Callable[[], SignIn], kind: str = "pat") -> None:
        self._make = make
        self._kind = kind
        self._sign_in: SignIn | None = None

    def auth_type(self) -> str:
        return self._kind if self._sign_in is None else self._sign_in.kind

    def __call__(self, cfg: object) -> Callable[[], dict[str, str]]:
        if self._sign_in is None:
            self._sign_in = self._make()
        return self._sign_in.headers


class SdkSignIn:
    """A method of the SDK's own (Azure, Google, OIDC, the Databricks CLI, …), renewed by it.

    `values` are the SDK's settings, host included: all of one profile, or of one group.
    """

    def __init__(self, values: Mapping[str, str], where: str) -> None:
        self.where = where
        try:
            self._config = GivenSettings(**values)
        except ValueError as error:
            problem = redact(str(error))
        except (OSError, requests.RequestException) as error:
            raise RemoteFault(f"{where}: signing in failed: {type(error).__name__}") from error
        else:
            self.kind = str(self._config.auth_type)
            return
        # Without its cause: the SDK quotes what programs and servers answered.
        raise CredentialError(
            f"{where}: the SDK cannot sign in: {problem}",
            hint="name one method with auth_type, and give all it needs",
        )

    def headers(self) -> dict[str, str]:
        try:
            headers: dict[str, str] = dict(self._config.authenticate())
        except (ValueError, OSError, requests.RequestException) as error:
            raise RemoteFault(
                f"{self.where}: {self.kind} gives no token now: {redact(str(error))}"
            ) from None
        for value in headers.values():
            register(value.partition(" ")[2] or value, passing=True)
        return headers

    def has_other_than(self, refused: str | None) -> bool:
        return self.headers().get(AUTHORIZATION) != refused
