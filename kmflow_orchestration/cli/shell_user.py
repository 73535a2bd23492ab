"""Who types at the shell: whoever opens the control database is an admin of every group in it.

That one is the operator, too: the machine's secrets and files are at hand to them anyway.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kmflow_orchestration.access.caller import Caller, caller_of
from kmflow_orchestration.access.process_user import operator_name
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.errors import UnknownGroup
from kmflow_orchestration.names import GroupId, group_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmflow_orchestration.config.group_config import GroupConfig
    from kmflow_orchestration.config.group_input import InputRules
    from kmflow_orchestration.config.settings import Settings
    from kmflow_orchestration.metadata.group_configs import GroupConfigs


def operator(group: str) -> Caller:
    """The operator as a caller of one group. Raises MissingGroup, ConfigurationError."""
    caller = caller_of(operator_name(), (group_id(group),), Role.ADMIN)
    return replace(caller, is_operator=True)


def input_rules(settings: Settings, allowed_hosts: Sequence[str] = ()) -> InputRules:
    """What settings typed here may hold."""
    from kmflow_orchestration.config.group_input import InputRules

    return InputRules(
        allowed_hosts=(*allowed_hosts, *settings.allowed_hosts), production=settings.production
    )


def known_group(name: str, configs: GroupConfigs) -> GroupConfig:
    """Active settings of a group, enabled or not.

    Raises:
        UnknownGroup: there is none of that name; the nearest one is named.
    """
    found = configs.find(group_id(name))
    if found is None:
        raise unknown_group(GroupId(name), configs)
    return found


def unknown_group(name: str, configs: GroupConfigs) -> UnknownGroup:
    """The error for a group that is not there."""
    known = [config.group_id for config in configs.all_active(include_disabled=True)]
    return UnknownGroup(
        f"there is no group {name!r}{nearest(name, known)}", hint="kmflow group list"
    )
