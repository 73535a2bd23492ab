"""Defaults for Databricks and conversions in force here, and where each comes from (row D10).

    DatabricksConfig.load_from_environment().default_catalog
    DatabricksConfig.load_from_databricks_cli().workspace_url
    DatabricksConfig.load_from_environment().save_config("https://adb-….azuredatabricks.net", token)

A flag or argument comes first, then KMFLOW_…, PYFORGE_…, a group's settings, the user's file and
what is usual. Host and credential are a pair of one source all the same: see `resolution`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from kmflow_orchestration.config.databricks_file import (
    KEYS,
    FileValues,
    broken_rule,
    find_file,
    read_file,
    said_by,
)
from kmflow_orchestration.config.databricks_file_writing import save_values
from kmflow_orchestration.config.effective import DEFAULT
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.credentials.environment import Found, Layer
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.credentials.profile_writing import write_token
from kmflow_orchestration.credentials.profiles import default_profile, profile_file, read_profile
from kmflow_orchestration.credentials.resolution import without_pair
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.redaction import register

USUAL_PROFILE = "kmflow"
"""Where a sign-in is written when no profile is named."""
_SAVED = ("workspace_url", "profile", "default_catalog", "default_schema")
_OF_PLACE = {"default_catalog": "catalog", "default_schema": "schema"}
_OF_GROUP = {"workspace_url": "workspace_url", "profile": "profile", **_OF_PLACE}
_OF_SIGN_IN = {"workspace_url": "host", "profile": "profile"}


@dataclass(frozen=True, kw_only=True)
class DatabricksConfig:
    """Values in force; `sources` says where each that is not '' comes from. No secret is in it."""

    workspace_url: str = ""
    profile: str = ""
    default_catalog: str = ""
    default_schema: str = ""
    temp_directory: str = ""
    max_file_size_mb: int = 1000
    chunk_size_mb: int = 10
    parallel: int = 4
    compression: str = "zstd"
    types: str = "infer"
    on_error: str = "continue"
    sources: Mapping[str, str] = field(default_factory=dict)
    file: FileValues = field(default_factory=FileValues, repr=False)

    @classmethod
    def load_from_environment(
        cls,
        config_file: str | Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, str | int] | None = None,
        group: GroupConfig | None = None,
    ) -> Self:
        """What arguments, environment, a group and the user's file say.

        Raises:
            ConfigurationError: naming variable, or file and line, of all that is wrong.
        """
        variables = os.environ if environment is None else environment
        file = read_file(find_file(Path(config_file) if config_file else None, variables))
        found = _found(file, variables, options or {}, group)
        _check(found)
        values: dict[str, Any] = {name: value for name, (value, _) in found.items()}
        sources = {name: source for name, (_, source) in found.items()}
        return cls(**values, sources=sources, file=file)

    @classmethod
    def load_from_databricks_cli(
        cls, profile: str = "", *, environment: Mapping[str, str] | None = None
    ) -> Self:
        """Host and name of a profile of the Databricks CLI's file, by default its default one.

        Raises:
            ConfigurationError: there is no such profile, or no default one.
        """
        path = profile_file("", os.environ if environment is None else environment)
        found = read_profile(path, profile) if profile else default_profile(path)
        if found is None:
            raise ConfigurationError(
                f"{path} has no default profile", fields=("profile",), hint="name one"
            )
        source = f"profile:{found.name}"
        config = cls.load_from_environment(environment=environment)
        sources = {**config.sources, "workspace_url": source, "profile": source}
        return replace(config, workspace_url=found.host, profile=found.name, sources=sources)

    def save_config(self, workspace_url: str, token: str | Secret, *, force: bool = False) -> Path:
        """Write a token into a profile, and host and defaults into the user's file; its path.

        The profile is this configuration's, else `kmflow`. Its file is for its owner alone then.

        Raises:
            ConfigurationError: one of the two cannot be written, or the profile is for another
                host and `force` is false.
            CredentialError: what no token can be.
        """
        secret = token if isinstance(token, Secret) else Secret(token)
        register(secret.reveal())
        own = OwnConnection.of(load_settings())
        host = own.normal_host(workspace_url)
        name = self.profile or USUAL_PROFILE
        write_token(own.profile_path, name, host, secret, normal=own.normal_host, force=force)
        return self.save_defaults(host, name)

    def save_defaults(self, workspace_url: str, profile: str) -> Path:
        """Write what a profile is used for into the user's file; its path. Raises as the above."""
        saved = replace(self, workspace_url=workspace_url, profile=profile)
        values = {name: str(getattr(saved, name)) for name in _SAVED if getattr(saved, name)}
        return save_values(values, self.file)

    def own_options(self) -> dict[str, str]:
        """Catalog and schema that come before DATABRICKS_CATALOG and DATABRICKS_SCHEMA."""
        return {
            known: str(getattr(self, name))
            for name, known in _OF_PLACE.items()
            if self.sources.get(name, "").startswith(("env:", "option"))
        }

    def own_layer(self) -> Layer:
        """What the user's file says of a connection, as the last place to look at."""
        return _layer(self.file, {**_OF_SIGN_IN, **_OF_PLACE})

    def rows(self) -> list[tuple[str, str | int, str]]:
        """Every setting with its value and source, which is '' where nobody says anything."""
        return [(name, getattr(self, name), self.sources.get(name, "")) for name in KEYS]

    @property
    def names_workspace(self) -> bool:
        """Whether the user's file says where to go."""
        return bool(self.file.values.get("workspace_url") or self.file.values.get("profile"))


def _layer(file: FileValues, names: Mapping[str, str]) -> Layer:
    found = {
        known: Found(str(file.values[name]), file.places[name])
        for name, known in names.items()
        if file.values.get(name)
    }
    return Layer("file", found)


_Values = dict[str, tuple[str | int, str]]


def _found(
    file: FileValues,
    variables: Mapping[str, str],
    options: Mapping[str, str | int],
    group: GroupConfig | None,
) -> _Values:
    has_workspace = group is not None and bool(group.workspace_url)
    layers: tuple[Layer, ...] = ()
    sign_in: Mapping[str, Found] = {}
    if not has_workspace:
        layers = OwnConnection.of(load_settings(), environment=variables).layers
        sign_in = without_pair(_layer(file, _OF_SIGN_IN), layers).values
    found: _Values = {}
    for name, key in KEYS.items():
        found[name] = (key.default, DEFAULT if key.default else "")
        if name in file.values and (name not in _OF_SIGN_IN or _OF_SIGN_IN[name] in sign_in):
            found[name] = (file.values[name], f"file:{file.places[name]}")
        if group is not None and (value := getattr(group, _OF_GROUP.get(name, ""), "")):
            found[name] = (value, f"group {group.group_id}")
        known = _OF_SIGN_IN.get(name, "")
        for layer in (layer for layer in reversed(layers) if layer.has(known)):
            found[name] = (layer.values[known].value, layer.source(known))
        if variable := said_by(key, variables):
            found[name] = (variables[variable].strip(), f"env:{variable}")
        if options.get(name):
            found[name] = (options[name], "option")
    return found


def _check(found: _Values) -> None:
    broken = [
        (source, rule)
        for name, (value, source) in found.items()
        if source.startswith("env:") and value and (rule := broken_rule(KEYS[name], value))
    ]
    if broken:
        raise ConfigurationError(
            "; ".join(f"{source.removeprefix('env:')}: {rule}" for source, rule in broken),
            fields=tuple(source.removeprefix("env:") for source, _ in broken),
        )
