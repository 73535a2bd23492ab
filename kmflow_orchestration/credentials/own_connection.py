"""The process's own connection to Databricks: of its environment or profile, for one group.

It is a group's configuration only under the name that KMFLOW_DEFAULT_GROUP gives it (AD14, AB-S17).
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from kmflow_orchestration.config.group_input import GroupInput, InputRules, parse_group
from kmflow_orchestration.config.http_paths import warehouse_of
from kmflow_orchestration.config.secret_refs import Secret, SecretRef
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.config.switches import switch
from kmflow_orchestration.config.token_shape import check_secret
from kmflow_orchestration.config.workspace_urls import workspace_url
from kmflow_orchestration.credentials.environment import (
    SECRET_FIELDS,
    VARIABLES,
    Found,
    Layer,
    dotenv_variables,
    read_layer,
)
from kmflow_orchestration.credentials.profiles import (
    Profile,
    default_profile,
    profile_file,
    read_profile,
)
from kmflow_orchestration.credentials.resolution import Missing, Pair, resolve_pair, without_pair
from kmflow_orchestration.errors import ConfigurationError

DOTENV = Path(".env")
TWO_WAYS = "sign in with DATABRICKS_TOKEN, or with a profile that DATABRICKS_CONFIG_PROFILE names"
# What a group with a workspace needs, and the variables that give it.
_NEEDED = {
    "host": "DATABRICKS_HOST",
    "credential": "DATABRICKS_TOKEN or DATABRICKS_CONFIG_PROFILE",
    "warehouse_id": "DATABRICKS_HTTP_PATH or DATABRICKS_WAREHOUSE_ID",
    "catalog": "DATABRICKS_CATALOG",
    "schema": "DATABRICKS_SCHEMA",
}
_OPTIONS = {"host": "--workspace-url"}
NO_WAREHOUSE = "none-needed"
_ALSO_ALONE = ("http_path", "warehouse_id", "catalog", "schema")


@dataclass(frozen=True)
class OwnConnection:
    """Where the process's own connection is read from, and what is found there."""

    process: Mapping[str, str] = field(repr=False)
    dotenv: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str | Secret] = field(default_factory=dict)
    """Explicit values by field, as a command takes them; they come before everything else."""
    rules: InputRules = field(default_factory=InputRules)
    further: Layer | None = None
    """Where else to look, after all other places: a user's own file."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, str | Secret] | None = None,
        further: Layer | None = None,
    ) -> OwnConnection:
        """That of this process. Raises CredentialError for a `.env` that production refuses."""
        process = os.environ if environment is None else environment
        dotenv = dotenv_variables(DOTENV, production=settings.production)
        return cls(process, dotenv, options or {}, settings.input_rules, further)

    @property
    def variables(self) -> Mapping[str, str]:
        """Where `env:` references look: options, the process's environment, then `.env`."""
        return ChainMap(
            {found.name: found.value for found in self._options.values.values()},
            # As it is: a variable that changes while we run is read anew.
            cast("MutableMapping[str, str]", self.process),
            dict(self.dotenv),
        )

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Places in the order of their precedence. Raises ConfigurationError."""
        given = (
            self._options,
            read_layer("env", self.process),
            read_layer(".env", self.dotenv),
        )
        return given if self.further is None else (*given, without_pair(self.further, given))

    @property
    def _options(self) -> Layer:
        return Layer(
            "option",
            {
                name: Found(
                    value.reveal() if isinstance(value, Secret) else value,
                    _OPTIONS.get(name, f"--{name.replace('_', '-')}"),
                )
                for name, value in self.options.items()
                if value
            },
        )

    @cached_property
    def pair(self) -> Pair:
        """Host and credential, from one source.

        Raises:
            ConfigurationError: none, a part of one, or a mixture of two.
        """
        path, production = self.profile_path, self.rules.production

        def find(name: str) -> Profile:
            return read_profile(path, name, production=production)

        def find_default() -> Profile | None:
            return default_profile(path, production=production)

        return resolve_pair(self.layers, find=find, find_default=find_default, normal=self._normal)

    @property
    def profile_path(self) -> Path:
        """The profile file in force, whether it is there or not."""
        return profile_file(self._first("config_file"), {})

    def normal_host(self, host: str) -> str:
        """The normal form of an address. Raises ConfigurationError, which does not show it."""
        try:
            return self._normal(host)
        except ValueError as error:
            raise ConfigurationError(
                f"the workspace's address {error}", fields=("workspace_url",)
            ) from error

    def _normal(self, host: str) -> str:
        return workspace_url(
            host,
            allow_insecure_loopback=self._loopback,
            allowed_hosts=self.rules.allowed_hosts,
        )

    @property
    def _loopback(self) -> bool:
        try:
            return switch(self._first("allow_insecure_loopback"))
        except ValueError as error:
            raise ConfigurationError(
                f"KMFLOW_ALLOW_INSECURE_LOOPBACK: {error}",
                fields=("KMFLOW_ALLOW_INSECURE_LOOPBACK",),
            ) from error

    def _first(self, name: str) -> str:
        found = (layer.values[name].value for layer in self.layers if name in layer.values)
        return next(found, "")

    @property
    def warehouse_id(self) -> str:
        """The SQL warehouse that was named, '' for whichever the workspace has."""
        return str(self._first("warehouse_id") or "")

    def group_settings(self, group: str, *, with_warehouse: bool = True) -> GroupInput:
        """The connection as the settings of a group; for files alone no warehouse is needed.

        Raises:
            ConfigurationError: everything that is missing at once, by the variables' names; or
                every value that breaks a rule.
        """
        names = _ALSO_ALONE if with_warehouse else ("catalog", "schema")
        values: dict[str, Any] = {name: self._first(name) for name in names}
        missing: tuple[str, ...] = ()
        try:
            values |= self._login()
        except Missing as error:
            missing = error.fields
        if with_warehouse:
            values["warehouse_id"] = values["warehouse_id"] or warehouse_of(values["http_path"])
        else:
            values["warehouse_id"] = NO_WAREHOUSE
        missing += tuple(
            name
            for name in _NEEDED
            # A path that leads to no warehouse is wrong, but not missing.
            if name in values
            and not values[name]
            and not (name == "warehouse_id" and values.get("http_path"))
        )
        if missing:
            raise ConfigurationError(
                f"group {group}: missing {', '.join(_NEEDED[name] for name in missing)}",
                fields=tuple(_NEEDED[name] for name in missing),
                hint=TWO_WAYS,
            )
        return self._parsed(group, {**values, "allow_insecure_loopback": self._loopback})

    def sign_in_settings(self, group: str) -> GroupInput:
        """The same for signing in only: no warehouse, catalog or schema is needed."""
        try:
            login = self._login()
        except Missing as error:
            raise ConfigurationError(
                f"missing {', '.join(_NEEDED[name] for name in error.fields)}",
                fields=tuple(_NEEDED[name] for name in error.fields),
                hint=TWO_WAYS,
            ) from error
        whatever = {"warehouse_id": NO_WAREHOUSE, "catalog": "main", "schema": "main"}
        values = {**whatever, **login, "allow_insecure_loopback": self._loopback}
        return self._parsed(group, values)

    def _login(self) -> dict[str, Any]:
        pair = self.pair
        auth_type = self._first("auth_type")
        if pair.profile is not None:
            own = {"warehouse_id": pair.profile.values.get("warehouse_id", "")}
            return {
                "workspace_url": pair.profile.host,
                "profile": pair.profile.name,
                "config_file": str(pair.profile.path),
                "auth_type": auth_type,
                **({} if self._first("warehouse_id") or not own["warehouse_id"] else own),
            }
        layer = pair.layer
        assert layer is not None  # noqa: S101 - a pair is one or the other
        return {
            "workspace_url": layer.values["host"].value,
            "auth_type": auth_type,
            **{name: self._credential(layer, name) for name in _CREDENTIALS if layer.has(name)},
        }

    def _credential(self, layer: Layer, name: str) -> str | SecretRef:
        found = layer.values[name]
        if name not in SECRET_FIELDS:
            return found.value
        check_secret(Secret(found.value), found.name)
        return SecretRef("env", found.name)

    def _parsed(self, group: str, values: Mapping[str, Any]) -> GroupInput:
        try:
            return parse_group(group, values, rules=self.rules)
        except ConfigurationError as error:
            rules = error.message.split("; ")
            named = [self._variable(name) for name in error.fields]
            told = [
                rule.replace(f"{name}: ", f"{variable}: ", 1)
                for name, variable, rule in zip(error.fields, named, rules, strict=False)
            ]
            raise ConfigurationError("; ".join(told), fields=tuple(named)) from None

    def _variable(self, name: str) -> str:
        """What a user calls a field: the place it came from, or else its first variable."""
        known = {"workspace_url": "host"}.get(name, name)
        for layer in self.layers:
            if known in layer.values:
                return layer.values[known].name
        return VARIABLES.get(known, (name,))[0]

    def sources(self) -> dict[str, str]:
        """Field → the source in force, such as `env:DATABRICKS_HOST` or `profile:prod`.

        Raises: as `pair`.
        """
        pair = self.pair
        found = {
            name: layer.source(name)
            for layer in reversed(self.layers)
            for name in layer.values
            if name not in _OF_THE_PAIR
        }
        if pair.profile is not None:
            where = f"profile:{pair.profile.name}"
            return {**found, "host": where, "credential": where}
        layer = pair.layer
        assert layer is not None  # noqa: S101 - a pair is one or the other
        return found | {name: layer.source(name) for name in layer.values if name in _OF_THE_PAIR}


_CREDENTIALS = ("token", "client_id", "client_secret")
_OF_THE_PAIR = frozenset({"host", "profile", "auth_source", *_CREDENTIALS})
