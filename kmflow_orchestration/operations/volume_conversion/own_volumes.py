"""Volumes over a connection of one's own, as notebooks and scripts have it (row D16)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.credentials.databricks_config import DatabricksConfig
from kmflow_orchestration.credentials.own_connection import TWO_WAYS, OwnConnection
from kmflow_orchestration.databricks_client.connections import Connections
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.parted_upload import PartSizes
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import group_id
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes, most_bytes

_NOT_SAVED = 0
_MEGABYTE = 1 << 20
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
    if token:
        given["token"] = Secret(token)
    defaults = DatabricksConfig.load_from_environment(environment=environment)
    if not token and ask is not None and given.get("host") and not given.get("profile"):
        own = _own(settings, given, defaults, environment)
        if typed := _asked(own, str(given["host"]), ask):
            given["token"] = Secret(typed)
    own, config = own_settings(settings, chosen, given, defaults, environment=environment)
    clock = SystemClock()
    connections = Connections(settings, clock, own)
    return volumes_over(connections, GroupPlaces(config), defaults, clock=clock), connections


def own_settings(
    settings: Settings,
    group: str,
    given: Mapping[str, str | Secret],
    defaults: DatabricksConfig,
    *,
    environment: Mapping[str, str] | None = None,
) -> tuple[OwnConnection, GroupConfig]:
    """A connection of one's own as the settings of a group that has none saved.

    What is given comes before the environment, and the user's file after both.

    Raises:
        ConfigurationError: everything that is missing, by name.
    """
    own = _own(settings, given, defaults, environment)
    return own, own.group_settings(group, with_warehouse=False).to_config(_NOT_SAVED)


def _own(
    settings: Settings,
    given: Mapping[str, str | Secret],
    defaults: DatabricksConfig,
    environment: Mapping[str, str] | None,
) -> OwnConnection:
    return OwnConnection.of(
        settings,
        options={**defaults.own_options(), **given},
        environment=environment,
        further=defaults.own_layer(),
    )


def save_setup(volumes: Volumes, token: Secret | None) -> None:
    """Keep what `own_volumes` was told: a token in a profile, the rest in the user's file.

    Raises: as `DatabricksConfig.save_config`.
    """
    if volumes.places is None:
        return
    config = volumes.places.config
    known = DatabricksConfig.load_from_environment()
    kept = replace(known, default_catalog=config.catalog, default_schema=config.schema)
    if token is not None:
        kept.save_config(config.workspace_url, token)
    else:
        kept.save_defaults(config.workspace_url, config.profile)


def volumes_over(
    connections: Connections,
    places: GroupPlaces,
    defaults: DatabricksConfig,
    *,
    clock: Clock,
    max_size_mb: int | None = None,
) -> Volumes:
    """Volumes of the group whose places these are. Raises as `ClientCache.get`."""
    parts = PartSizes(part_bytes=defaults.chunk_size_mb * _MEGABYTE)
    return Volumes(
        VolumeFiles(connections.clients.get(places.config), parts=parts),
        places,
        most_bytes=most_bytes(max_size_mb or defaults.max_file_size_mb),
        clock=clock,
        catalog=defaults.default_catalog,
        schema=defaults.default_schema,
    )


def _asked(own: OwnConnection, host: str, ask: Ask) -> str:
    """A token somebody types, where environment and profiles have no way to sign in."""
    try:
        _ = own.pair
    except ConfigurationError:
        return ask(f"Token for {host}: ").strip()
    return ""
