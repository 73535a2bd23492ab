"""What is in force for this process and for a group, and where each value comes from (row C20)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.config.group_config import SECRET_FIELDS, GroupConfig
from kmflow_orchestration.config.group_values import DEFAULTS, shown
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.config.settings import Settings

DEFAULT = "default"
# Addresses that may hold a password: whether they are set is all that is told.
_HIDDEN = frozenset(name for name, field in Settings.model_fields.items() if not field.repr)


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """A setting in force; `source` is `env:NAME`, `.env:NAME`, `version 3`, another setting, or
    `default`."""

    name: str
    value: Any
    source: str


def process_values(
    settings: Settings,
    *,
    environment: Mapping[str, str] | None = None,
    env_file: Path = Path(".env"),
) -> list[EffectiveValue]:
    """Every process setting by its variable; secrets and addresses with passwords are not shown."""
    process = os.environ if environment is None else environment
    places = (("env", _known(process)), (".env", _known(_read(env_file))))
    found = []
    for name, field in type(settings).model_fields.items():
        variable = str(field.validation_alias)
        source = next(
            (f"{kind}:{variable}" for kind, known in places if variable.lower() in known), DEFAULT
        )
        found.append(EffectiveValue(variable, _shown(name, getattr(settings, name)), source))
    return found


def group_values(config: GroupConfig, settings: Settings) -> list[EffectiveValue]:
    """Every setting of a group; what follows from another setting is filled in."""
    saved = shown(config)
    version = f"version {saved.pop('version')}"
    derived = _derived(config, settings)
    return [
        derived.get(name)
        or EffectiveValue(name, value, DEFAULT if _is_default(name, value) else version)
        for name, value in saved.items()
    ]


def _derived(config: GroupConfig, settings: Settings) -> dict[str, EffectiveValue]:
    found = []
    if not config.landing_path:
        folder = str(settings.landing_root(config.group_id))
        found.append(EffectiveValue("landing_path", folder, "KMFLOW_HOME"))
    if not config.http_path and config.warehouse_id:
        path = f"/sql/1.0/warehouses/{config.warehouse_id}"
        found.append(EffectiveValue("http_path", path, "warehouse_id"))
    if not config.allowed_catalogs and config.catalog:
        found.append(EffectiveValue("allowed_catalogs", [config.catalog], "catalog"))
    return {one.name: one for one in found}


def _is_default(name: str, value: Any) -> bool:
    return bool(value == ("not set" if name in SECRET_FIELDS else DEFAULTS[name]))


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, SecretRef):
        return f"set ({value.shown})"
    if name in _HIDDEN:
        return "set" if value else "not set"
    return str(value) if isinstance(value, Path) else value


def _known(values: Mapping[str, str | None]) -> set[str]:
    """Variables with a value, in lower case: letter case does not count."""
    return {name.lower() for name, value in values.items() if value}


def _read(env_file: Path) -> Mapping[str, str | None]:
    from dotenv import dotenv_values

    return dotenv_values(env_file) if env_file.is_file() else {}
