"""CD-S3: a token goes only to the host that was given with it, whatever else is set around it.

Two workspaces note every token that reaches them. Each source of a connection is absent, whole for
one of them, or a part; all mixtures are tried, for a group of its own and for the environment's.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.core import Config

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import InputRules
from kmflow_orchestration.config.secret_refs import SecretRef, SecretSources
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.connection_rules import ConnectionRules
from kmflow_orchestration.databricks_client.connections import Connections
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import ConfigurationError, KmflowError
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import fresh_room
from kmflow_orchestration_tests.embedded_groups import group_config
from kmflow_orchestration_tests.fakes import FakeClock

PLACES = {
    "DATABRICKS_WAREHOUSE_ID": "0a1b",
    "DATABRICKS_CATALOG": "main",
    "DATABRICKS_SCHEMA": "acme",
    "KMFLOW_ALLOW_INSECURE_LOOPBACK": "yes",
}
# What a source holds: the host of workspace A or B, or none; and a credential of its own.
PARTS = {
    "nothing": ("", ""),
    "all of A": ("A", "token"),
    "all of B": ("B", "token"),
    "host A": ("A", ""),
    "host B": ("B", ""),
    "token": ("", "token"),
}
CLIENTS = {"client of B": ("B", "client"), "client": ("", "client")}
IN_PROCESS = PARTS | CLIENTS
PROFILES = ["no file", "prod A", "prod B", "DEFAULT A", "settings B"]
NAMED = ["", "prod"]


@dataclass
class World:
    """Two workspaces, and the tokens of each source by where they may go."""

    servers: Mapping[str, EmbeddedWorkspace]
    folder: Path
    given: dict[str, str] = field(default_factory=dict)

    def url(self, letter: str) -> str:
        return self.servers[letter].url if letter else ""

    def token(self, source: str, letter: str) -> str:
        """A token of one source, good in every workspace: only where it is sent matters."""
        token = f"token-of-{source}-for-{letter or 'nowhere'}-4f9d8a7b"
        self.given[token] = letter
        return token

    def variables(self, source: str, part: str) -> dict[str, str]:
        letter, credential = IN_PROCESS[part]
        found = {"DATABRICKS_HOST": self.url(letter)} if letter else {}
        secret = self.token(source, letter) if credential else ""
        named = {
            "": {},
            "token": {"DATABRICKS_TOKEN": secret},
            "client": {"DATABRICKS_CLIENT_ID": "c-1", "DATABRICKS_CLIENT_SECRET": secret},
        }
        return found | named[credential]

    def profiles(self, content: str) -> str:
        """A profile file; a path where there is none for `no file`."""
        path = self.folder / content.replace(" ", "-")
        if content == "no file":
            return str(path)
        name, letter = content.split()
        section = {"settings": "dev"}.get(name, name)
        token = self.token(f"profile-{name}", letter)
        text = f"[{section}]\nhost = {self.url(letter)}\ntoken = {token}\n"
        if name == "settings":
            text += "[__settings__]\ndefault_profile = dev\n"
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def leaks(self) -> list[str]:
        return [
            f"{token} reached {letter}"
            for token, home in self.given.items()
            for letter, server in self.servers.items()
            if letter != home and server.has_seen(token)
        ]

    def reached(self) -> list[str]:
        return [letter for letter, server in self.servers.items() if _seen(server, self.given)]

    def has_reached(self, token: str) -> bool:
        return any(server.has_seen(token) for server in self.servers.values())

    def forget(self) -> None:
        self.given.clear()
        for server in self.servers.values():
            server.services.request_log.clear()


def _seen(server: EmbeddedWorkspace, tokens: Mapping[str, str]) -> bool:
    return any(server.has_seen(token) for token in tokens)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mixtures")
    with EmbeddedWorkspace(folder / "A") as a, EmbeddedWorkspace(folder / "B") as b:
        for server in (a, b):
            fresh_room(server)
        yield World({"A": a, "B": b}, folder)


def sign_in(config: GroupConfig, variables: Mapping[str, str]) -> None:
    """One request; refused by the workspace, because nobody knows these tokens."""
    rules = ConnectionRules(secrets=SecretSources(environment=variables))
    calls = connect(config, clock=FakeClock(), rules=rules)
    try:
        current_principal(calls, is_patient=False)
    finally:
        calls.close()


def own_group(process: Mapping[str, str], dotenv: Mapping[str, str]) -> None:
    own = OwnConnection(process, dotenv, rules=InputRules())
    sign_in(own.group_settings("acme").to_config(0), own.variables)


MIXTURES = list(itertools.product(IN_PROCESS, PARTS, PROFILES, NAMED))


@pytest.mark.parametrize(
    ("process", "dotenv", "profile", "named"),
    MIXTURES,
    ids=["; ".join(one) for one in MIXTURES],
)
def test_no_mixture_sends_a_token_to_a_host_it_was_not_given_for(
    world: World, process: str, dotenv: str, profile: str, named: str
) -> None:
    world.forget()
    file = world.profiles(profile)
    in_process = world.variables("env", process) | PLACES | {"DATABRICKS_CONFIG_FILE": file}
    if named:
        in_process["DATABRICKS_CONFIG_PROFILE"] = named

    with pytest.raises(KmflowError) as ended:
        own_group(in_process, world.variables("dotenv", dotenv))

    assert world.leaks() == []
    assert len(world.reached()) <= 1
    # Refused by a workspace, or before any was asked.
    assert (ended.value.exit_code == 4) is bool(world.reached())


# How a group signs in by its own settings; `T` and `S` are variables of its own.
GROUPS: Mapping[str, Mapping[str, Any]] = {
    "token": {"token": SecretRef("env", "T")},
    "client": {"client_id": "c-1", "client_secret": SecretRef("env", "S")},
    "token and client": {
        "token": SecretRef("env", "T"),
        "client_id": "c-1",
        "client_secret": SecretRef("env", "S"),
    },
    "profile": {"profile": "prod"},
    "profile reference": {"token": SecretRef("profile", "prod")},
    "token and profile": {"token": SecretRef("env", "T"), "profile": "prod"},
    "nothing": {},
    "a key of the process's secret scope": {"token": SecretRef("secret", "scope/key")},
}
SETTINGS = load_settings()


@pytest.mark.parametrize("hosted", [True, False], ids=["host A", "no host"])
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("process", IN_PROCESS)
def test_a_groups_own_settings_are_all_that_counts_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch, process: str, group: str, hosted: bool
) -> None:
    for profile in PROFILES:
        world.forget()
        variables = world.variables("env", process) | {
            "T": world.token("group", "A" if hosted else ""),
            "S": world.token("client", "A" if hosted else ""),
            "DATABRICKS_CONFIG_FILE": world.profiles(profile),
            "DATABRICKS_CONFIG_PROFILE": "prod",
        }
        # What the SDK would find, if anything let it look.
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings = {"workspace_url": world.url("A") if hosted else "", **GROUPS[group]}
        config = group_config("acme", allow_insecure_loopback=True, **settings)

        with pytest.raises(KmflowError):
            sign_in_as_group(config, OwnConnection(variables | PLACES))

        assert world.leaks() == []
        if "scope" not in group:
            # The process's own sign-in is not the group's, not even for the same workspace.
            assert world.reached() in ([], ["A"])
            assert not any("-env-" in one and world.has_reached(one) for one in world.given)


def sign_in_as_group(config: GroupConfig, own: OwnConnection) -> None:
    """One request of a group's client, as a process makes them."""
    connections = Connections(SETTINGS, FakeClock(), own)
    try:
        current_principal(connections.clients.get(config), is_patient=False)
    finally:
        connections.close()


