"""Settings that only the operator of this machine may change, whoever administers the group.

They say which secret of the machine is used, to which host it goes, and which folder of the machine
is read: with any of them a group's admin could reach the secrets and files of another group, or
have a secret they were never shown sent elsewhere (docs/decisions/0004).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import GroupInput
from kmflow_orchestration.config.group_values import DEFAULTS, changed_names, chosen_names, written
from kmflow_orchestration.errors import OperatorOnly

OPERATOR_ONLY = frozenset(
    {
        *("workspace_url", "allow_insecure_loopback"),
        *("token", "client_id", "client_secret", "profile", "config_file", "auth_type"),
        "landing_path",
    }
)
"""By their YAML names."""


def with_operators(values: Mapping[str, Any], before: GroupConfig | None) -> dict[str, Any]:
    """Somebody else's values that are to replace a group's: what is the operator's stays as it is,
    unless it is named."""
    known = DEFAULTS if before is None else written(before)
    return {**{name: known[name] for name in OPERATOR_ONLY}, **values}


def refuse_operators(before: GroupConfig | None, after: GroupInput) -> None:
    """Whether somebody else may make this change.

    Raises:
        OperatorOnly: it touches what is the operator's; names the settings, no values.
    """
    config = after.to_config(0 if before is None else before.version)
    changed = chosen_names(config) if before is None else changed_names(before, config)
    refused = sorted(OPERATOR_ONLY.intersection(changed))
    if refused:
        raise OperatorOnly(
            f"only the operator may set {', '.join(refused)}",
            hint=f"on kmflow's own machine: kmflow group set {config.group_id} NAME=VALUE",
        )
