"""Settings and credentials as a debugger, a log or a pickle has them: no secret in any."""

from __future__ import annotations

import copy
import pickle

import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret, SecretRef, SecretSources
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.credentials.profiles import read_profile
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.sign_in import TokenSignIn
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.runs.callback_tokens import CallbackKeys
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.storage.choose import open_storage

SECRET = "kept+in/an-object-9f3a51-0123456789abcdef"


@pytest.fixture
def config(monkeypatch) -> GroupConfig:
    monkeypatch.setenv("KEPT", SECRET)
    return GroupConfig(
        group_id=GroupId("acme"),
        version=1,
        catalog="acme",
        schema="evidence",
        workspace_url="https://adb-1.azuredatabricks.net",
        token=SecretRef("env", "KEPT"),
    )


@pytest.fixture
def objects(config, tmp_path) -> dict[str, object]:
    """One of each kind that has a secret in its hands, or leads to one."""
    profiles = tmp_path / "cfg"
    profiles.touch(mode=0o600)
    profiles.write_text(f"[p]\nhost = https://x.test\ntoken = {SECRET}\n")
    secret = Secret(SECRET)
    keys = CallbackKeys.of(secret)
    calls = connect(config, clock=SystemClock())
    address = f"postgresql://kmflow:{SECRET.replace('/', '%2F')}@db/kmflow"
    settings = load_settings(database_url=address, home=str(tmp_path))
    return {
        "secret": secret,
        "group": config,
        "sources": SecretSources(environment={"KEPT": SECRET}),
        "profile": read_profile(profiles, "p"),
        "caller": caller_of("ann", ("acme",), Role.ADMIN, access_token=secret),
        "keys": keys,
        "callback": CallbackSettings("https://kmflow.test", keys),
        "sign-in": TokenSignIn(lambda: secret, "env:KEPT"),
        "client": calls,
        "sdk client": calls.client,
        "sdk config": calls.client.config,
        "settings": settings,
        "store": open_storage(settings, config, clients=None, clock=SystemClock()),
        "resource": ContextResource(overrides={"home": str(tmp_path)}),
    }


def test_no_repr_shows_a_secret(objects) -> None:
    shown = {name: f"{one!r} {one} {one:}" for name, one in objects.items()}
    assert [name for name, text in shown.items() if SECRET in text or "%2Fan-object" in text] == []


def test_no_pickle_holds_one(objects) -> None:
    """What cannot be pickled is as good."""
    leaking = []
    for name, one in objects.items():
        try:
            content = pickle.dumps(one)
        except (TypeError, AttributeError, pickle.PicklingError):
            continue
        if SECRET.encode() in content or b"an-object-9f3a51" in content:
            leaking.append(name)
    assert leaking == []


def test_settings_of_a_group_can_be_sent_to_another_process(config) -> None:
    sent = pickle.dumps(config)
    assert pickle.loads(sent) == config  # noqa: S301 - our own
    assert copy.deepcopy(config) == config


def test_settings_that_are_wrong_are_named_without_what_they_were(monkeypatch) -> None:
    monkeypatch.setenv("KMFLOW_ENV", SECRET)
    with pytest.raises(Exception, match="KMFLOW_ENV") as refusal:
        load_settings()
    shown = f"{refusal.value!r} {refusal.value.__cause__} {refusal.value.__context__}"
    assert SECRET not in shown
