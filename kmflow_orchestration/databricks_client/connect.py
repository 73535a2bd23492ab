"""From a group's settings to its one workspace client: the only place that logs in."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kmflow_orchestration import __version__
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.token_shape import check_secret
from kmflow_orchestration.config.workspace_urls import is_loopback
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.databricks_client.group_sign_in import (
    Wire,
    open_sign_in,
    signs_in_by_itself,
    ways,
)
from kmflow_orchestration.databricks_client.pace import Pace
from kmflow_orchestration.databricks_client.proxies import proxy_for
from kmflow_orchestration.databricks_client.retries import Retrier, RetryPolicy
from kmflow_orchestration.databricks_client.sign_in import SignIn, TokenSignIn
from kmflow_orchestration.errors import ConfigurationError, MissingDependency
from kmflow_orchestration.redaction import register

# Its loop would otherwise run for 300 s; see transport.OneAttemptClock.
_SDK_RETRY_S = 1


def connect(
    config: GroupConfig,
    *,
    clock: Clock,
    connections: int = 64,
    http_timeout_s: float = 60.0,
    environment: Mapping[str, str] | None = None,
    rules: ConnectionRules | None = None,
    user_token: Secret | None = None,
    retry_policy: RetryPolicy | None = None,
    pace: Pace | None = None,
) -> WorkspaceCalls:
    """A client of the group's workspace, from the group's settings and nothing else.

    No environment variable or profile of the SDK takes part but those the group names.
    `connections` are kept open at most; a request without an answer for `http_timeout_s` seconds
    counts as failed. `environment` is where `env:` references look, by default the process's.
    A `user_token` is tried first, on behalf of that user, and the group's own where it lacks the
    scope (row A10). `retry_policy` replaces the usual one; `pace` limits what bodies take.

    Raises:
        ConfigurationError: names every field that is missing or wrong, before any request.
        CredentialError: a secret's reference cannot be resolved.
    """
    # Who brings a token needs none of the group's, which is then nobody to fall back on.
    alone = user_token is not None and not signs_in_by_itself(config)
    check_connection(config, for_user=alone)
    in_force = (rules or ConnectionRules()).looking_in(environment)
    in_force.check()
    _require_sdk()
    proxy_for(config.workspace_url)  # one that is no address is told before any request
    opening = _Opening(config, clock, connections, http_timeout_s, in_force, retry_policy, pace)
    calls: WorkspaceCalls | None = None
    for way in () if alone else reversed(ways(config)):
        calls = opening.calls(way, calls)
    if user_token is not None:
        calls = opening.for_user(user_token, calls)
    assert calls is not None  # noqa: S101 - `ways` gives at least one, or there is a user
    return calls


def open_group_sign_in(
    config: GroupConfig,
    *,
    clock: Clock,
    rules: ConnectionRules | None = None,
    http_timeout_s: float = 60.0,
) -> SignIn:
    """A group's first way to sign in, for clients other than ours. Raises as `connect`."""
    check_connection(config)
    in_force = rules or ConnectionRules()
    in_force.check()
    _require_sdk()
    opening = _Opening(config, clock, 2, http_timeout_s, in_force)
    return opening.sign_in(ways(config)[0], opening.transport())


