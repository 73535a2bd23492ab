"""A sign-in written into the SDK's profile file, beside all that stands there (CD-S4).

The file is edited as text, since a parser would drop its comments; the result is parsed and
compared before it takes the old one's place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from kmflow_orchestration.config.private_files import changing, write_private
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.token_shape import check_secret
from kmflow_orchestration.credentials.profiles import (
    SETTINGS_SECTION,
    SIGN_IN_KEYS,
    sections_of,
)
from kmflow_orchestration.credentials.resolution import Normal
from kmflow_orchestration.errors import ConfigurationError

_NAME = re.compile(r"[^\[\]\s\x00-\x1f\x7f]([^\[\]\x00-\x1f\x7f]*[^\[\]\s\x00-\x1f\x7f])?")
_HEADER = re.compile(r"\[(?P<name>.+)\]")
_KEY = re.compile(r"(?P<key>[^=:]*[^=:\s])\s*[=:]")


def write_token(
    path: Path, name: str, host: str, token: Secret, *, normal: Normal, force: bool = False
) -> None:
    """A profile that signs in with a token. Raises as `write_profile`, and CredentialError."""
    value = check_secret(token, "the token").reveal()
    write_profile(path, name, {"host": host, "token": value}, normal=normal, force=force)


def write_profile(
    path: Path, name: str, sign_in: Mapping[str, str], *, normal: Normal, force: bool = False
) -> None:
    """Put a host, and how to sign in to it, into a section; its owner alone can read the file then.

    What else stands in the section and the file is kept, comments too.

    Raises:
        ConfigurationError: the file cannot be read, the name is none, or the section is for
            another host and `force` is false. Nothing is written then.
        StateConflict, OSError: it cannot be written.
    """
    check_profile_name(name)
    with changing(path) as target:
        content = target.read_bytes() if target.exists() else b""
        before = sections_of(content, path)
        _check_host(before.get(name, {}), name, path, sign_in["host"], normal, force=force)
        text = _edited(content.decode("utf-8-sig"), name, sign_in)
        kept = {k: v for k, v in before.get(name, {}).items() if k not in SIGN_IN_KEYS}
        if sections_of(text.encode(), path) != {**before, name: {**kept, **sign_in}}:
            raise ConfigurationError(
                f"{path} is written in a way that no program can add to",
                fields=("config_file",),
                hint="write the profile by hand, or name another file: DATABRICKS_CONFIG_FILE",
            )
        write_private(target, text)


def check_profile_name(name: str) -> None:
    """Raises ConfigurationError for what cannot name a section."""
    if name == SETTINGS_SECTION or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of a profile",
            fields=("profile",),
            hint="letters, digits, - and _",
        )


def _check_host(
    there: Mapping[str, str], name: str, path: Path, host: str, normal: Normal, *, force: bool
) -> None:
    known = there.get("host", "")
    if force or not known:
        return
    try:
        is_same = normal(known) == normal(host)
    except ValueError:
        is_same = False
    if not is_same:
        raise ConfigurationError(
            f"profile {name} of {path} is for another workspace",
            fields=("profile",),
            hint="name another profile, or --force replaces its sign-in",
        )


def _edited(text: str, name: str, sign_in: Mapping[str, str]) -> str:
    lines = text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    new = [f"{key} = {value}{end}" for key, value in sign_in.items()]
    names = {at: found["name"] for at, line in enumerate(lines) if (found := _HEADER.match(line))}
    start = next((at for at, found in names.items() if found == name), None)
    if start is None:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += end
        gap = [end] if lines and lines[-1].strip() else []
        return "".join([*lines, *gap, f"[{name}]{end}", *new])
    stop = min((at for at in names if at > start), default=len(lines))
    header = lines[start] if lines[start].endswith("\n") else lines[start] + end
    kept = _without_sign_in(lines[start + 1 : stop])
    return "".join([*lines[:start], header, *new, *kept, *lines[stop:]])


def _without_sign_in(lines: list[str]) -> list[str]:
    kept: list[str] = []
    is_dropped = False
    for line in lines:
        if not line[:1].isspace():
            found = None if line.startswith(("#", ";")) else _KEY.match(line)
            is_dropped = found is not None and found["key"].strip().lower() in SIGN_IN_KEYS
        elif not line.strip():
            is_dropped = False
        if not is_dropped:
            kept.append(line)
    return kept
