"""Host and credential as one pair from one source (row C9, settlements CD-S2 and CD-S3).

The SDK takes each field from wherever it finds it first: a host from the environment with a
profile's token beside it. Here a token goes only to the host that was given together with it; a
mixture is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from kmflow_orchestration.credentials.environment import Layer
from kmflow_orchestration.credentials.profiles import Profile
from kmflow_orchestration.errors import ConfigurationError

logger = logging.getLogger(__name__)

FindProfile = Callable[[str], Profile]
FindDefault = Callable[[], Profile | None]
Normal = Callable[[str], str]
"""The normal form of a host, to compare two by. Raises ValueError."""

# Methods that bring their credential from elsewhere, for the host beside them.
_WITHOUT_SECRET = frozenset(
    {"databricks-cli", "external-browser", "runtime", "env-oidc", "file-oidc", "github-oidc"}
)


@dataclass(frozen=True, slots=True)
class Pair:
    """The one source: a layer's own host and credential, or a profile's."""

    kind: Literal["layer", "profile"]
    layer: Layer | None = None
    profile: Profile | None = None


class Missing(ConfigurationError):
    """There is no complete pair; `fields` are what is missing, `host` or `credential`."""


def resolve_pair(
    layers: Sequence[Layer], *, find: FindProfile, find_default: FindDefault, normal: Normal
) -> Pair:
    """The pair in force; `layers` come in the order of their precedence.

    Raises:
        Missing: no host, or no way to sign in.
        ConfigurationError: host and credential of different places, or two ways to sign in.
    """
    source = _first(layers, "auth_source")
    if source not in {"", "env", "profile"}:
        raise ConfigurationError(
            "DATABRICKS_AUTH_SOURCE must be env or profile", fields=("DATABRICKS_AUTH_SOURCE",)
        )
    named = _first(layers, "profile")
    given = [layer for layer in layers if layer.has("host", "token", "client_id", "client_secret")]
    if source == "profile" or (named and source != "env"):
        profile = find(named) if named else find_default()
        if profile is None:
            raise Missing(
                "no profile is named, and there is no default one", fields=("credential",)
            )
        if given and source != "profile":
            _check_beside(given[0], profile, normal)
        return Pair("profile", profile=profile)
    if given:
        pinned = _first(layers, "auth_type")
        return Pair("layer", layer=_complete(given, normal, pinned))
    profile = None if source == "env" else find_default()
    if profile is None:
        raise Missing("no workspace is named", fields=("host", "credential"))
    return Pair("profile", profile=profile)


def without_pair(last: Layer, before: Sequence[Layer]) -> Layer:
    """The last place to look, without what it must not add to the sign-in of those before it.

    Where they sign in, neither its host nor its profile; where they name a host alone, its profile
    stays, which must be for that host.
    """
    dropped: set[str] = set()
    if any(layer.has("host") for layer in before):
        dropped.add("host")
    signs_in = any(layer.has("profile", *_CREDENTIALS) for layer in before)
    alone = "host" in dropped and _first(before, "auth_type") in _WITHOUT_SECRET
    if signs_in or alone or _first(before, "auth_source") == "env":
        dropped |= {"host", "profile"}
    kept = {name: found for name, found in last.values.items() if name not in dropped}
    return Layer(last.place, kept)


def _first(layers: Sequence[Layer], name: str) -> str:
    return next((layer.values[name].value for layer in layers if name in layer.values), "")


def _check_beside(layer: Layer, profile: Profile, normal: Normal) -> None:
    """A named profile beside an environment of its own: good only for the same workspace."""
    advice = "remove one of them, or say DATABRICKS_AUTH_SOURCE=env or profile"
    if "host" not in layer.values:
        names = ", ".join(layer.source(name) for name in layer.values if name in _CREDENTIALS)
        raise ConfigurationError(
            f"profile {profile.name} beside {names}, which names no host of its own",
            fields=("profile",),
            hint=advice,
        )
    host = layer.values["host"].value
    if _host(host, normal, layer.source("host")) != _host(profile.host, normal, profile.name):
        raise ConfigurationError(
            f"profile {profile.name} is for {profile.host}, {layer.source('host')} for {host}",
            fields=("profile", "host"),
            hint=advice,
        )
    logger.info("profile %s is used; %s is the same workspace", profile.name, layer.source("host"))


_CREDENTIALS = ("token", "client_id", "client_secret")


def _complete(given: Sequence[Layer], normal: Normal, pinned: str) -> Layer:
    first = given[0]
    if "host" in first.values and _has_credential(first, pinned):
        return _one_way(first, pinned)
    for other in given[1:]:
        if "host" in first.values and "host" in other.values and _has_credential(other, pinned):
            same = {
                _host(layer.values["host"].value, normal, layer.source("host"))
                for layer in (first, other)
            }
            if len(same) == 1 and not first.has(*_CREDENTIALS):
                return _one_way(other, pinned)
        here = ", ".join(first.source(name) for name in first.values if name in _PAIR)
        there = ", ".join(other.source(name) for name in other.values if name in _PAIR)
        raise ConfigurationError(
            f"host and credential come from different places: {here}; {there}",
            fields=("host", "token"),
            hint="set both in one of them",
        )
    lacking = [] if "host" in first.values else ["host"]
    lacking += [] if _has_credential(first, pinned) else ["credential"]
    raise Missing("the environment names only a part of a sign-in", fields=tuple(lacking))


_PAIR = ("host", *_CREDENTIALS)


def _has_credential(layer: Layer, pinned: str) -> bool:
    return (
        "token" in layer.values
        or ("client_id" in layer.values and "client_secret" in layer.values)
        or pinned in _WITHOUT_SECRET
    )


def _one_way(layer: Layer, pinned: str) -> Layer:
    both = "token" in layer.values and layer.has("client_id", "client_secret")
    if both and not pinned:
        names = ", ".join(layer.source(name) for name in _CREDENTIALS if name in layer.values)
        raise ConfigurationError(
            f"more than one way to sign in: oauth and pat ({names})",
            fields=("auth_type",),
            hint="say DATABRICKS_AUTH_TYPE=pat or oauth-m2m",
        )
    return layer


def _host(text: str, normal: Normal, where: str) -> str:
    try:
        return normal(text)
    except ValueError as error:
        raise ConfigurationError(f"{where}: host {error}", fields=("host",)) from error
