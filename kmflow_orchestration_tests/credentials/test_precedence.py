"""Rows C2 and C9: which place wins, which file and section are read, and that it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.errors import ConfigurationError

HOST = "adb-1.7.azuredatabricks.net"
TOKEN = "dapi9e107d9d372bb6826bd81d3542a419d6"
SIGN_IN = {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": TOKEN}
WHOLE = SIGN_IN | {
    "DATABRICKS_HTTP_PATH": "/sql/1.0/warehouses/0a1b",
    "DATABRICKS_CATALOG": "main",
    "DATABRICKS_SCHEMA": "acme",
}
CLIENT = {"DATABRICKS_CLIENT_ID": "c-1", "DATABRICKS_CLIENT_SECRET": "a-secret-4f9d8a7b"}


def test_an_option_comes_before_the_process_and_that_before_the_dotenv():
    dotenv = WHOLE | {"DATABRICKS_CATALOG": "of_dotenv", "DATABRICKS_SCHEMA": "of_dotenv"}
    process = {**SIGN_IN, "DATABRICKS_CATALOG": "of_env"}

    least = OwnConnection({}, dotenv)
    assert least.group_settings("acme").catalog == "of_dotenv"
    assert least.sources()["catalog"] == ".env:DATABRICKS_CATALOG"

    more = OwnConnection(process, dotenv)
    settings = more.group_settings("acme")
    assert (settings.catalog, settings.schema_) == ("of_env", "of_dotenv")
    assert more.sources()["catalog"] == "env:DATABRICKS_CATALOG"

    most = OwnConnection(process, dotenv, options={"catalog": "of_option"})
    assert most.group_settings("acme").catalog == "of_option"
    assert most.sources()["catalog"] == "option:--catalog"


def test_a_dotenv_does_not_change_what_the_process_says_under_another_name():
    found = OwnConnection(
        {"DATABRICKS_SERVER_HOSTNAME": HOST, "DATABRICKS_ACCESS_TOKEN": TOKEN},
        {"DATABRICKS_HOST": "adb-2.7.azuredatabricks.net", "DATABRICKS_TOKEN": "dapi-other-4f9d"},
    )
    assert found.sources() == {
        "host": "env:DATABRICKS_SERVER_HOSTNAME",
        "token": "env:DATABRICKS_ACCESS_TOKEN",
    }
    token = found.sign_in_settings("acme").token
    assert token is not None
    assert found.variables[token.target] == TOKEN


def test_founding_names_and_those_of_the_sdk_may_be_mixed():
    found = OwnConnection({"DATABRICKS_SERVER_HOSTNAME": HOST, "DATABRICKS_TOKEN": TOKEN})
    assert found.sign_in_settings("acme").workspace_url == f"https://{HOST}"


def test_sources_never_hold_a_secret():
    found = OwnConnection(WHOLE)
    assert TOKEN not in f"{found!r} {found.layers!r} {found.pair!r} {found.sources()!r}"


def profiles(path: Path, text: str) -> str:
    path.write_text(text.format(host=HOST, token=TOKEN))
    path.chmod(0o600)
    return str(path)


def test_the_file_is_the_one_named_then_the_variables_then_that_of_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    profiles(tmp_path / ".databrickscfg", "[home]\nhost={host}\ntoken={token}\n")
    by_variable = profiles(tmp_path / "by-variable", "[variable]\nhost={host}\ntoken={token}\n")
    by_option = profiles(tmp_path / "by-option", "[option]\nhost={host}\ntoken={token}\n")

    def found(profile: str, **places: object) -> str:
        own = OwnConnection(
            {"DATABRICKS_CONFIG_PROFILE": profile, **places.pop("env", {})}, **places
        )
        return own.sign_in_settings("acme").config_file

    variable = {"env": {"DATABRICKS_CONFIG_FILE": by_variable}}
    assert found("home") == str(tmp_path / ".databrickscfg")
    assert found("variable", **variable) == by_variable
    assert found("option", **variable, options={"config_file": by_option}) == by_option


def test_an_option_names_the_profile_before_the_variable(tmp_path):
    file = profiles(
        tmp_path / "cfg",
        "[one]\nhost={host}\ntoken={token}\n[two]\nhost=adb-2.7.azuredatabricks.net\ntoken={token}\n",
    )
    variables = {"DATABRICKS_CONFIG_FILE": file, "DATABRICKS_PROFILE": "one"}
    assert OwnConnection(variables).sources()["host"] == "profile:one"
    chosen = OwnConnection(variables, options={"profile": "two"})
    assert chosen.sources()["host"] == "profile:two"


def test_a_profiles_warehouse_counts_unless_another_is_named(tmp_path):
    section = "[DEFAULT]\nhost={host}\ntoken={token}\nwarehouse_id=ff01\n"
    file = {"DATABRICKS_CONFIG_FILE": profiles(tmp_path / "cfg", section)}
    place = {"DATABRICKS_CATALOG": "main", "DATABRICKS_SCHEMA": "acme"}
    assert OwnConnection(file | place).group_settings("acme").warehouse_id == "ff01"
    named = OwnConnection(file | place | {"DATABRICKS_WAREHOUSE_ID": "ff02"})
    assert named.group_settings("acme").warehouse_id == "ff02"


def test_two_ways_to_sign_in_are_told_by_their_kinds_and_one_can_be_pinned():
    both = SIGN_IN | CLIENT
    with pytest.raises(
        ConfigurationError, match="more than one way to sign in: oauth and pat"
    ) as no:
        OwnConnection(both).sign_in_settings("acme")
    assert no.value.exit_code == 3
    assert "DATABRICKS_AUTH_TYPE" in str(no.value)
    assert TOKEN not in str(no.value)

    pinned = OwnConnection(both | {"DATABRICKS_AUTH_TYPE": "oauth-m2m"}).sign_in_settings("acme")
    assert (pinned.auth_type, pinned.client_id) == ("oauth-m2m", "c-1")


@pytest.mark.parametrize("lacking", CLIENT)
def test_half_a_client_is_no_way_to_sign_in(lacking):
    half = {name: value for name, value in CLIENT.items() if name != lacking}
    with pytest.raises(ConfigurationError, match="missing DATABRICKS_TOKEN or"):
        OwnConnection({"DATABRICKS_HOST": HOST, **half}).sign_in_settings("acme")


def test_another_word_as_source_is_refused():
    with pytest.raises(ConfigurationError, match="must be env or profile"):
        OwnConnection(SIGN_IN | {"DATABRICKS_AUTH_SOURCE": "both"}).sign_in_settings("acme")
