from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.connect import ClientCache, check_connection, connect
from kmflow_orchestration.databricks_client.workspace_info import current_principal
from kmflow_orchestration.errors import AccessRefused, ConfigurationError, CredentialError
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config
from kmflow_orchestration_tests.fakes import FakeClock


def test_each_group_is_its_own_principal(groups: GroupsInRoom) -> None:
    names = [current_principal(groups.calls(name)).user_name for name in ("acme", "globex")]

    assert names == ["acme-service", "globex-service"]


def test_environment_and_profiles_of_the_sdk_take_no_part(
    groups: GroupsInRoom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profiles = tmp_path / ".databrickscfg"
    profiles.write_text("[DEFAULT]\nhost = https://wrong.example\ntoken = wrong\n")
    for name, value in {
        "DATABRICKS_HOST": "https://wrong.example",
        "DATABRICKS_TOKEN": "wrong",
        "DATABRICKS_CLIENT_ID": "wrong",
        "DATABRICKS_CLIENT_SECRET": "wrong",
        "DATABRICKS_AUTH_TYPE": "oauth-m2m",
        "DATABRICKS_CONFIG_FILE": str(profiles),
        "DATABRICKS_CONFIG_PROFILE": "absent",
    }.items():
        monkeypatch.setenv(name, value)

    calls = groups.calls("acme")

    assert current_principal(calls).user_name == "acme-service"
    assert calls.client.config.host == groups.room.url
    assert calls.client.config.client_id is None


def test_certificates_of_the_company_are_trusted(
    groups: GroupsInRoom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "company.pem"))

    session = groups.calls("acme").client.api_client._api_client._session

    assert session.verify == str(tmp_path / "company.pem")


def test_a_wrong_token_is_refused_once_and_not_shown(
    groups: GroupsInRoom, clock: FakeClock
) -> None:
    config = dataclasses.replace(groups.config("acme"), token=SecretRef("env", "WRONG"))
    calls = connect(config, clock=clock, environment={"WRONG": "s3cr3t-canary"})

    with pytest.raises(AccessRefused) as refusal:
        current_principal(calls)

    assert "s3cr3t-canary" not in str(refusal.value)
    assert "Config:" not in str(refusal.value)
    assert clock.slept == []


def test_everything_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        check_connection(group_config("acme"))

    assert refusal.value.fields == ("workspace_url", "token")


@pytest.mark.parametrize(
    ("url", "allowed", "fields"),
    [
        ("http://127.0.0.1:8080", False, ("workspace_url", "allow_insecure_loopback")),
        ("http://adb-1.7.azuredatabricks.net", True, ("workspace_url",)),
        ("ftp://127.0.0.1", True, ("workspace_url",)),
        ("https://user:password@adb-1.7.azuredatabricks.net", True, ("workspace_url",)),
        ("adb-1.7.azuredatabricks.net", True, ("workspace_url",)),
    ],
)
def test_addresses_that_would_show_the_token_are_refused(
    url: str, allowed: bool, fields: tuple[str, ...]
) -> None:
    config = group_config(
        "acme",
        workspace_url=url,
        token=SecretRef("env", "T"),
        allow_insecure_loopback=allowed,
    )
    with pytest.raises(ConfigurationError) as refusal:
        check_connection(config)

    assert refusal.value.fields == fields
    assert "password" not in str(refusal.value)


def test_a_token_that_is_not_there_is_named_by_its_reference(clock: FakeClock) -> None:
    config = group_config(
        "acme", workspace_url="https://adb-1.7.azuredatabricks.net", token=SecretRef("env", "NONE")
    )
    with pytest.raises(CredentialError, match="env:NONE"):
        connect(config, clock=clock, environment={})


def test_a_group_version_has_one_client(groups: GroupsInRoom, clock: FakeClock) -> None:
    cache = ClientCache(clock, environment=groups.environment)
    acme = groups.config("acme")

    first, again = cache.get(acme), cache.get(acme)
    other = cache.get(groups.config("globex"))
    newer = cache.get(dataclasses.replace(acme, version=2))

    assert first is again
    assert len({id(first), id(other), id(newer)}) == 3
    cache.close()
    assert cache.get(acme) is not first
    cache.close()
