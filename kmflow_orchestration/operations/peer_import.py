"""Groups of the system ours takes over from, as settings of ours (row AB-S2)."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.config.group_input import GroupInput, InputRules, parse_group
from kmflow_orchestration.config.secret_refs import SCHEMES, SecretRef
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.metadata.peer_configs import read_peer_groups


@dataclass(frozen=True, slots=True)
class FoundGroups:
    """Groups that can be imported, and how many rows belong to nobody and are left out."""

    inputs: list[GroupInput]
    without_group: int


def find_peer_groups(place: str, *, rules: InputRules) -> FoundGroups:
    """Read and check the groups at a place: `sqlite:///path`, or a reference to an address.

    Tokens are not taken over: set a reference afterwards.

    Raises:
        ConfigurationError: every bad field of every group at once, or a database that cannot be
            read.
        CredentialError: the reference cannot be resolved.
    """
    peer = read_peer_groups(_address(place))
    inputs: list[GroupInput] = []
    problems: list[str] = []
    for group, values in sorted(peer.settings.items()):
        try:
            inputs.append(parse_group(group, values, rules=rules))
        except ConfigurationError as error:
            problems.append(f"group {group!r}: {error.message}")
    if problems:
        raise ConfigurationError("\n".join(problems), hint="correct them there, or import a file")
    return FoundGroups(inputs, peer.without_group)


def _address(place: str) -> str:
    if place.startswith(tuple(f"{scheme}:" for scheme in SCHEMES)):
        return SecretRef.parse(place).resolve().reveal()
    if not place.startswith("sqlite:///"):
        raise ConfigurationError(
            "an address that may hold a password is given by reference",
            hint="env:NAME, file:PATH or sqlite:///path",
        )
    return place
