"""How one process reaches workspaces: its own sign-in, its secrets, its rules, its clients."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import SecretSources
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.connect import ClientCache, connect
from kmflow_orchestration.databricks_client.connection_rules import (
    ConnectionRules,
    OnSecretRead,
    to_nobody,
)
from kmflow_orchestration.databricks_client.pace import Pace
from kmflow_orchestration.databricks_client.secret_scopes import SecretScopes

_NOT_SAVED = 0


class Connections:
    """Made lazily from a process's settings; nothing is read before somebody asks for it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        own_connection: OwnConnection | None = None,
        *,
        on_secret_read: OnSecretRead = to_nobody,
    ) -> None:
        self._settings = settings
        self._on_secret_read = on_secret_read
        self._clock = clock
        self._given = own_connection

    @cached_property
    def own(self) -> OwnConnection:
        """The process's own connection, of its environment unless another was given."""
        return self._given or OwnConnection.of(self._settings)

    def own_group(self, group: str) -> GroupConfig:
        """The same as a group's settings, which nobody has saved. Raises ConfigurationError."""
        return self.own.group_settings(group).to_config(_NOT_SAVED)

    @cached_property
    def secrets(self) -> SecretSources:
        """Where this process looks references to secrets up."""
        return SecretSources(
            environment=self.own.variables,
            production=self._settings.production,
            scopes=self._read_scope,
        )

    @cached_property
    def rules(self) -> ConnectionRules:
        """What this process demands of every connection."""
        return ConnectionRules(
            secrets=self.secrets,
            allowed_hosts=self._settings.allowed_hosts,
            ca_bundle=self._settings.ca_bundle,
            verify_tls=self._settings.tls_verify,
            on_secret_read=self._on_secret_read,
        )

    @cached_property
    def clients(self) -> ClientCache:
        """One client per group and version of its settings."""
        connections = 2 * self._settings.upload_workers
        limit = self._settings.upload_mb_per_s
        pace = Pace(self._clock, limit * 1_000_000 if limit else None)
        return ClientCache(self._clock, connections=connections, rules=self.rules, pace=pace)

    def _read_scope(self, scope: str, key: str) -> str:
        """A key of a secret scope, read as whoever the process itself signs in."""
        return SecretScopes(self.own_client).read(scope, key)

    @cached_property
    def own_client(self) -> WorkspaceCalls:
        """The client of the process itself, which is no group's."""
        config = self.own.sign_in_settings("kmflow-process").to_config(_NOT_SAVED)
        # Without scopes: what opens them cannot lie in one. And no group's: nobody's account.
        rules = replace(
            self.rules, secrets=replace(self.secrets, scopes=None), on_secret_read=to_nobody
        )
        return connect(config, clock=self._clock, connections=4, rules=rules)

    def close(self) -> None:
        """Close every client; a second call does nothing."""
        if "clients" in self.__dict__:
            self.clients.close()
        if "own_client" in self.__dict__:
            self.own_client.close()
