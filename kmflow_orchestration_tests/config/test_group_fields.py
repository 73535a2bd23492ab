"""Sign-in, SQL and output settings of a group (rows A2, A16, A17, C4, C14)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.config.group_config import SECRET_FIELDS, GroupConfig
from kmflow_orchestration.config.group_input import FIELD_NAMES, parse_group
from kmflow_orchestration.config.http_paths import http_path
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.errors import ConfigurationError


def refused(**values: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse_group("acme", values)
    return caught.value


def test_a_service_principal_is_an_id_and_a_reference():
    config = parse_group("acme", {"client_id": "c-1", "client_secret": "env:S"}).to_config(1)
    assert (config.client_id, config.client_secret) == ("c-1", SecretRef("env", "S"))


def test_workload_identity_needs_no_secret():
    assert parse_group("acme", {"client_id": "c-1", "auth_type": "env-oidc"}).client_secret is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/sql/1.0/warehouses/0123456789abcdef", "/sql/1.0/warehouses/0123456789abcdef"),
        ("sql/1.0/endpoints/ab12", "/sql/1.0/endpoints/ab12"),
        ("/sql/protocolv1/o/12345/0101-123456-abc123de", None),
    ],
)
def test_an_http_path_is_kept_with_its_leading_slash(given, kept):
    assert parse_group("acme", {"http_path": given}).http_path == (kept or given)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("http_path", "https://adb-1.7.azuredatabricks.net/sql/1.0/warehouses/ab", "must be /sql"),
        ("http_path", "/sql/1.0/warehouses/ab?o=1", "must be /sql"),
        ("http_path", "/sql/1.0/warehouses/../ab", "must be /sql"),
        ("http_path", "/sql/1.0/warehouses/your-warehouse-id", "template"),
        ("http_path", "0123456789abcdef", "did you mean warehouse_id?"),
        ("profile", "__settings__", "section"),
        ("profile", "a]b", "section"),
        ("profile", "your-profile", "template"),
        ("config_file", "/etc/../secret", "`..`"),
        ("auth_type", "patt", "did you mean pat?"),
        ("client_secret", "dose0canary0", "reference"),
        ("client_secret", "env:S", "client_id"),
        ("client_id", "c" * 256, "255"),
        ("sql_pool_size", 0, "greater"),
        ("sql_pool_size", "5", "whole number"),
        ("sql_max_overflow", -1, "greater"),
        ("sql_pool_recycle_s", 0, "greater"),
        ("sql_pool_timeout_s", 1.5, "whole number"),
        ("warehouse_start_timeout_s", True, "whole number"),
        ("allowed_catalogs", "main", "list"),
        ("allowed_catalogs", ["a b"], "A-Z"),
        ("allowed_catalogs", [""], "at least 1"),
        ("volume_filename_mode", "random", "stable"),
        ("volume_verify", "none", "hash"),
        ("max_file_size_mb", 0, "greater"),
        ("max_file_size_mb", 5001, "less"),
        ("on_upload_error", "ignore", "warn"),
    ],
)
def test_a_bad_value_names_its_field_and_rule(name, value, rule):
    error = refused(**{name: value})
    assert error.fields == (name,)
    assert rule in error.message
    assert "canary" not in str(error)


@pytest.mark.parametrize("auth_type", ["", "oauth-m2m"])
def test_a_client_without_its_secret_is_refused(auth_type):
    assert refused(client_id="c-1", auth_type=auth_type).fields == ("client_secret",)


@given(st.text(max_size=80))
def test_any_text_is_a_path_of_the_three_shapes_or_refused(text):
    with suppress(ValueError):
        kept = http_path(text)
        assert kept.startswith(("/sql/1.0/", "/sql/protocolv1/o/"))
        assert http_path(kept) == kept


def test_the_example_explains_every_setting():
    text = (files("kmflow_orchestration.config") / "example_group.yaml").read_text("utf-8")
    groups = yaml.safe_load(text)["groups"]
    assert {*groups["default"], *groups["acme"]} == {*FIELD_NAMES, "extends"}


def test_every_setting_of_a_group_may_be_written_down():
    known = {"is_enabled" if name == "enabled" else name for name in FIELD_NAMES}
    assert {field.name for field in fields(GroupConfig)} - {"group_id", "version"} == known


def test_the_fields_that_hold_a_secret_are_named():
    typed = [field.name for field in fields(GroupConfig) if "SecretRef" in str(field.type)]
    assert tuple(typed) == SECRET_FIELDS
