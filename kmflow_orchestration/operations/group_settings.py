"""A group's settings, read and changed by a caller (rows A6, A7, A19). Admins of the group only.

Author and group come from the caller; what leads into this machine only its operator may change.
A change that is refused is noted with the names of its settings, never their values: what was
refused may be a pasted secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.group_config import SECRET_FIELDS, GroupConfig
from kmflow_orchestration.config.group_input import GroupInput, InputRules, parse_group
from kmflow_orchestration.config.group_values import (
    changed_names,
    chosen_names,
    known_names,
    written,
)
from kmflow_orchestration.errors import (
    CallerRefused,
    ConfigurationError,
    GroupRefused,
    UnknownGroup,
)
from kmflow_orchestration.metadata.config_audit import AuditEntry, ConfigAudit
from kmflow_orchestration.metadata.group_configs import GroupConfigs
from kmflow_orchestration.metadata.group_rows import SavedConfig
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.operator_settings import refuse_operators, with_operators

_OPEN_RULES = InputRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """A group's settings as a caller may see them; `version` 0 means that none were saved yet."""

    group_id: GroupId
    version: int
    settings: Mapping[str, Any]
    """By their YAML names, with `has_token` and the like in place of references to secrets."""
    created_at: datetime | None = None
    created_by_email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSettings:
    """Settings after a change, or as a planned one would leave them.

    `changed` names what is different, in a new group from defaults; `saved` is whether a new
    version was saved.
    """

    config: GroupConfig
    changed: tuple[str, ...]
    saved: bool

    @property
    def message(self) -> str:
        state = "enabled" if self.config.is_enabled else "disabled"
        return f"group {self.config.group_id} is {state}, version {self.config.version}"


def read_settings(group: str, *, caller: Caller, configs: GroupConfigs) -> ReadSettings:
    """Active settings of a group; those of a group that saved none are the defaults, disabled.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller no admin.
    """
    own = caller.require(Role.ADMIN, group)
    saved = next((one for one in configs.history(own) if one.is_active), None)
    if saved is None:
        return _read(parse_group(own, {"enabled": False}).to_config(0), None)
    return _read(saved.config, saved)


def settings_history(group: str, *, caller: Caller, configs: GroupConfigs) -> list[SavedConfig]:
    """Every version of a group's settings, newest first.

    Raises:
        CallerRefused: as `read_settings`.
    """
    return configs.history(caller.require(Role.ADMIN, group))


def audit_trail(group: str, *, caller: Caller, audit: ConfigAudit) -> list[AuditEntry]:
    """What was done to a group's settings and tokens, and what was refused, newest first.

    Raises:
        CallerRefused: as `read_settings`.
    """
    return audit.entries(caller.require(Role.ADMIN, group))


def create_group(
    group: str,
    values: Mapping[str, Any],
    *,
    caller: Caller,
    configs: GroupConfigs,
    rules: InputRules = _OPEN_RULES,
) -> ChangedSettings:
    """Save the first settings of a group.

    Raises:
        CallerRefused, InvalidSettings: as `save_settings`.
        SettingsConflict: the group is there already.
    """
    return save_settings(
        group, values, caller=caller, configs=configs, rules=rules, expected_version=0
    )


def save_settings(
    group: str,
    values: Mapping[str, Any],
    *,
    caller: Caller,
    configs: GroupConfigs,
    rules: InputRules = _OPEN_RULES,
    expected_version: int | None = None,
) -> ChangedSettings:
    """Replace a group's settings; what is not named takes its default.

    Settings that are the operator's stay as they are when somebody else does not name them.

    Raises:
        CallerRefused: the group is none of the caller's, the caller no admin, or a setting not
            theirs to change.
        InvalidSettings: every bad field at once; the active settings stay.
        SettingsConflict: `expected_version` is not the active one, or somebody saved meanwhile.
    """
    with _noting_refusal(group, values, caller, configs):
        own = caller.require(Role.ADMIN, group)
        before = configs.find(own)
        given = _own_values(own, values)
        if not caller.is_operator:
            given = with_operators(given, before)
        if before is not None and "workspace_url" not in values:
            rules = _allowing(before.host, rules)
        parsed = parse_group(own, given, rules=rules)
        if not caller.is_operator:
            refuse_operators(before, parsed)
    if expected_version is None and not caller.is_operator:
        # What the operator changed meanwhile must not be undone.
        expected_version = 0 if before is None else before.version
    saved = configs.save(own, parsed, caller.group_email, expected_version=expected_version)
    return _changed(before, saved)


