"""What the process demands of every connection, whichever group's it is (rows C3, C15, C22)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kmflow_orchestration.config.secret_refs import SecretSources
from kmflow_orchestration.errors import ConfigurationError, KmflowError
from kmflow_orchestration.names import GroupId


@dataclass(frozen=True, slots=True)
class SecretRead:
    """A group's secret was looked up, or was to be: then `error_code` says why it was not.

    `reference` says where it is kept, as people may see it.
    """

    group: GroupId
    reference: str
    error_code: str = ""


def _to_nobody(_read: SecretRead) -> None:
    """A process that keeps no account, such as a test of the client alone."""


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """Process-wide rules; the default is a process without settings of its own."""

    secrets: SecretSources = field(default_factory=SecretSources)
    allowed_hosts: Collection[str] = ()
    """Hosts outside Databricks' domains that a profile may name."""
    ca_bundle: Path | None = None
    """Certificates to trust instead of the system's."""
    verify_tls: bool = True
    on_secret_read: Callable[[SecretRead], object] = _to_nobody
    """Hears of each look-up of a group's secret (row A19); its own error fails the look-up."""

    @property
    def production(self) -> bool:
        return self.secrets.production

    def looking_in(self, environment: Mapping[str, str] | None) -> ConnectionRules:
        """The same rules with other variables; None changes nothing."""
        if environment is None:
            return self
        return replace(self, secrets=replace(self.secrets, environment=environment))

    @contextmanager
    def reading(self, group: GroupId, reference: str) -> Iterator[None]:
        """The block looks a group's secret up."""
        try:
            yield
        except KmflowError as error:
            self.on_secret_read(SecretRead(group, reference, error.code))
            raise
        self.on_secret_read(SecretRead(group, reference))

    def check(self) -> None:
        """Whether connections may be made under these rules.

        Raises:
            ConfigurationError: certificates unchecked, or the SDK told to log what it sends, in
                production; a bundle of certificates that is not there.
        """
        if self.ca_bundle is not None and not self.ca_bundle.exists():
            raise ConfigurationError(
                f"there are no certificates at {self.ca_bundle}", fields=("KMFLOW_CA_BUNDLE",)
            )
        if not self.production:
            return
        if not self.verify_tls:
            raise ConfigurationError(
                "certificates must be checked in production", fields=("KMFLOW_TLS_VERIFY",)
            )
        if logging.getLogger("databricks.sdk").isEnabledFor(logging.DEBUG):
            raise ConfigurationError(
                "the SDK must not log what it sends in production",
                hint="set the logger `databricks.sdk` to INFO",
            )
