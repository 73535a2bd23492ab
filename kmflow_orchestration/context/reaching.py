"""How one call about files reaches a group's workspace: its own way, or as was given (row D7)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.context.process import ProcessContext
from kmflow_orchestration.credentials.databricks_config import DatabricksConfig
from kmflow_orchestration.databricks_client.connections import Connections
from kmflow_orchestration.errors import GroupDisabled, UnknownGroup
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables, tables_over
from kmflow_orchestration.operations.volume_conversion.own_volumes import (
    own_settings,
    volumes_over,
)
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.sign_ins import (
    NONE_GIVEN,
    GivenSignIn,
    signed_in,
)
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes


@dataclass(frozen=True, slots=True)
class ReachedGroup:
    """Settings in force for one call, with whatever was given laid over them; nothing is sent yet.

    `is_saved` is false where the group's settings are the caller's own connection.
    """

    config: GroupConfig
    places: GroupPlaces
    connections: Connections
    defaults: DatabricksConfig
    clock: Clock
    is_saved: bool

    def volumes(self, *, max_size_mb: int | None = None) -> Volumes:
        """Volumes that conversions of the group may read and write.

        Raises:
            ConfigurationError, CredentialError: the group has no workspace, or no way to sign in.
        """
        return volumes_over(
            self.connections,
            self.places,
            self.defaults,
            clock=self.clock,
            max_size_mb=max_size_mb,
        )

    def tables(self, *, max_size_mb: int | None = None) -> GroupTables:
        """Tables that conversions of the group may make. Raises as `volumes`."""
        volumes = self.volumes(max_size_mb=max_size_mb)
        return tables_over(self.connections, self.places, volumes, clock=self.clock)


def reach_group(
    context: ProcessContext,
    group: GroupId,
    *,
    sign_in: GivenSignIn | None = None,
    config_file: Path | None = None,
) -> ReachedGroup:
    """A group by its saved settings; one that has none, by the connection of whoever calls.

    That one is what `sign_in`, the user's file, or for the default group the environment says.

    Raises:
        UnknownGroup: it has no settings, and nobody says where to go; or it is disabled.
        ConfigurationError: a sign-in that is incomplete, or for another workspace.
    """
    configs = context.group_configs

    def neighbours() -> list[GroupConfig]:
        return configs.all_active(include_disabled=True)

    try:
        saved = configs.active(group)
    except GroupDisabled:
        raise
    except UnknownGroup:
        defaults = DatabricksConfig.load_from_environment(config_file)
        is_default = group == context.settings.default_group
        if not (sign_in or defaults.names_workspace or is_default):
            raise
        given = (sign_in or NONE_GIVEN).options
        own, config = own_settings(context.settings, group, given, defaults)
        reached, is_saved = context.connections_as(own), False
    else:
        defaults = DatabricksConfig.load_from_environment(config_file, group=saved)
        found = signed_in(saved, sign_in or NONE_GIVEN, context.settings)
        config, is_saved = found.config, True
        # Under the same version a client of the group's own sign-in may be open already.
        is_own = config == saved
        reached = context.connections if is_own else context.connections_as(found.own)
    places = GroupPlaces(config, neighbours)
    return ReachedGroup(config, places, reached, defaults, context.clock, is_saved)
