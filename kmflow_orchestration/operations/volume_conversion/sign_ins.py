"""Another sign-in than a group's own, for work on the same group's Volumes (row D7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.config.workspace_urls import host_of
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class GivenSignIn:
    """What somebody gave with one call; '' and None are not given."""

    workspace_url: str = ""
    profile: str = ""
    auth_type: str = ""
    token: Secret | None = None

    def __bool__(self) -> bool:
        return bool(self.options)

    @property
    def options(self) -> dict[str, str | Secret]:
        """The same by the names of `OwnConnection`."""
        given: dict[str, str | Secret | None] = {
            "host": self.workspace_url,
            "profile": self.profile,
            "auth_type": self.auth_type,
            "token": self.token,
            # One that is handed over wins over a profile that the environment names.
            "auth_source": "env" if self.token else "",
        }
        return {name: value for name, value in given.items() if value}


NONE_GIVEN = GivenSignIn()
_SIGN_IN_FIELDS = (
    *("workspace_url", "token", "profile", "config_file"),
    *("auth_type", "client_id", "client_secret"),
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A group's settings with the sign-in in force; `own` is where its secret is looked up, None
    for the group's own."""

    config: GroupConfig
    own: OwnConnection | None = field(default=None, repr=False)


def signed_in(
    config: GroupConfig,
    given: GivenSignIn,
    settings: Settings,
    *,
    environment: Mapping[str, str] | None = None,
) -> SignedIn:
    """A saved group's settings, signed in to as was given: for its own workspace, or none.

    Host and credential come from one source: a profile must be for the group's host, a token goes
    there, and nothing of the group's own credential is left beside them.

    Raises:
        ConfigurationError: the address is another than the group's, or a sign-in is incomplete.
        CredentialError: what no token can be.
    """
    if not given:
        return SignedIn(config)
    options = given.options
    if config.allow_insecure_loopback:
        options["allow_insecure_loopback"] = "true"
    own = OwnConnection.of(settings, options=options, environment=environment)
    if config.workspace_url:
        hosts = (*own.rules.allowed_hosts, host_of(config.workspace_url))
        own = replace(own, rules=replace(own.rules, allowed_hosts=hosts))
        if given.workspace_url and own.normal_host(given.workspace_url) != config.workspace_url:
            raise ConfigurationError(
                f"group {config.group_id} is for {config.host}, --workspace-url for another",
                fields=("workspace_url",),
                hint="leave it out: the group's settings name its workspace",
            )
        if not (given.token or given.profile):
            return SignedIn(replace(config, auth_type=given.auth_type or config.auth_type))
        source = "profile" if given.profile else "env"
        named = {**options, "host": config.workspace_url, "auth_source": source}
        own = replace(own, options=named)
    login = own.sign_in_settings(config.group_id).to_config(config.version)
    if config.workspace_url and login.workspace_url != config.workspace_url:
        raise ConfigurationError(
            f"group {config.group_id} is for {config.host}, profile {given.profile} for another",
            fields=("profile",),
            hint="name a profile of the group's workspace",
        )
    fields = {name: getattr(login, name) for name in _SIGN_IN_FIELDS}
    loopback = config.allow_insecure_loopback or login.allow_insecure_loopback
    return SignedIn(replace(config, **fields, allow_insecure_loopback=loopback), own)
