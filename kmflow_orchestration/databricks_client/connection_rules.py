"""What the process demands of every connection, whichever group's it is (rows C3, C15, C22)."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kmflow_orchestration.config.certificates import check_bundle, tls_context
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


OnSecretRead = Callable[[SecretRead], object]


def to_nobody(_read: SecretRead) -> None:
    """A process that keeps no account, such as a test of the client alone."""


# What requests, and so the SDK, reads.
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """Process-wide rules; the default is a process without settings of its own."""

    secrets: SecretSources = field(default_factory=SecretSources)
    allowed_hosts: Collection[str] = ()
    """Hosts outside Databricks' domains that a profile may name."""
    ca_bundle: Path | None = None
    """File of certificates to trust instead of the system's."""
    verify_tls: bool = True
    """Whether certificates are checked at all."""
    on_secret_read: OnSecretRead = to_nobody
    """Hears of each look-up of a group's secret (row A19); its own error fails the look-up."""

    @property
    def production(self) -> bool:
        return self.secrets.production

    def looking_in(self, environment: Mapping[str, str] | None) -> ConnectionRules:
        """The same rules with other variables; None changes nothing."""
        if environment is None:
            return self
        return replace(self, secrets=replace(self.secrets, environment=environment))

    @property
    def ca_file(self) -> Path | None:
        """What every client trusts: our bundle, else that of the variables requests reads."""
        if self.ca_bundle is not None:
            return self.ca_bundle
        named = next(filter(None, map(self.secrets.variables.get, _BUNDLE_VARIABLES)), "")
        return Path(named) if named else None

    @property
    def verify(self) -> bool | str:
        """The same as requests takes it."""
        if not self.verify_tls:
            return False
        return True if self.ca_file is None else str(self.ca_file)

    def tls_context(self) -> ssl.SSLContext:
        """The same for a connection of our own. Raises ConfigurationError for a bad bundle."""
        return tls_context(self.ca_file, verify=self.verify_tls)

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
                production; a bundle that holds no certificates.
        """
        if self.ca_bundle is not None:
            check_bundle(self.ca_bundle)
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
