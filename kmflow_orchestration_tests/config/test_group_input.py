"""Row A2: every rule of a group's settings, and all broken ones at once."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.config.group_input import FIELD_NAMES, InputRules, parse_group
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.config.workspace_urls import KNOWN_DOMAINS
from kmflow_orchestration.errors import ConfigurationError, MissingGroup

REMOTE: dict[str, Any] = {
    "workspace_url": "https://adb-1.7.azuredatabricks.net",
    "warehouse_id": "w1",
    "catalog": "main",
    "schema": "acme",
    "token": "env:ACME_TOKEN",
}


def refused(values: dict[str, Any], rules: InputRules | None = None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse_group("acme", values, rules=rules)
    return caught.value


def test_complete_settings_become_a_configuration():
    config = parse_group("acme", REMOTE).to_config(version=3)

    assert (config.group_id, config.version, config.schema) == ("acme", 3, "acme")
    assert config.host == "adb-1.7.azuredatabricks.net"
    assert config.token == SecretRef("env", "ACME_TOKEN")
    assert config.volume.text == "/Volumes/main/acme/raw_evidence"


def test_a_group_without_workspace_needs_no_settings_at_all():
    config = parse_group("acme-2", {}).to_config(version=1)
    assert (config.catalog, config.schema, config.workspace_url) == ("main", "acme_2", "")


def test_a_disabled_group_may_leave_everything_blank():
    values = {"workspace_url": REMOTE["workspace_url"], "enabled": False}
    assert parse_group("acme", values).to_config(1).warehouse_id == ""


def test_every_bad_field_is_reported_at_once():
    error = refused(
        {
            "workspace_url": "http://db.example.org",
            "schema": "a b",
            "token": "dapi-literal",
            "enabled": "yes",
            "volume_enabled": True,
            "volume_file_format": "doc",
            "knowledge_chunk_size": 10,
            "knowledge_chunk_overlap": 10,
            "catalogue": "main",
        }
    )
    assert set(error.fields) == {
        "enabled", "workspace_url", "warehouse_id", "catalog", "schema", "token", "volume_path",
        "volume_file_format", "knowledge_chunk_overlap", "catalogue",
    }  # fmt: skip
    assert "did you mean catalog?" in error.message
    assert error.exit_code == 3


@pytest.mark.parametrize("name", ["warehouse_id", "catalog", "schema"])
def test_an_enabled_group_with_a_workspace_needs_each_of(name):
    assert refused({**REMOTE, name: ""}).fields == (name,)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://adb-1.7.azuredatabricks.net/", "https://adb-1.7.azuredatabricks.net"),
        ("ADB-1.7.azuredatabricks.net", "https://adb-1.7.azuredatabricks.net"),
        ("adb-1.7.azuredatabricks.net:443", "https://adb-1.7.azuredatabricks.net"),
        ("https://adb-1.7.azuredatabricks.net/?o=123", "https://adb-1.7.azuredatabricks.net"),
        (
            "https://example-corp.cloud.databricks.com",
            "https://example-corp.cloud.databricks.com",
        ),
    ],
)
def test_an_address_takes_its_normal_form(given, normal):
    assert parse_group("acme", {**REMOTE, "workspace_url": given}).workspace_url == normal


@pytest.mark.parametrize("domain", KNOWN_DOMAINS)
def test_only_hosts_below_a_domain_of_databricks_are_taken_unasked(domain):
    url = f"https://dbc-1a2b.{domain}"
    assert parse_group("acme", {**REMOTE, "workspace_url": url}).workspace_url == url
    for other in (f"https://{domain}", f"https://dbc-1a2b{domain}", f"{url}.evil.test"):
        assert refused({**REMOTE, "workspace_url": other}).fields == ("workspace_url",)


@pytest.mark.parametrize(
    "url",
    [
        "http://adb-1.7.azuredatabricks.net",
        "ftp://adb-1.7.azuredatabricks.net",
        "https://user:secret@adb-1.7.azuredatabricks.net",
        "https://adb-1.7.azuredatabricks.net/sql/1.0",
        "https://adb-1.7.azuredatabricks.net?a=b",
        "https://adb-1.7.azuredatabricks.net/#x",
        "https://adb-1.7.azuredatabricks.net:8443",
        "https://adb-1.7.azuredatabricks.net:99999",
        "https://azuredatabricks.net.evil.io",
        "https://evilazuredatabricks.net",
        "https://adb 1.azuredatabricks.net",
        "https://adb-1.7.azuredatabricks.net\\@evil.io",
        "https://",
        "https://[::1",
        "http://127.0.0.1:8000",
        "https://localhost",
        "https://your-workspace.cloud.databricks.com",
        "https://<host>",
        "https://adb-xxx.7.azuredatabricks.net",
        "https://dbc.example.com",
    ],
)
def test_an_address_that_could_take_the_token_elsewhere_is_refused(url):
    error = refused({**REMOTE, "workspace_url": url})
    assert error.fields == ("workspace_url",)
    assert "secret" not in error.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:9"])
def test_loopback_without_tls_needs_its_switch(url):
    values = {**REMOTE, "workspace_url": url, "allow_insecure_loopback": True}
    assert parse_group("acme", values).workspace_url == url


def test_the_loopback_switch_does_not_open_other_hosts():
    values = {**REMOTE, "workspace_url": "http://10.0.0.1", "allow_insecure_loopback": True}
    assert refused(values).fields == ("workspace_url",)


def test_the_loopback_switch_is_refused_in_production():
    values = {**REMOTE, "allow_insecure_loopback": True}
    assert refused(values, InputRules(production=True)).fields == ("allow_insecure_loopback",)


def test_a_private_host_must_be_allowed_by_name():
    values = {**REMOTE, "workspace_url": "https://dbx.corp.internal"}
    assert refused(values).fields == ("workspace_url",)
    rules = InputRules(allowed_hosts=("DBX.corp.internal",))
    assert parse_group("acme", values, rules=rules).workspace_url == values["workspace_url"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("warehouse_id", "your-warehouse-id"),
        ("warehouse_id", "<warehouse>"),
        ("warehouse_id", "abc123"),
        ("catalog", "changeme"),
        ("schema", "your_schema"),
        ("landing_path", "${LANDING}"),
        ("landing_path", "landing/../other"),
        ("landing_path", "/Volumes/main/raw"),
        ("landing_path", "/Volumes/main/raw/box"),
        ("landing_path", "/Volumes/main/raw/box/../other"),
        ("landing_path", "/Volumes/main/raw/box/evidence_store/e1"),
        ("landing_path", "/Volumes/main/raw/box/.kmflow"),
        ("landing_path", "/volumes/main/raw/box/in"),
        ("landing_path", "dbfs:/Volumes/main/raw/box/in"),
        ("token", "env:YOUR_TOKEN"),
        ("token", "env:<NAME>"),
        ("warehouse_id", "w\n1"),
        ("evidence_volume", ""),
        ("knowledge_chunk_size", 0),
        ("volume_path", "a.b"),
        ("volume_path", "/Volumes/a/b/c/../d"),
        ("volume_path", "/Volumes/a/b/c%2fd"),
        ("warehouse_id", 12),
        ("token", 12),
        ("group_id", "globex"),
    ],
)
def test_a_bad_value_names_its_field(name, value):
    assert refused({**REMOTE, name: value}).fields == (name,)


def test_both_forms_of_a_volume_path_are_one():
    for text in ("c.s.v", "/Volumes/c/s/v"):
        config = parse_group("acme", {"volume_enabled": True, "volume_path": text})
        assert config.volume_path == "/Volumes/c/s/v"


def test_a_literal_token_is_refused_without_being_shown():
    error = refused({**REMOTE, "token": "dapi0canary0", "catalog": ""})
    shown = "".join(traceback.format_exception(error))
    assert error.fields == ("catalog", "token")
    assert "dapi0canary0" not in shown


@pytest.mark.parametrize("group", ["", "  "])
def test_settings_of_no_group_are_refused(group):
    with pytest.raises(MissingGroup):
        parse_group(group, REMOTE)


@pytest.mark.parametrize("group", ["Acme", "a b", "../x", "-a", "a" * 64])
def test_a_group_needs_an_id(group):
    with pytest.raises(ConfigurationError):
        parse_group(group, REMOTE)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(FIELD_NAMES), st.none() | st.booleans() | st.text()))
def test_any_input_is_taken_or_refused_with_fields(values):
    try:
        parsed = parse_group("acme", values)
    except ConfigurationError as error:
        bad = set(error.fields)
    else:
        bad = set()
        assert parsed.to_config(1).namespace.schemas
    assert bad <= set(FIELD_NAMES)
