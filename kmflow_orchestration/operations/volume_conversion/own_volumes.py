"""Volumes over a connection of one's own, as notebooks and scripts have it (row D16)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.credentials.own_connection import TWO_WAYS, OwnConnection
from kmflow_orchestration.databricks_client.connections import Connections
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import group_id
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes

_NOT_SAVED = 0
Ask = Callable[[str], str]


def own_volumes(
    settings: Settings,
    *,
    group: str = "",
    token: str = "",
    options: Mapping[str, str] | None = None,
    ask: Ask | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Volumes, Connections]:
    """Volumes of one group, signed in to as the arguments say, or else environment or profile.

    The connections they go over are to be closed by whoever asked for them.

    `options` are `host`, `profile`, `catalog` and `schema`. With `ask` a token that is missing for
    a host that was named is asked for.

    Raises:
        MissingGroup: neither `group` nor KMFLOW_DEFAULT_GROUP says whose Volumes they are.
        ConfigurationError: everything that is missing, by name; a token as it is in production.
    """
    chosen = group_id(group or settings.default_group)
    if token and settings.production:
        raise ConfigurationError(
            "a token as it is is refused in production", fields=("token",), hint=TWO_WAYS
        )
    given: dict[str, str | Secret] = dict(options or {})
    if not token and ask is not None and given.get("host") and not given.get("profile"):
        token = _asked(settings, given, ask, environment)
    if token:
        given["token"] = Secret(token)
    own = OwnConnection.of(settings, options=given, environment=environment)
    config = own.group_settings(chosen, with_warehouse=False).to_config(_NOT_SAVED)
    clock = SystemClock()
    connections = Connections(settings, clock, own)
    files = VolumeFiles(connections.clients.get(config))
    return Volumes(files, GroupPlaces(config), clock=clock), connections


def _asked(
    settings: Settings,
    given: Mapping[str, str | Secret],
    ask: Ask,
    environment: Mapping[str, str] | None,
) -> str:
    """A token somebody types, where environment and profiles have no way to sign in."""
    own = OwnConnection.of(settings, options=given, environment=environment)
    try:
        _ = own.pair
    except ConfigurationError:
        return ask(f"Token for {given['host']}: ").strip()
    return ""
