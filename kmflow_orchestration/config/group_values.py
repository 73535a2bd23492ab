"""A group's settings by the names they have in YAML: as they are written, and as they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from kmflow_orchestration.config.group_config import SECRET_FIELDS, GroupConfig
from kmflow_orchestration.config.group_input import FIELD_NAMES, GroupInput
from kmflow_orchestration.config.secret_refs import SecretRef

_WRITTEN_AS = {"is_enabled": "enabled"}
DEFAULTS: dict[str, Any] = {
    field.alias or name: list(field.default) if isinstance(field.default, tuple) else field.default
    for name, field in GroupInput.model_fields.items()
    if name != "group_id"
}
"""What each setting is when nobody writes it."""


def written(config: GroupConfig) -> dict[str, Any]:
    """Every setting as it may be written down: `parse_group` takes it back."""
    return {name: _written_value(value) for name, value in _by_name(config)}


def shown(config: GroupConfig) -> dict[str, Any]:
    """Every setting and the version; a secret only as `set (env:NAME)` or `not set`."""
    values = {name: _shown_value(value) for name, value in _by_name(config)}
    for secret in SECRET_FIELDS:
        values[secret] = values[secret] or "not set"
    return {"version": config.version, **values}


def changed_names(one: GroupConfig, other: GroupConfig) -> list[str]:
    """Settings in which two versions differ."""
    before, after = written(one), written(other)
    return [name for name in FIELD_NAMES if before[name] != after[name]]


def chosen_names(config: GroupConfig) -> list[str]:
    """Settings that are not left at their default."""
    values = written(config)
    return [name for name in FIELD_NAMES if values[name] != DEFAULTS[name]]


def known_names(names: Iterable[str]) -> list[str]:
    """Names of settings, sorted; any other word is only counted as one, it may be a secret."""
    return sorted({name if name in FIELD_NAMES else "(unknown)" for name in names})


def _by_name(config: GroupConfig) -> list[tuple[str, Any]]:
    values = {
        _WRITTEN_AS.get(field.name, field.name): getattr(config, field.name)
        for field in fields(config)
    }
    return [(name, values[name]) for name in FIELD_NAMES]


def _written_value(value: Any) -> Any:
    if isinstance(value, SecretRef):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _shown_value(value: Any) -> Any:
    return f"set ({value.shown})" if isinstance(value, SecretRef) else _written_value(value)
