"""A user's own defaults for Databricks and conversions: `~/.kmflow/databricks.yaml` (row D10).

No secret stands there: tokens are in the environment, a profile, or given to one command.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kmflow_orchestration.config.placeholders import is_placeholder, is_placeholder_host
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import is_identifier

if TYPE_CHECKING:
    from kmflow_orchestration.config.yaml_lines import LineNumbers

FILE_VARIABLE = "KMFLOW_CONFIG"
OWN_FILE = "~/.kmflow/databricks.yaml"
FILES = (OWN_FILE, "~/.pyforge/databricks.yaml")
"""The first that is there is read, and no other."""


@dataclass(frozen=True, slots=True)
class Key:
    """One setting; a number lies within `least` and `most`, a word is one of `choices`.

    `variables` are those of the environment that come before the file.
    """

    name: str
    default: str | int = ""
    variables: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()


def variables_of(name: str) -> tuple[str, ...]:
    """Where the environment may say an option, ours first; then as in what users come from."""
    return (f"KMFLOW_{name}", f"PYFORGE_{name}")


KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key("workspace_url"),
        Key("profile"),
        Key("default_catalog", variables=variables_of("DATABRICKS_CATALOG")),
        Key("default_schema", variables=variables_of("DATABRICKS_SCHEMA")),
        Key("temp_directory", variables=variables_of("TEMP_DIR")),
        Key("max_file_size_mb", 1000, least=1, most=1_000_000),
        Key("chunk_size_mb", 10, least=1, most=4096),
        Key("parallel", 4, least=1, most=32),
        Key(
            "compression",
            "zstd",
            variables=variables_of("COMPRESSION"),
            choices=("snappy", "gzip", "zstd", "lz4", "none"),
        ),
        Key("types", "infer", choices=("infer", "string")),
        Key("on_error", "continue", choices=("continue", "stop")),
    )
}
_IDENTIFIERS = frozenset({"default_catalog", "default_schema"})
_SECRET_WORDS = ("token", "secret", "password", "api_key", "credential")


@dataclass(frozen=True, slots=True)
class FileValues:
    """What one file says, and where each value stands (`file:line`); no file is no values."""

    path: Path | None = None
    values: Mapping[str, str | int] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


def said_by(key: Key, environment: Mapping[str, str]) -> str:
    """The variable that sets a key, '' for none."""
    return next((one for one in key.variables if environment.get(one, "").strip()), "")


def conversion_defaults(
    file: FileValues, environment: Mapping[str, str] | None = None
) -> dict[str, str | int]:
    """What environment or file say of conversions; not what is usual, nor where to sign in.

    Raises:
        ConfigurationError: a variable breaks a rule.
    """
    variables = os.environ if environment is None else environment
    found = dict(file.values)
    for key in KEYS.values():
        if variable := said_by(key, variables):
            found[key.name] = variables[variable].strip()
            if rule := broken_rule(key, found[key.name]):
                raise ConfigurationError(f"{variable}: {rule}", fields=(variable,))
    return found


def find_file(given: Path | None, environment: Mapping[str, str] | None = None) -> Path | None:
    """The file in force: the one given, KMFLOW_CONFIG's, or the first of the usual ones."""
    variables = os.environ if environment is None else environment
    named = str(given or variables.get(FILE_VARIABLE) or "")
    if named:
        return _of_user(named)
    usual = map(_of_user, FILES)
    return next((path for path in usual if path.is_file()), None)


def _of_user(name: str) -> Path:
    # Not Path.expanduser: a user without a home, as in a container, has no such file.
    return Path(os.path.expanduser(name))  # noqa: PTH111


def read_file(path: Path | None) -> FileValues:
    """What a file says.

    Raises:
        ConfigurationError: it cannot be read; or everything in it that breaks a rule, each with
            file and line, never with its value.
    """
    if path is None:
        return FileValues()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigurationError(
            f"{path}: cannot be read: {reason}",
            fields=(FILE_VARIABLE,),
            hint=f"name another with --config or {FILE_VARIABLE}",
        ) from error
    return read_values(text, path)


def read_values(text: str, path: Path) -> FileValues:
    """The same of its text. Raises as `read_file`."""
    # Most users have no such file, and every conversion looks for one.
    from kmflow_orchestration.config.yaml_lines import read_document

    document, lines = read_document(text, str(path))
    if document is None:
        return FileValues(path)
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: expected settings, each as `name: value`")
    found = {str(name): value for name, value in document.items()}
    broken = [(name, rule) for name, value in found.items() if (rule := _broken(name, value))]
    if broken:
        raise ConfigurationError(
            "\n".join(f"{lines.place(name)}: {name}: {rule}" for name, rule in broken),
            fields=tuple(name for name, _ in broken),
        )
    kept = {name: value for name, value in found.items() if value is not None}
    return FileValues(path, kept, _places(kept, lines))


def _places(names: Mapping[str, Any], lines: LineNumbers) -> dict[str, str]:
    return {name: lines.place(name) for name in names}


def _broken(name: str, value: Any) -> str:
    """The rule that a setting breaks, '' for none; a name without a value says nothing."""
    if any(word in name.lower() for word in _SECRET_WORDS):
        return "tokens do not belong here: put it into a profile (kmflow databricks login)"
    if name not in KEYS:
        from kmflow_orchestration.config.nearest import nearest

        return f"is unknown{nearest(name, KEYS)}"
    if name == "temp_directory" and isinstance(value, str) and value[:1] not in {"/", "~"}:
        return "must begin with / or ~"
    return "" if value is None else broken_rule(KEYS[name], value)


def broken_rule(key: Key, value: Any) -> str:
    """The rule that a value breaks, '' for none."""
    if isinstance(key.default, int):
        if isinstance(value, bool) or not isinstance(value, int):
            return "must be a whole number"
        is_within = key.least <= value <= key.most
        return "" if is_within else f"must be from {key.least} to {key.most}"
    if not isinstance(value, str):
        return "must be text: put it in quotes"
    if key.choices:
        return "" if value in key.choices else f"must be one of {', '.join(key.choices)}"
    if key.name == "workspace_url":
        return _broken_url(value)
    if is_placeholder(value):
        return "still holds the template value"
    if key.name in _IDENTIFIERS and not is_identifier(value):
        return "is no name of a catalog or schema"
    if key.name == "temp_directory":
        return _broken_folder(Path(value).expanduser())
    return ""


def _broken_url(value: str) -> str:
    try:
        url = urlsplit(value if "://" in value else f"https://{value}")
    except ValueError:
        return "is no address"
    if url.username or url.password:
        return "tokens do not belong here: give the host alone"
    return "still holds the template value" if is_placeholder_host(url.hostname or "") else ""


def _broken_folder(path: Path) -> str:
    return "" if path.is_dir() else "there is no such folder"