def own(world: World, process: str, profile: str, **variables: str) -> OwnConnection:
    file = {"DATABRICKS_CONFIG_FILE": world.profiles(profile)}
    return OwnConnection(world.variables("env", process) | PLACES | file | variables)


REFUSED = {
    "profile of A, host and token of B": ("all of B", "prod A", "prod", "profile prod is for"),
    "profile of A, host of B": ("host B", "prod A", "prod", "profile prod is for"),
    "profile of A, token of nowhere": ("token", "prod A", "prod", "no host of its own"),
    "host without token": ("host A", "DEFAULT A", "", "missing DATABRICKS_TOKEN or"),
    "token without host": ("token", "DEFAULT A", "", "missing DATABRICKS_HOST"),
    "nothing": ("nothing", "no file", "", "missing DATABRICKS_HOST, DATABRICKS_TOKEN or"),
    "unknown profile": ("nothing", "DEFAULT A", "prod", "no profile 'prod': it has DEFAULT"),
    "no file": ("nothing", "no file", "prod", "no profile file at"),
}


@pytest.mark.parametrize(("process", "profile", "named", "says"), REFUSED.values(), ids=REFUSED)
def test_a_mixture_is_refused_with_the_places_it_comes_from(
    world: World, process: str, profile: str, named: str, says: str
) -> None:
    with pytest.raises(KmflowError, match=says) as refusal:
        own(world, process, profile, DATABRICKS_PROFILE=named).group_settings("acme")
    assert refusal.value.exit_code == 3
    assert "token-of" not in str(refusal.value)


