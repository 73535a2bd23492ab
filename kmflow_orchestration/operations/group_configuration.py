"""Import of group settings from a file; the same file again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import FIELD_NAMES, GroupInput
from kmflow_orchestration.config.group_overlaps import refuse_overlap
from kmflow_orchestration.config.group_values import changed_names, known_names
from kmflow_orchestration.config.loading import load_groups
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.names import GroupId, is_id


@dataclass(frozen=True, slots=True)
class ImportedGroup:
    """One group of an imported file; `changed` is whether a new version was saved."""

    config: GroupConfig
    changed: bool


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """One group of a file beside its active settings; `changed` names what is different."""

    values: GroupInput
    before: GroupConfig | None
    changed: tuple[str, ...]

    @property
    def verb(self) -> str:
        if self.before is None:
            return "create"
        return "change" if self.changed else "keep"


def plan_import(inputs: Sequence[GroupInput], known: Sequence[GroupConfig]) -> list[PlannedGroup]:
    """What an import of these groups would do, beside the groups that are `known`.

    Raises:
        ConfigurationError: every pair of groups that would overlap afterwards.
    """
    before = {config.group_id: config for config in known}
    after = {**before, **{one.group_id: _as_next(one, before) for one in inputs}}
    problems: list[ConfigurationError] = []
    for one in inputs:
        try:
            refuse_overlap(after[one.group_id], after.values())
        except ConfigurationError as error:
            problems.append(error)
    if problems:
        raise ConfigurationError(
            "\n".join(problem.message for problem in problems),
            fields=tuple(name for problem in problems for name in problem.fields),
            hint=problems[0].hint,
        )
    return [_planned(one, before.get(one.group_id)) for one in inputs]


def import_groups(
    path: Path,
    *,
    configs: GroupConfigs,
    author: str,
    production: bool = False,
    allowed_hosts: Sequence[str] = (),
) -> list[ImportedGroup]:
    """Save every group of a YAML file whose settings differ from the active ones.

    The whole file is checked first, its groups against each other and the known ones as well.

    Raises:
        ConfigurationError: everything that is wrong in the file, or groups that overlap.
        SettingsConflict: somebody saved one of the groups meanwhile; those before it are saved.
    """
    with _noting_refusal(path, configs, author):
        inputs = load_groups(path, production=production, allowed_hosts=allowed_hosts)
    return import_inputs(inputs, configs=configs, author=author)


def import_inputs(
    inputs: Sequence[GroupInput], *, configs: GroupConfigs, author: str
) -> list[ImportedGroup]:
    """The same with groups that were read already.

    Raises:
        ConfigurationError, SettingsConflict: as `import_groups`.
    """
    plan_import(inputs, configs.all_active(include_disabled=True))
    return [save_if_changed(values, configs=configs, author=author) for values in inputs]


def save_if_changed(values: GroupInput, *, configs: GroupConfigs, author: str) -> ImportedGroup:
    """Save one group's settings unless the active ones are the same.

    Raises:
        ConfigurationError, SettingsConflict: as `GroupConfigs.save`.
    """
    current = configs.find(values.group_id)
    if current is not None and values.to_config(current.version) == current:
        return ImportedGroup(current, changed=False)
    version = 0 if current is None else current.version
    saved = configs.save(values.group_id, values, author, expected_version=version)
    return ImportedGroup(saved, changed=True)


def _as_next(values: GroupInput, before: Mapping[GroupId, GroupConfig]) -> GroupConfig:
    current = before.get(values.group_id)
    return values.to_config(1 if current is None else current.version)


def _planned(values: GroupInput, before: GroupConfig | None) -> PlannedGroup:
    if before is None:
        return PlannedGroup(values, None, FIELD_NAMES)
    names = changed_names(before, values.to_config(before.version))
    return PlannedGroup(values, before, tuple(names))


@contextmanager
def _noting_refusal(path: Path, configs: GroupConfigs, author: str) -> Iterator[None]:
    """Leave a record with each group of a file that is refused: names of settings, no values."""
    try:
        yield
    except ConfigurationError as error:
        wrong: dict[str, list[str]] = {}
        for field in error.fields:
            _, _, place = field.partition("groups.")
            group, _, name = place.partition(".")
            if is_id(group):
                wrong.setdefault(group, []).append(name)
        for group, names in wrong.items():
            details = {"file": path.name, "wrong": known_names(names)}
            configs.refused(GroupId(group), author, error, details)
        raise
