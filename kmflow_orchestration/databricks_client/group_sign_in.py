"""How a group signs in: its own settings decide, one source gives host and credential (CD-S3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret, SecretRef
from kmflow_orchestration.config.token_shape import check_secret, check_token
from kmflow_orchestration.config.workspace_urls import host_of, is_loopback, workspace_url
from kmflow_orchestration.credentials.profiles import Profile, profile_file, read_profile
from kmflow_orchestration.databricks_client.client_credentials import ClientSignIn
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.databricks_client.platform_errors import StatusSource
from kmflow_orchestration.databricks_client.sign_in import SignIn, TokenSignIn
from kmflow_orchestration.errors import ConfigurationError

TOKEN, CLIENT, PROFILE, SDK = "token", "client_id", "profile", "auth_type"
# Methods of the SDK that find what they need for exactly the host they are given. The others take
# a credential from wherever they find one, so they need a profile, which names its host.
HOST_BOUND = (
    "databricks-cli",
    "external-browser",
    "runtime",
    "env-oidc",
    "file-oidc",
    "github-oidc",
)


@dataclass(frozen=True, slots=True)
class Wire:
    """What a sign-in needs that has to ask the workspace for its tokens."""

    session: Any
    transport: StatusSource
    clock: Clock
    timeout_s: float


def profile_name(config: GroupConfig) -> str:
    """The profile a group names, by its setting or as the reference of its token; '' for none."""
    if config.token is not None and config.token.scheme == "profile":
        return config.token.target
    return config.profile


def signs_in_by_itself(config: GroupConfig) -> bool:
    """Whether a group has a credential, or names where one is found."""
    return bool(profile_name(config) or config.token or config.client_secret or config.auth_type)


def ways(config: GroupConfig) -> tuple[str, ...]:
    """Ways to sign in a group has settings for, in the order they are tried (row A10).

    A scope error on the first falls to the next; `auth_type` pins one.

    Raises:
        ConfigurationError: none, or a profile beside another: which host would that one be for?
    """
    named = profile_name(config)
    token = config.token is not None and config.token.scheme != "profile"
    client = config.client_secret is not None
    if named:
        if token or client or (config.profile and config.profile != named):
            raise _wrong(
                config, "a profile signs in by itself: no token, client or second profile beside it"
            )
        return (PROFILE,)
    found = tuple(way for way, there in ((TOKEN, token), (CLIENT, client)) if there)
    pinned = {"pat": TOKEN, "oauth-m2m": CLIENT}.get(config.auth_type)
    if pinned in found:
        return (str(pinned),)
    if config.auth_type in HOST_BOUND:
        return (SDK,)
    if config.auth_type:
        raise _wrong(config, f"{config.auth_type} has nothing to sign in with: name a profile")
    if not found:
        raise ConfigurationError(
            f"group {config.group_id}: missing token",
            fields=("token",),
            hint="set token, or profile, or client_id with client_secret",
        )
    return found


def _wrong(config: GroupConfig, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"group {config.group_id}: {problem}", fields=("auth_type", "profile", "token")
    )


def open_sign_in(config: GroupConfig, way: str, *, rules: ConnectionRules, wire: Wire) -> SignIn:
    """One of a group's ways to sign in, with its secret looked up once.

    Raises:
        ConfigurationError: a profile that is not there, or is for another host than the group's.
        CredentialError: a reference that cannot be resolved, or a secret no workspace gives.
    """
    return _OPENERS[way](config, rules, wire)


def _by_token(config: GroupConfig, rules: ConnectionRules, _wire: Wire) -> SignIn:
    reference = _needed(config.token)
    is_local = _is_local(config)

    def look_up() -> Secret:
        with rules.reading(config.group_id, reference.shown):
            secret = reference.resolve(rules.secrets)
        return check_token(secret, reference.shown, is_local=is_local)

    return TokenSignIn(look_up, reference.shown)


def _by_client(config: GroupConfig, rules: ConnectionRules, wire: Wire) -> SignIn:
    reference = _needed(config.client_secret)

    def look_up() -> Secret:
        with rules.reading(config.group_id, reference.shown):
            secret = reference.resolve(rules.secrets)
        return check_secret(secret, reference.shown)

    return _client(config.workspace_url, config.client_id, look_up, reference.shown, wire)


def _client(
    host: str, client_id: str, look_up: Callable[[], Secret], where: str, wire: Wire
) -> SignIn:
    return ClientSignIn(
        host,
        client_id,
        look_up,
        where=where,
        session=wire.session,
        transport=wire.transport,
        clock=wire.clock,
        timeout_s=wire.timeout_s,
    )


def _by_profile(config: GroupConfig, rules: ConnectionRules, wire: Wire) -> SignIn:
    profile = group_profile(config, rules)
    where = f"profile:{profile.name}"
    auth_type = config.auth_type or profile.auth_type
    alone = len(profile.kinds) == 1

    def look_up(key: str) -> Callable[[], Secret]:
        # The file is read again, and its host checked again, whenever a secret is wanted anew.
        return lambda: Secret(group_profile(config, rules).values.get(key, ""))

    if profile.values.get("token") and (auth_type == "pat" or (alone and not auth_type)):
        is_local = _is_local(config)
        return TokenSignIn(lambda: check_token(look_up("token")(), where, is_local=is_local), where)
    has_client = profile.values.get("client_id") and profile.values.get("client_secret")
    if has_client and (auth_type == "oauth-m2m" or (alone and not auth_type)):
        client_id = profile.values["client_id"]
        secret = look_up("client_secret")
        return _client(
            config.workspace_url, client_id, lambda: check_secret(secret(), where), where, wire
        )
    if len(profile.kinds) > 1 and not auth_type:
        raise ConfigurationError(
            f"profile {profile.name} holds more than one way to sign in: "
            f"{' and '.join(profile.kinds)}",
            fields=("profile", "auth_type"),
            hint="name the one to use with auth_type",
        )
    given = {**profile.values, "host": config.workspace_url, "profile": profile.name}
    if auth_type:
        given["auth_type"] = auth_type
    return _by_sdk(given, where, wire)


def _by_method(config: GroupConfig, rules: ConnectionRules, wire: Wire) -> SignIn:
    given = {"host": config.workspace_url, "auth_type": config.auth_type}
    if config.client_id:
        given["client_id"] = config.client_id
    name, variable = _FOUND_BY.get(config.auth_type, ("", ""))
    if found := rules.secrets.variables.get(variable, ""):
        given[name] = found
    return _by_sdk(given, config.auth_type, wire)


# Where a method finds what it needs, by the SDK's own variables: a place, never a secret.
_FOUND_BY = {
    "file-oidc": ("oidc_token_filepath", "DATABRICKS_OIDC_TOKEN_FILE"),
    "env-oidc": ("oidc_token_env", "DATABRICKS_OIDC_TOKEN_ENV"),
    "github-oidc": ("token_audience", "DATABRICKS_TOKEN_AUDIENCE"),
    "databricks-cli": ("databricks_cli_path", "DATABRICKS_CLI_PATH"),
}


def _by_sdk(given: dict[str, str], where: str, wire: Wire) -> SignIn:
    from kmflow_orchestration.databricks_client.sdk_sign_in import SdkSignIn

    # What the SDK's connections do is not for a profile to say.
    ours = ("retry_timeout_seconds", "http_timeout_seconds", "debug_headers", "skip_verify")
    kept = {name: value for name, value in given.items() if name not in ours}
    return SdkSignIn(kept, where, wire.clock)


def group_profile(config: GroupConfig, rules: ConnectionRules) -> Profile:
    """The profile a group names, which must be for the group's own host.

    Raises:
        ConfigurationError: no such profile, another host, or what production does not allow.
        CredentialError: others can read the file, in production.
    """
    path = profile_file(config.config_file, rules.secrets.variables)
    name = profile_name(config)
    with rules.reading(config.group_id, f"profile:{name}"):
        profile = read_profile(path, name, production=rules.production)
    try:
        host = workspace_url(
            profile.host,
            allow_insecure_loopback=config.allow_insecure_loopback,
            allowed_hosts=(*rules.allowed_hosts, host_of(config.workspace_url)),
        )
    except ValueError as error:
        raise ConfigurationError(
            f"profile {profile.name} of {path}: host {error}", fields=("profile",)
        ) from error
    if host != config.workspace_url:
        raise ConfigurationError(
            f"group {config.group_id}: profile {profile.name} is for {host_of(host)}, "
            f"the group for {host_of(config.workspace_url)}",
            fields=("profile", "workspace_url"),
            hint="host and credential must come from one place",
        )
    _check_switches(profile, rules)
    return profile


def _check_switches(profile: Profile, rules: ConnectionRules) -> None:
    for name in ("skip_verify", "debug_headers"):
        if rules.production and profile.values.get(name, "").lower() in {"true", "1", "yes", "on"}:
            raise ConfigurationError(
                f"profile {profile.name}: {name} is refused in production", fields=("profile",)
            )


def _needed(reference: SecretRef | None) -> SecretRef:
    assert reference is not None  # noqa: S101 - `ways` saw it
    return reference


def _is_local(config: GroupConfig) -> bool:
    return is_loopback(host_of(config.workspace_url).rpartition(":")[0])


_OPENERS: dict[str, Callable[[GroupConfig, ConnectionRules, Wire], SignIn]] = {
    TOKEN: _by_token,
    CLIENT: _by_client,
    PROFILE: _by_profile,
    SDK: _by_method,
}
