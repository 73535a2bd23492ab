"""From a group's settings to its one workspace client: the only place that logs in."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kmflow_orchestration import __version__
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.workspace_urls import is_loopback
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.retries import Retrier, RetryPolicy
from kmflow_orchestration.errors import ConfigurationError, CredentialError, MissingDependency

# Its loop would otherwise run for 300 s; see transport.OneAttemptClock.
_SDK_RETRY_S = 1


def connect(
    config: GroupConfig,
    *,
    clock: Clock,
    connections: int = 64,
    http_timeout_s: float = 60.0,
    environment: Mapping[str, str] | None = None,
    retry_policy: RetryPolicy | None = None,
) -> WorkspaceCalls:
    """A client of the group's workspace, from the group's settings and nothing else.

    No environment variable or profile of the SDK takes part. `connections` are kept open at most;
    a request without an answer for `http_timeout_s` seconds counts as failed. `environment` is
    where `env:` references look, by default the process's; `retry_policy` replaces the usual one.

    Raises:
        ConfigurationError: names every field that is missing or wrong, before any request.
        CredentialError: the token's reference cannot be resolved.
    """
    check_connection(config)
    sdk = _sdk()
    from kmflow_orchestration.databricks_client.transport import (
        OneAttemptClock,
        Transport,
        UploadSession,
    )

    settings = _own_settings_only(sdk)(
        host=config.workspace_url,
        token=_token(config, environment),
        auth_type="pat",
        retry_timeout_seconds=_SDK_RETRY_S,
        http_timeout_seconds=http_timeout_s,
        product="kmflow",
        product_version=__version__,
        clock=OneAttemptClock(),
    )
    client = sdk.WorkspaceClient(config=settings)
    transport = Transport(connections, clock)
    sending = client.api_client._api_client  # noqa: SLF001 - the SDK offers no other way in
    session = UploadSession(transport, config.workspace_url)
    session.auth = sending._session.auth  # noqa: SLF001
    sending._session = session  # noqa: SLF001
    return WorkspaceCalls(
        client,
        transport=transport,
        retrier=Retrier(clock, retry_policy or RetryPolicy()),
        http_timeout_s=http_timeout_s,
    )


def _token(config: GroupConfig, environment: Mapping[str, str] | None) -> str:
    """The token, in a form that can stand in a header: Python shows a bad header with its value.

    Raises:
        ConfigurationError: the group has none.
        CredentialError: it cannot be resolved, or holds what no token holds.
    """
    if config.token is None:
        raise ConfigurationError("the group has no token", fields=("token",))
    token = config.token.resolve(environment).reveal()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialError(
            f"{config.token} holds blanks, line breaks or other characters that no token has",
            hint="keep the bare token there, without `Bearer`",
        )
    return token


def check_connection(config: GroupConfig) -> None:
    """Whether a group's settings suffice to log in.

    Raises:
        ConfigurationError: naming every field at fault.
    """
    missing = tuple(
        name
        for name, value in (("workspace_url", config.workspace_url), ("token", config.token))
        if not value
    )
    if missing:
        raise ConfigurationError(
            f"group {config.group_id}: missing {', '.join(missing)}",
            fields=missing,
            hint="set them in the group's configuration",
        )
    _check_url(config)


def _check_url(config: GroupConfig) -> None:
    url = urlsplit(config.workspace_url)
    field = ("workspace_url",)
    if url.scheme not in {"https", "http"} or not url.hostname or url.username:
        raise ConfigurationError(
            f"group {config.group_id}: workspace_url must be https://<host>", fields=field
        )
    if url.scheme == "https":
        return
    if not is_loopback(url.hostname):
        raise ConfigurationError(
            f"group {config.group_id}: workspace_url must use https", fields=field
        )
    if not config.allow_insecure_loopback:
        raise ConfigurationError(
            f"group {config.group_id}: workspace_url uses http on this machine, "
            "which allow_insecure_loopback does not permit",
            fields=(*field, "allow_insecure_loopback"),
        )


def _sdk() -> Any:
    try:
        from databricks import sdk
    except ImportError as error:
        raise MissingDependency(
            "the Databricks SDK is not installed",
            hint="pip install 'kmflow_orchestration[orchestrator]'",
        ) from error
    return sdk


def _own_settings_only(sdk: Any) -> Any:
    """The SDK's Config without its environment, its profiles and its chatty error texts."""

    class GivenSettings(sdk.config.Config):  # type: ignore[misc]
        @classmethod
        def attributes(cls) -> Any:
            return sdk.config.Config.attributes()

        def _load_from_env(self) -> None:
            """Another group's or a developer's DATABRICKS_* must not leak in."""

        def _known_file_config_loader(self) -> None:
            """Nor `~/.databrickscfg`."""

        def wrap_debug_info(self, message: str) -> str:
            """The SDK appends its settings to every 401 and 403."""
            return message

    return GivenSettings


class ClientCache:
    """One client per group and configuration version, shared by all threads of a process."""

    def __init__(
        self,
        clock: Clock,
        *,
        connections: int = 64,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self._connections = connections
        self._environment = environment
        self._clients: dict[tuple[str, int], WorkspaceCalls] = {}
        self._lock = threading.Lock()

    def get(self, config: GroupConfig) -> WorkspaceCalls:
        """The group's client; a new version of its configuration replaces the older one's.

        Raises: as `connect`.
        """
        key = (config.group_id, config.version)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = connect(
                    config,
                    clock=self._clock,
                    connections=self._connections,
                    environment=self._environment,
                )
                self._drop_older(config)
            return self._clients[key]

    def _drop_older(self, config: GroupConfig) -> None:
        for key in [key for key in self._clients if key[0] == config.group_id]:
            if key[1] < config.version:
                self._clients.pop(key).close()

    def close(self) -> None:
        """Close every connection; the cache can be used again."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()