def change_settings(
    group: str,
    changes: Mapping[str, Any],
    *,
    caller: Caller,
    configs: GroupConfigs,
    rules: InputRules = _OPEN_RULES,
    expected_version: int | None = None,
) -> ChangedSettings:
    """Change the named settings of a group and no other; the same values again save nothing.

    Raises:
        CallerRefused, InvalidSettings: as `save_settings`.
        UnknownGroup: there are no settings to change.
        SettingsConflict: `expected_version` is not the active one, or somebody saved meanwhile.
    """
    before, parsed = _planned(group, changes, caller, configs, rules)
    expected = before.version if expected_version is None else expected_version
    if expected == before.version and parsed.to_config(before.version) == before:
        return _changed(before, before)
    saved = configs.save(before.group_id, parsed, caller.group_email, expected_version=expected)
    return _changed(before, saved)


def planned_change(
    group: str,
    changes: Mapping[str, Any],
    *,
    caller: Caller,
    configs: GroupConfigs,
    rules: InputRules = _OPEN_RULES,
) -> ChangedSettings:
    """What `change_settings` would do; nothing is saved.

    Raises:
        CallerRefused, InvalidSettings, UnknownGroup: as `change_settings`.
    """
    before, parsed = _planned(group, changes, caller, configs, rules)
    return _changed(before, parsed.to_config(before.version))


def disable_group(
    group: str, *, caller: Caller, configs: GroupConfigs, expected_version: int | None = None
) -> ChangedSettings:
    """Switch a group off: its runs fail at once and its partition key is hidden at the next tick.

    Nothing of it is removed, and a second call changes nothing.

    Raises:
        CallerRefused: as `save_settings`.
        UnknownGroup: it has no settings.
        SettingsConflict: as `save_settings`.
    """
    with _noting_refusal(group, {"enabled": False}, caller, configs):
        own = caller.require(Role.ADMIN, group)
    before = configs.find(own)
    saved = configs.disable(own, caller.group_email, expected_version=expected_version)
    return _changed(before, saved)


def _planned(
    group: str,
    changes: Mapping[str, Any],
    caller: Caller,
    configs: GroupConfigs,
    rules: InputRules,
) -> tuple[GroupConfig, GroupInput]:
    """The active settings, and the same with the changes laid over them."""
    with _noting_refusal(group, changes, caller, configs):
        own = caller.require(Role.ADMIN, group)
        before = configs.find(own)
        if before is None:
            raise UnknownGroup(f"group {own} has no settings yet", hint="kmflow group create")
        values = {**written(before), **_own_values(own, changes)}
        if "workspace_url" not in changes:
            rules = _allowing(before.host, rules)
        parsed = parse_group(own, values, rules=rules)
        if not caller.is_operator:
            refuse_operators(before, parsed)
        return before, parsed


def _allowing(host: str, rules: InputRules) -> InputRules:
    """Whoever saved a host was allowed to; what stays as it is is not judged again."""
    return replace(rules, allowed_hosts=(*rules.allowed_hosts, host))


def _own_values(group: GroupId, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without the group. Raises GroupRefused when they name another one (row A7)."""
    named = values.get("group_id", group)
    if named != group:
        raise GroupRefused("the settings name another group")
    return {name: value for name, value in values.items() if name != "group_id"}


@contextmanager
def _noting_refusal(
    group: str, values: Iterable[str], caller: Caller, configs: GroupConfigs
) -> Iterator[None]:
    """Leave a record of a change that is refused, in the trail of the caller's own group."""
    try:
        yield
    except (CallerRefused, ConfigurationError) as error:
        details: dict[str, Any] = {"settings": known_names(values)}
        if isinstance(error, ConfigurationError):
            details["wrong"] = known_names(error.fields)
        own = group in caller.group_ids
        if not own:
            details["asked_for"] = group[:100]
        where = GroupId(group) if own else caller.primary_group_id
        configs.refused(where, caller.group_email, error, details)
        raise


def _changed(before: GroupConfig | None, after: GroupConfig) -> ChangedSettings:
    names = chosen_names(after) if before is None else changed_names(before, after)
    saved = before is None or after.version != before.version
    return ChangedSettings(config=after, changed=tuple(names), saved=saved)


def _read(config: GroupConfig, saved: SavedConfig | None) -> ReadSettings:
    settings = written(config)
    for secret in SECRET_FIELDS:
        settings[f"has_{secret}"] = settings.pop(secret) is not None
    return ReadSettings(
        group_id=config.group_id,
        version=config.version,
        settings=settings,
        created_at=None if saved is None else saved.created_at,
        created_by_email=None if saved is None else saved.created_by_email,
    )