CHOSEN = {
    "the environment": ("all of A", "no file", "", "env:DATABRICKS_HOST"),
    "the environment before DEFAULT": ("all of A", "DEFAULT B", "", "env:DATABRICKS_HOST"),
    "DEFAULT when nothing is set": ("nothing", "DEFAULT A", "", "profile:DEFAULT"),
    "the settings' default profile": ("nothing", "settings A", "", "profile:dev"),
    "a named profile": ("nothing", "prod A", "prod", "profile:prod"),
    "a named profile of the same workspace": ("all of A", "prod A", "prod", "profile:prod"),
    "the same, with the host alone": ("host A", "prod A", "prod", "profile:prod"),
}


@pytest.mark.parametrize(("process", "profile", "named", "source"), CHOSEN.values(), ids=CHOSEN)
def test_the_source_in_force_is_the_sdks_and_is_told(
    world: World, process: str, profile: str, named: str, source: str
) -> None:
    found = own(world, process, profile, DATABRICKS_PROFILE=named)
    assert found.sources()["host"] == source
    assert found.group_settings("acme").workspace_url == world.url("A")


ALONE = ["nothing", "all of A", "all of B"]
# Older releases of the SDK, as dagster-databricks holds us to, know no `[__settings__]`.
KNOWN_TO_THE_SDK = [one for one in PROFILES if "settings" not in one]


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("profile", KNOWN_TO_THE_SDK)
@pytest.mark.parametrize("process", ALONE)
def test_what_is_no_mixture_comes_out_as_the_sdk_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch, process: str, profile: str, named: str
) -> None:
    """All but CD-S3's one difference: a named profile wins over a token for the same workspace."""
    given = world.variables("env", process)
    given["DATABRICKS_CONFIG_FILE"] = world.profiles(profile)
    if named:
        given["DATABRICKS_CONFIG_PROFILE"] = named
    try:
        pair = OwnConnection(given | PLACES).pair
    except ConfigurationError:
        return  # a mixture, or nothing to sign in with; the SDK's opinion does not count
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    theirs = Config()

    if pair.profile is not None:
        assert theirs.host == pair.profile.host
        assert process != "nothing" or theirs.token == pair.profile.values["token"]
    else:
        assert (theirs.host, theirs.token) == (given["DATABRICKS_HOST"], given["DATABRICKS_TOKEN"])


@pytest.mark.parametrize(("source", "letter"), [("env", "B"), ("profile", "A")])
def test_auth_source_decides_between_the_two(world: World, source: str, letter: str) -> None:
    found = own(
        world, "all of B", "prod A", DATABRICKS_PROFILE="prod", DATABRICKS_AUTH_SOURCE=source
    )
    assert found.group_settings("acme").workspace_url == world.url(letter)


def test_a_section_without_host_does_not_take_that_of_default(world: World) -> None:
    path = world.folder / "two"
    path.write_text(f"[DEFAULT]\nhost = {world.url('A')}\n[prod]\ntoken = t-4f9d8a7b\n")
    path.chmod(0o600)
    found = OwnConnection({"DATABRICKS_CONFIG_FILE": str(path), "DATABRICKS_PROFILE": "prod"})
    with pytest.raises(KmflowError, match=r"prod of .* has no host"):
        found.group_settings("acme")


def test_a_group_of_the_environment_pickles_a_reference_only(world: World) -> None:
    config = own(world, "all of A", "no file").group_settings("acme").to_config(0)
    assert config.group_id == GroupId("acme")
    assert b"token-of" not in pickle.dumps(config)
