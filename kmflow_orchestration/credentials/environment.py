"""What the environment says about one Databricks workspace, under all names it may have (row C2).

Nothing here reads by itself: the process's variables and those of its `.env` are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kmflow_orchestration.config.placeholders import (
    is_placeholder,
    is_placeholder_host,
    is_placeholder_secret,
)
from kmflow_orchestration.config.private_files import check_private
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.redaction import register

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "host": ("DATABRICKS_HOST", "DATABRICKS_SERVER_HOSTNAME"),
    "token": ("DATABRICKS_TOKEN", "DATABRICKS_ACCESS_TOKEN", "DATABRICKS_API_KEY"),
    "client_id": ("DATABRICKS_CLIENT_ID",),
    "client_secret": ("DATABRICKS_CLIENT_SECRET",),
    "profile": ("DATABRICKS_CONFIG_PROFILE", "DATABRICKS_PROFILE"),
    "config_file": ("DATABRICKS_CONFIG_FILE",),
    "auth_type": ("DATABRICKS_AUTH_TYPE",),
    "auth_source": ("DATABRICKS_AUTH_SOURCE",),
    "http_path": ("DATABRICKS_HTTP_PATH",),
    "warehouse_id": ("DATABRICKS_WAREHOUSE_ID",),
    "catalog": ("DATABRICKS_CATALOG",),
    "schema": ("DATABRICKS_SCHEMA",),
    "allow_insecure_loopback": ("KMFLOW_ALLOW_INSECURE_LOOPBACK",),
}
"""Field → its variables; the first is the SDK's, the others those of the founding documents."""

SECRET_FIELDS = frozenset({"token", "client_secret"})
_CREDENTIALS = SECRET_FIELDS | {"client_id"}


@dataclass(frozen=True, slots=True)
class Found:
    """A value and the name it was found under; the value of a secret is not shown."""

    value: str = field(repr=False)
    name: str


@dataclass(frozen=True, slots=True)
class Layer:
    """Values of one place: arguments, the process's environment, or `.env`."""

    place: str
    values: Mapping[str, Found]

    def source(self, name: str) -> str:
        """Where a field comes from, as `env:DATABRICKS_HOST`."""
        return f"{self.place}:{self.values[name].name}"

    def has(self, *names: str) -> bool:
        return any(name in self.values for name in names)


def read_layer(place: str, variables: Mapping[str, str | None]) -> Layer:
    """The values of one place; an empty variable is none.

    Raises:
        ConfigurationError: values of a template, all of them at once; or two names of one field
            with different values, those of a secret unseen.
    """
    templates = tuple(
        variable
        for name, names in VARIABLES.items()
        for variable in names
        if _is_template(name, variables.get(variable) or "")
    )
    if templates:
        raise ConfigurationError(
            "; ".join(f"{variable} still holds the template value" for variable in templates),
            fields=templates,
            hint="fill it in, or delete the line",
        )
    return Layer(
        place,
        {name: found for name in VARIABLES if (found := _one(name, place, variables)) is not None},
    )


def _is_template(name: str, value: str) -> bool:
    if name == "host":
        return is_placeholder_host(value.partition("://")[2] or value)
    return (is_placeholder_secret if name in _CREDENTIALS else is_placeholder)(value)


def _one(name: str, place: str, variables: Mapping[str, str | None]) -> Found | None:
    given = [
        Found(value.strip(), variable)
        for variable in VARIABLES[name]
        if (value := variables.get(variable)) is not None and value.strip()
    ]
    if name in SECRET_FIELDS:
        for one in given:
            register(one.value)
    if len({one.value for one in given}) > 1:
        shown = ", ".join(
            one.name if name in SECRET_FIELDS else f"{one.name}={one.value}" for one in given
        )
        raise ConfigurationError(
            f"two values for {name} in {place}: {shown}",
            fields=tuple(one.name for one in given),
            hint="set one of them, or both to the same",
        )
    return given[0] if given else None


def dotenv_variables(path: Path, *, production: bool) -> dict[str, str]:
    """Variables of a `.env` file, {} when there is none; they never overwrite the process's.

    Raises:
        CredentialError: it holds a secret and others can read it, in production.
    """
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    # Not interpolated: `$` may be part of a secret, and `${NAME}` is a forgotten template.
    found = dotenv_values(path, interpolate=False)
    variables = {name: value for name, value in found.items() if value}
    secret = {name for one in SECRET_FIELDS for name in VARIABLES[one]}
    if any(name in secret or name.endswith(("_KEY", "_TOKEN", "_SECRET")) for name in variables):
        check_private(path, production=production)
    return variables
