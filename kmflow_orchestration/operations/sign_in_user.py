"""A sign-in that is tried first, and then kept in a profile (rows D15 and CD-S4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.credentials.databricks_config import USUAL_PROFILE, DatabricksConfig
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.credentials.profile_writing import (
    check_profile_name,
    write_profile,
    write_token,
)
from kmflow_orchestration.credentials.profiles import sections_of
from kmflow_orchestration.databricks_client.connections import Connections
from kmflow_orchestration.databricks_client.workspace_info import current_principal

BROWSER = "external-browser"


@dataclass(frozen=True, slots=True)
class KeptSignIn:
    """Who is signed in, and where that is kept; `defaults_file` is None where it named another
    workspace already and was left as it was."""

    identity: str
    host: str
    profile: str
    profile_file: Path
    defaults_file: Path | None


def sign_in_user(
    settings: Settings,
    workspace_url: str,
    token: Secret | None,
    *,
    config: DatabricksConfig,
    profile: str = "",
    force: bool = False,
    environment: Mapping[str, str] | None = None,
) -> KeptSignIn:
    """Sign in with a token, or without one in a browser, and keep that in a profile.

    The user's file names the profile from then on, unless it names a workspace or profile already.

    Raises:
        ConfigurationError: an address that may be none, or a profile that cannot be written.
        CredentialError, AccessRefused, RemoteFault: the workspace was not signed in to; nothing is
            written then.
    """
    name = profile or config.profile or USUAL_PROFILE
    check_profile_name(name)
    own = OwnConnection.of(settings, environment=environment)
    host = own.normal_host(workspace_url)
    # What is given is tried, and no profile that the environment names.
    given: dict[str, str | Secret] = {"host": host, "auth_source": "env"}
    given |= {"auth_type": BROWSER} if token is None else {"auth_type": "pat", "token": token}
    identity = _identity(settings, given, environment)
    path = own.profile_path
    if token is None:
        sign_in = {"host": host, "auth_type": BROWSER}
        write_profile(path, name, sign_in, normal=own.normal_host, force=force)
    else:
        write_token(path, name, host, token, normal=own.normal_host, force=force)
    # Of the environment nothing is frozen into the file.
    alone = replace(config, default_catalog="", default_schema="")
    defaults = None if config.names_workspace else alone.save_defaults(host, name)
    return KeptSignIn(identity, host, name, path, defaults)


def known_host(settings: Settings, profile: str) -> str:
    """The host of a profile that is there already, else ''.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    path = OwnConnection.of(settings).profile_path
    content = path.read_bytes() if path.exists() else b""
    return sections_of(content, path).get(profile, {}).get("host", "")


def _identity(
    settings: Settings,
    given: Mapping[str, str | Secret],
    environment: Mapping[str, str] | None,
) -> str:
    own = OwnConnection.of(settings, options=given, environment=environment)
    connections = Connections(settings, SystemClock(), own)
    try:
        principal = current_principal(connections.own_client, is_patient=False)
    finally:
        connections.close()
    return principal.display_name or principal.user_name
