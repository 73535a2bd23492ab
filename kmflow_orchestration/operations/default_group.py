"""Group settings with the environment's as those of one group more (design AD14, AB-S17)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.engine import SessionFactory
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import GroupId, group_id

logger = logging.getLogger(__name__)


class ConfigsWithDefault(GroupConfigs):
    """What is saved comes first: the environment counts only while its group has no settings.

    `read` gives the environment's settings when they are asked for; what is wrong with them is
    told then, and never keeps other groups from their work.
    """

    def __init__(
        self,
        sessions: SessionFactory,
        clock: Clock,
        *,
        default: GroupId,
        read: Callable[[], GroupConfig],
    ) -> None:
        super().__init__(sessions, clock)
        self._default = default
        self._read = read

    def find(self, group: GroupId) -> GroupConfig | None:
        """As `GroupConfigs.find`. Raises ConfigurationError for a faulty environment."""
        saved = super().find(group)
        if saved is None and group_id(group) == self._default:
            return self._read()
        return saved

    def groups(self) -> list[GroupId]:
        """Ids of the enabled groups, sorted; the default one too, whatever its settings are."""
        saved = super().all_active(include_disabled=True)
        enabled = [config.group_id for config in saved if config.is_enabled]
        known = self._default in [config.group_id for config in saved]
        return sorted(enabled if known else [*enabled, self._default])

    def all_active(self, *, include_disabled: bool = False) -> list[GroupConfig]:
        """As `GroupConfigs.all_active`; a faulty environment is left out, with a warning."""
        saved = super().all_active(include_disabled=True)
        if self._default not in [config.group_id for config in saved]:
            saved = sorted([*saved, *self._readable()], key=lambda config: config.group_id)
        return [config for config in saved if config.is_enabled or include_disabled]

    def _readable(self) -> list[GroupConfig]:
        """The environment's settings; none when they cannot be used by anybody."""
        try:
            return [self._read()]
        except ConfigurationError as error:
            logger.warning("the environment is no configuration: %s", error)
            return []
