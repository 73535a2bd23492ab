"""Sections of the SDK's profile file, `~/.databrickscfg` (rows C8 and C9).

Read here and not by the SDK, so that a host and the credential beside it come out of one reading,
and nothing of the environment is mixed into them.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from kmflow_orchestration.config.placeholders import is_placeholder, is_placeholder_secret
from kmflow_orchestration.config.private_files import check_private
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.redaction import register

FILE_VARIABLE = "DATABRICKS_CONFIG_FILE"
DEFAULT_FILE = "~/.databrickscfg"
DEFAULT_SECTION = "DEFAULT"
SETTINGS_SECTION = "__settings__"
_SECRETS = frozenset(
    {
        "token",
        "password",
        "client_secret",
        "azure_client_secret",
        "google_credentials",
        "metadata_service_url",
    }
)
# Kind of sign-in that a key belongs to, as the SDK groups them.
_KINDS = {
    "token": "pat",
    "username": "basic",
    "password": "basic",
    "client_id": "oauth",
    "client_secret": "oauth",
    "azure_client_id": "azure",
    "azure_client_secret": "azure",
    "azure_tenant_id": "azure",
    "azure_use_msi": "azure",
    "azure_workspace_resource_id": "azure",
    "google_credentials": "google",
    "google_service_account": "google",
    "metadata_service_url": "metadata-service",
    "oidc_token_env": "env-oidc",
    "oidc_token_filepath": "file-oidc",
    "token_audience": "github-oidc",
}
SIGN_IN_KEYS = frozenset({"host", "auth_type", *_KINDS, *_SECRETS})
"""What says where a profile signs in, and how; all else is settings beside it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One section; its values, which may be secrets, are not shown."""

    name: str
    path: Path
    values: Mapping[str, str] = field(repr=False)

    @property
    def host(self) -> str:
        """Host as it is written, never ''."""
        return self.values["host"]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a profile is not pickled: read it in the other process")

    @property
    def auth_type(self) -> str:
        return self.values.get("auth_type", "")

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of sign-in the section has values for, by the SDK's names."""
        found = {_KINDS[key] for key, value in self.values.items() if value and key in _KINDS}
        return tuple(sorted(found))


def profile_file(config_file: str, environment: Mapping[str, str]) -> Path:
    """The file in force: the one named, the variable's, or the SDK's own."""
    return Path(config_file or environment.get(FILE_VARIABLE) or DEFAULT_FILE).expanduser()


def read_profile(path: Path, name: str, *, production: bool = False) -> Profile:
    """A section by its name. Keys of `[DEFAULT]` are not merged into it.

    Raises:
        ConfigurationError: no such file or section, a section without host, or template values;
            names what there is, never a value.
        CredentialError: others can read the file, in production.
    """
    sections = _sections(path, production=production)
    known = [section for section in sections if section != SETTINGS_SECTION]
    if name not in known:
        raise ConfigurationError(
            f"{path} has no profile {name!r}: it has {', '.join(known) or 'none'}",
            fields=("profile",),
        )
    return _checked(Profile(name, path, sections[name]))


def default_profile(path: Path, *, production: bool = False) -> Profile | None:
    """The section that stands for all: the one `[__settings__]` names, else `[DEFAULT]`, if any.

    Raises: as `read_profile`, but a file that is not there is no error.
    """
    if not path.exists():
        return None
    sections = _sections(path, production=production)
    named = sections.get(SETTINGS_SECTION, {}).get("default_profile", "")
    if named:
        return read_profile(path, named, production=production)
    if not sections.get(DEFAULT_SECTION):
        return None
    return _checked(Profile(DEFAULT_SECTION, path, sections[DEFAULT_SECTION]))


def holds_credential(path: Path) -> bool:
    """Whether some section has a secret. Raises as `read_profile`."""
    sections = _sections(path, production=False) if path.exists() else {}
    return any(values.get(key) for values in sections.values() for key in _SECRETS)


def _sections(path: Path, *, production: bool) -> dict[str, dict[str, str]]:
    try:
        check_private(path, production=production)
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"no profile file at {path}: {reason}",
            fields=("config_file",),
            hint=f"write one, or name another with config_file or {FILE_VARIABLE}",
        ) from error
    return sections_of(content, path)


def sections_of(content: bytes, path: Path) -> dict[str, dict[str, str]]:
    """Sections of a profile file's content. Raises ConfigurationError, which shows none of it."""
    # Another default section, which no file has, keeps `[DEFAULT]` a section like the others.
    parser = configparser.RawConfigParser(default_section="\0")
    try:
        parser.read_string(content.decode("utf-8-sig"), source=str(path))
    except (configparser.Error, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None) or next(iter(getattr(error, "errors", ())), [0])[0]
        place = f"{path}:{line}" if line else str(path)
    else:
        return {section: dict(parser.items(section)) for section in parser.sections()}
    # Outside the handler: the parser's error shows the line, which may hold a token.
    raise ConfigurationError(f"{place}: cannot be read as a profile file", fields=("config_file",))


def _checked(profile: Profile) -> Profile:
    for key, value in profile.values.items():
        if key in _SECRETS:
            register(value)
        template = is_placeholder_secret if key in _SECRETS | {"client_id"} else is_placeholder
        if key != "host" and template(value):
            raise ConfigurationError(
                f"profile {profile.name} of {profile.path}: {key} still holds the template value",
                fields=("profile",),
            )
    if not profile.values.get("host"):
        raise ConfigurationError(
            f"profile {profile.name} of {profile.path} has no host", fields=("profile",)
        )
    return profile
