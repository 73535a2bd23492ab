"""Where our sign-ins meet the SDK's: ours as its strategy, its other methods as ours.

Imported only when a client is built, because it imports the SDK.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from databricks import sdk
from databricks.sdk.credentials_provider import CredentialsStrategy

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.browser_sign_in import KIND as BROWSER
from kmflow_orchestration.databricks_client.browser_sign_in import BrowserStrategy
from kmflow_orchestration.databricks_client.sign_in import AUTHORIZATION, SignIn
from kmflow_orchestration.errors import CredentialError, RemoteFault
from kmflow_orchestration.redaction import redact, register

# The SDK up to 0.60 exchanges an issuer's token anew for every single request.
_ANEW_EACH_TIME = frozenset({"env-oidc", "file-oidc", "github-oidc"})
# Far less than any of these tokens is good for; a refused one is replaced at once.
_KEPT_S = 300.0


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

    Raises:
        CredentialError: the method does not find what it needs, or finds it for another host.
        RemoteFault: it had to ask somebody, who does not answer.
    """

    def __init__(self, values: Mapping[str, str], where: str, clock: Clock) -> None:
        self.where = where
        self._clock = clock
        self._kept: dict[str, str] = {}
        self._kept_until = 0.0
        self._lock = threading.Lock()
        self._values = dict(values)
        self._config = self._opened()
        self.kind = str(self._config.auth_type)

    def _opened(self) -> GivenSettings:
        """The method, from its beginning: with nothing kept of what it fetched before."""
        strategy = BrowserStrategy() if self._values.get("auth_type") == BROWSER else None
        try:
            config = GivenSettings(**self._values, credentials_strategy=strategy)
        except ValueError as error:
            problem = redact(str(error))
        except (OSError, requests.RequestException) as error:
            raise RemoteFault(f"{self.where}: signing in failed: {type(error).__name__}") from error
        else:
            _check_host(str(config.host or ""), self._values["host"], self.where)
            return config
        # Without its cause: the SDK quotes what programs and servers answered.
        raise CredentialError(
            f"{self.where}: the SDK cannot sign in: {problem}",
            hint="name one method with auth_type, and give all it needs",
        )

    def headers(self) -> dict[str, str]:
        if self.kind not in _ANEW_EACH_TIME:
            return self._asked()
        with self._lock:
            if not self._kept or self._clock.monotonic() >= self._kept_until:
                self._kept = self._asked()
                self._kept_until = self._clock.monotonic() + _KEPT_S
            return dict(self._kept)

    def has_other_than(self, refused: str | None) -> bool:
        with self._lock:
            if self._kept and self._kept.get(AUTHORIZATION) == refused:
                # Newer SDKs keep the token as well, refused or not.
                self._kept, self._config = {}, self._opened()
        return self.headers().get(AUTHORIZATION) != refused

    def _asked(self) -> dict[str, str]:
        try:
            headers: dict[str, str] = dict(self._config.authenticate())
        except (ValueError, OSError, requests.RequestException) as error:
            raise RemoteFault(
                f"{self.where}: {self.kind} gives no token now: {redact(str(error))}",
                hint=f"sign in anew, or give {self.kind} what it needs",
            ) from None
        for value in headers.values():
            register(value.partition(" ")[2] or value, passing=True)
        return headers


def _check_host(found: str, given: str, where: str) -> None:
    """A method that brings its own host, as in a notebook, brings its own workspace's token."""
    if urlsplit(found)[:2] != urlsplit(given)[:2]:
        raise CredentialError(
            f"{where} signs in to {urlsplit(found).netloc or 'no host'}, "
            f"the group is for {urlsplit(given).netloc}",
            hint="host and credential must come from one place",
        )
