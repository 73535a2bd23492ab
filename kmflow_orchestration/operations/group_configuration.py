"""Import of group settings from a file; the same file again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import GroupInput
from kmflow_orchestration.config.loading import load_groups
from kmflow_orchestration.metadata.group_configs import GroupConfigs


@dataclass(frozen=True, slots=True)
class ImportedGroup:
    """One group of an imported file; `changed` is whether a new version was saved."""

    config: GroupConfig
    changed: bool


def import_groups(
    path: Path, *, configs: GroupConfigs, author: str, production: bool = False
) -> list[ImportedGroup]:
    """Save every group of a YAML file whose settings differ from the active ones.

    The whole file is checked first. Groups are saved one by one, so a group that another one's
    tables keep out leaves those before it saved; repeat the import after the correction.

    Raises:
        ConfigurationError: everything that is wrong in the file, or groups that overlap.
        StateConflict: somebody saved one of the groups meanwhile.
    """
    inputs = load_groups(path, production=production)
    return [save_if_changed(values, configs=configs, author=author) for values in inputs]


def save_if_changed(values: GroupInput, *, configs: GroupConfigs, author: str) -> ImportedGroup:
    """Save one group's settings unless the active ones are the same.

    Raises:
        ConfigurationError, StateConflict: as `GroupConfigs.save`.
    """
    current = configs.find(values.group_id)
    if current is not None and values.to_config(current.version) == current:
        return ImportedGroup(current, changed=False)
    return ImportedGroup(configs.save(values.group_id, values, author), changed=True)
