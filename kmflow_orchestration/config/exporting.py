"""Groups written as YAML that an import takes back (row C20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import TEMPLATE
from kmflow_orchestration.config.group_values import chosen_names, shown, written
from kmflow_orchestration.config.workspace_urls import workspace_url


def export_groups(configs: Sequence[GroupConfig]) -> str:
    """The document of these groups as YAML text."""
    return as_yaml(exported(configs))


def exported(configs: Sequence[GroupConfig]) -> dict[str, Any]:
    """A document of these groups: references but no secrets, and no setting left at its default.

    What all groups have in common stands once, in the template `default` that each extends.
    """
    settings = {str(config.group_id): _chosen(config) for config in configs}
    document: dict[str, Any] = {}
    if hosts := sorted({one.host for one in configs if _must_be_allowed(one)}):
        document["allowed_hosts"] = hosts
    document["groups"] = _with_template(settings)
    return document


def show_group(config: GroupConfig) -> str:
    """Every setting of a group as YAML text, under its name, to be read and not imported."""
    return as_yaml({"groups": {str(config.group_id): shown(config)}})


def _chosen(config: GroupConfig) -> dict[str, Any]:
    values = written(config)
    return {name: values[name] for name in chosen_names(config)}


def _with_template(settings: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    groups = list(settings.values())
    common = {
        name: value
        for name, value in (groups[0] if len(groups) > 1 else {}).items()
        if all(name in one and one[name] == value for one in groups)
    }
    if not common:
        return dict(settings)
    return {
        TEMPLATE: common,
        **{
            group: {"extends": TEMPLATE}
            | {name: value for name, value in one.items() if name not in common}
            for group, one in settings.items()
        },
    }


def _must_be_allowed(config: GroupConfig) -> bool:
    """Whether the host is none that everybody may use."""
    if not config.workspace_url:
        return False
    try:
        workspace_url(config.workspace_url, allow_insecure_loopback=True)
    except ValueError:
        return True
    return False


def as_yaml(document: Mapping[str, Any]) -> str:
    """A document as YAML text, in its order."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