@dataclass(frozen=True, slots=True)
class _Opening:
    """What the clients of one group have in common, whichever way they sign in."""

    config: GroupConfig
    clock: Clock
    connections: int
    http_timeout_s: float
    rules: ConnectionRules
    retry_policy: RetryPolicy | None = None
    pace: Pace | None = None

    def calls(self, way: str, fallback: WorkspaceCalls | None) -> WorkspaceCalls:
        """A client that signs in one way, and goes to the next where that lacks a scope."""
        transport = self.transport()
        return self._client(self.sign_in(way, transport), transport, fallback)

    def for_user(self, token: Secret, fallback: WorkspaceCalls | None) -> WorkspaceCalls:
        """A client on behalf of a user."""
        where = "the user's token"
        checked = check_secret(token, where)
        register(checked.reveal(), passing=True)
        sign_in = TokenSignIn(lambda: checked, where, kind="on-behalf-of")
        return self._client(sign_in, self.transport(), fallback)

    def transport(self) -> Any:
        """Connections of one client."""
        from kmflow_orchestration.databricks_client.transport import Transport

        return Transport(self.connections, self.clock)

    def sign_in(self, way: str, transport: Any) -> SignIn:
        """One way to sign in, over these connections."""
        from kmflow_orchestration.databricks_client.transport import plain_session

        session = plain_session(transport, self.config.workspace_url, self.rules.verify)
        wire = Wire(session, transport, self.clock, self.http_timeout_s)
        return open_sign_in(self.config, way, rules=self.rules, wire=wire)

    def _client(
        self, sign_in: SignIn, transport: Any, fallback: WorkspaceCalls | None
    ) -> WorkspaceCalls:
        from databricks.sdk import WorkspaceClient

        from kmflow_orchestration.databricks_client.sdk_sign_in import GivenSettings, SignInStrategy
        from kmflow_orchestration.databricks_client.transport import LeanSession, OneAttemptClock

        settings = GivenSettings(
            host=self.config.workspace_url,
            credentials_strategy=SignInStrategy(lambda: sign_in),
            retry_timeout_seconds=_SDK_RETRY_S,
            http_timeout_seconds=self.http_timeout_s,
            product="kmflow",
            product_version=__version__,
            clock=OneAttemptClock(),
        )
        client = WorkspaceClient(config=settings)
        sending = client.api_client._api_client  # noqa: SLF001 - the SDK offers no other way in
        session = LeanSession(transport, self.config.workspace_url, self.rules.verify)
        session.auth = sending._session.auth  # noqa: SLF001
        sending._session = session  # noqa: SLF001
        return WorkspaceCalls(
            client,
            transport=transport,
            retrier=Retrier(self.clock, self.retry_policy or RetryPolicy()),
            http_timeout_s=self.http_timeout_s,
            sign_in=sign_in,
            fallback=fallback,
            verify=self.rules.verify,
            pace=self.pace,
        )


def check_connection(config: GroupConfig, *, for_user: bool = False) -> None:
    """Whether a group's settings suffice to log in; `for_user`, with a token that a user brought.

    Raises:
        ConfigurationError: naming every field at fault.
    """
    missing: tuple[str, ...] = () if config.workspace_url else ("workspace_url",)
    try:
        if not for_user:
            ways(config)
    except ConfigurationError as error:
        if config.workspace_url:
            raise
        missing += error.fields
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


def _require_sdk() -> None:
    try:
        from databricks import sdk  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            "the Databricks SDK is not installed",
            hint="pip install 'kmflow_orchestration[orchestrator]'",
        ) from error


class ClientCache:
    """One client per group and configuration version, shared by all threads of a process."""

    def __init__(
        self,
        clock: Clock,
        *,
        connections: int = 64,
        environment: Mapping[str, str] | None = None,
        rules: ConnectionRules | None = None,
        pace: Pace | None = None,
        http_timeout_s: float = 60.0,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        self._clock = clock
        self._pace = pace
        self._connections = connections
        self._http_timeout_s = http_timeout_s
        self._retry_policy = retry_policy
        self._rules = (rules or ConnectionRules()).looking_in(environment)
        self._clients: dict[tuple[str, int], WorkspaceCalls] = {}
        self._lock = threading.Lock()
        self.built = 0
        """Clients that were made so far."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Where this process's secrets are looked up."""
        return self._rules.secrets.variables

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
                    rules=self._rules,
                    pace=self._pace,
                    http_timeout_s=self._http_timeout_s,
                    retry_policy=self._retry_policy,
                )
                self.built += 1
                self._drop_older(config)
            return self._clients[key]

    def on_behalf_of(self, config: GroupConfig, user_token: Secret) -> WorkspaceCalls:
        """A client of one user, for one request of theirs: whoever asks for it closes it.

        Raises: as `connect`.
        """
        return connect(
            config,
            clock=self._clock,
            connections=4,
            rules=self._rules,
            pace=self._pace,
            user_token=user_token,
        )

    def _drop_older(self, config: GroupConfig) -> None:
        for key in [key for key in self._clients if key[0] == config.group_id]:
            if key[1] < config.version:
                self._clients.pop(key).close()

    def close(self) -> None:
        """Close every connection; the cache can be used again."""
        with self._lock:
            while self._clients:
                self._clients.popitem()[1].close()
