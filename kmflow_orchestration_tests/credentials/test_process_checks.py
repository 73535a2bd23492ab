"""Rows C1, C5, C15, C22: what stops a process from starting, all of it in one message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import kmflow_orchestration
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.credentials.process_checks import check_process
from kmflow_orchestration.errors import ConfigurationError

ROOT = Path(kmflow_orchestration.__file__).parent.parent
WHOLE = {
    "USE_DATABRICKS": "true",
    "KMFLOW_DEFAULT_GROUP": "acme",
    "DATABRICKS_SERVER_HOSTNAME": "ADB-1.7.azuredatabricks.net",
    "DATABRICKS_ACCESS_TOKEN": "dapi9e107d9d372bb6826bd81d3542a419d6",
    "DATABRICKS_HTTP_PATH": "sql/1.0/warehouses/0a1b2c",
    "DATABRICKS_CATALOG": "main",
    "DATABRICKS_SCHEMA": "acme",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("KMFLOW_", "DATABRICKS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def check(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    check_process(load_settings())


def refusal(monkeypatch, **variables) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refused:
        check(monkeypatch, **variables)
    assert refused.value.exit_code == 3
    return refused.value


def without(*names):
    return {name: value for name, value in WHOLE.items() if name not in names}


def test_a_whole_connection_starts(monkeypatch):
    check(monkeypatch, **WHOLE)


def test_switched_off_nothing_of_databricks_is_needed_or_read(monkeypatch):
    check(
        monkeypatch, KMFLOW_DEFAULT_GROUP="acme", DATABRICKS_HOST="http://x", DATABRICKS_TOKEN="t"
    )


def test_everything_missing_is_named_at_once_with_the_group_and_both_ways(monkeypatch):
    refused = refusal(monkeypatch, USE_DATABRICKS="yes", KMFLOW_DEFAULT_GROUP="acme")
    assert str(refused) == (
        "group acme: missing DATABRICKS_HOST, DATABRICKS_TOKEN or DATABRICKS_CONFIG_PROFILE, "
        "DATABRICKS_HTTP_PATH or DATABRICKS_WAREHOUSE_ID, DATABRICKS_CATALOG, DATABRICKS_SCHEMA "
        "(sign in with DATABRICKS_TOKEN, or with a profile that DATABRICKS_CONFIG_PROFILE names)"
    )
    assert len(refused.fields) == 5


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        ("DATABRICKS_SERVER_HOSTNAME", "missing DATABRICKS_HOST"),
        ("DATABRICKS_ACCESS_TOKEN", "missing DATABRICKS_TOKEN or DATABRICKS_CONFIG_PROFILE"),
        ("DATABRICKS_HTTP_PATH", "missing DATABRICKS_HTTP_PATH or DATABRICKS_WAREHOUSE_ID"),
        ("DATABRICKS_CATALOG", "missing DATABRICKS_CATALOG"),
    ],
)
def test_one_thing_missing_is_that_thing(monkeypatch, lacking, says):
    assert says in str(refusal(monkeypatch, **without(lacking)))


def test_a_warehouse_id_stands_for_the_path(monkeypatch):
    check(monkeypatch, **without("DATABRICKS_HTTP_PATH"), DATABRICKS_WAREHOUSE_ID="0a1b2c")


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("DATABRICKS_SERVER_HOSTNAME", "http://adb-1.7.azuredatabricks.net", "https://"),
        ("DATABRICKS_SERVER_HOSTNAME", "dbc.corp.test", "no Databricks domain"),
        (
            "DATABRICKS_SERVER_HOSTNAME",
            "https://u:pass-4f9d@adb-1.azuredatabricks.net",
            "user name",
        ),
        ("DATABRICKS_HTTP_PATH", "0a1b2c", "did you mean warehouse_id"),
        ("DATABRICKS_HTTP_PATH", "/sql/1.0/warehouses/0a?x=1", "must be /sql"),
        ("DATABRICKS_ACCESS_TOKEN", "Bearer dapi9e107d9d372bb6826", "remove the prefix"),
        ("DATABRICKS_ACCESS_TOKEN", "dapi9e10 7d9d372bb6826", "blanks"),
        ("DATABRICKS_ACCESS_TOKEN", "your-token", "still holds the template value"),
        ("DATABRICKS_CATALOG", "a b", "A-Z"),
    ],
)
def test_a_value_that_breaks_a_rule_is_named_by_its_variable(monkeypatch, variable, value, says):
    refused = refusal(monkeypatch, **WHOLE | {variable: value})
    assert says in str(refused)
    assert variable in str(refused)
    assert "pass-4f9d" not in str(refused)
    assert "dapi9e10" not in str(refused)


def test_a_host_of_the_company_can_be_allowed(monkeypatch):
    own = WHOLE | {"DATABRICKS_SERVER_HOSTNAME": "dbc.corp.test"}
    check(monkeypatch, **own, KMFLOW_ALLOWED_HOSTS="other.test, *.corp.test")


def test_without_strict_mode_an_incomplete_connection_waits_for_its_use(monkeypatch):
    check(monkeypatch, **without("DATABRICKS_CATALOG"), DATABRICKS_STRICT="no")


PRODUCTION = {
    "DATABRICKS_STRICT": ("false", "strict mode cannot be switched off"),
    "KMFLOW_TLS_VERIFY": ("false", "certificates must be checked"),
    "DATABRICKS_DEBUG_HEADERS": ("true", "shows headers"),
}


@pytest.mark.parametrize("name", PRODUCTION)
def test_production_does_not_let_it_be_switched(monkeypatch, name):
    value, says = PRODUCTION[name]
    check(monkeypatch, **{name: value})
    refused = refusal(monkeypatch, KMFLOW_ENV="production", **{name: value})
    assert refused.fields == (name,)
    assert says in str(refused)


def test_production_takes_no_workspace_on_this_machine(monkeypatch):
    local = {"DATABRICKS_SERVER_HOSTNAME": "http://127.0.0.1:1"}
    local |= {"KMFLOW_ALLOW_INSECURE_LOOPBACK": "yes"}
    check(monkeypatch, **WHOLE | local)
    refused = refusal(monkeypatch, KMFLOW_ENV="production", **WHOLE | local)
    assert "KMFLOW_ALLOW_INSECURE_LOOPBACK: is refused in production" in str(refused)


def test_certificates_that_are_not_there_are_named(monkeypatch):
    assert "no certificates at /absent: No such file" in str(
        refusal(monkeypatch, KMFLOW_CA_BUNDLE="/absent")
    )


def test_all_of_it_comes_in_one_message(monkeypatch):
    refused = refusal(
        monkeypatch,
        KMFLOW_ENV="production",
        KMFLOW_TLS_VERIFY="no",
        KMFLOW_CA_BUNDLE="/absent",
        **without("DATABRICKS_CATALOG"),
    )
    assert refused.fields == ("KMFLOW_TLS_VERIFY", "KMFLOW_CA_BUNDLE", "DATABRICKS_CATALOG")


@pytest.mark.slow
def test_the_code_location_refuses_to_load_and_says_why(tmp_path):
    # In a folder of its own: a developer's `.env` beside the sources must not count.
    module = ("-m", "kmflow_orchestration.definitions")
    loaded = subprocess.run(
        [str(Path(sys.executable).parent / "dagster"), "definitions", "validate", *module],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            **without("DATABRICKS_CATALOG", "DATABRICKS_SCHEMA"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = loaded.stdout + loaded.stderr
    assert loaded.returncode != 0
    assert "group acme: missing DATABRICKS_CATALOG, DATABRICKS_SCHEMA" in said
    assert "dapi9e107d9d372bb6826bd81d3542a419d6" not in said
