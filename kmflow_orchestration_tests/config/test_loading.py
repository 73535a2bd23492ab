"""Row C20: groups from YAML, and a group shown as YAML."""

from __future__ import annotations

from contextlib import suppress
from importlib.resources import files

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.config.exporting import show_group
from kmflow_orchestration.config.loading import load_groups, read_groups
from kmflow_orchestration.errors import ConfigurationError

TWO = """\
groups:
  default:
    workspace_url: https://adb-1.7.azuredatabricks.net
    warehouse_id: w1
    catalog: main
  acme: {extends: default, schema: acme, token: "env:ACME_TOKEN"}
  globex:
    extends: acme
    schema: globex
    token: file:/run/secrets/globex
"""


def refused(text: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read_groups(text, source="g.yaml")
    return caught.value


def test_groups_take_what_they_extend_and_the_template_is_none():
    acme, globex = read_groups(TWO, source="g.yaml")
    assert (acme.group_id, acme.warehouse_id, str(acme.token)) == ("acme", "w1", "env:ACME_TOKEN")
    assert (globex.schema_, globex.catalog) == ("globex", "main")


def test_an_error_names_file_line_group_field_and_rule():
    error = refused(TWO.replace("schema: globex", "volume_file_format: doc"))
    assert error.fields == ("groups.globex.volume_file_format",)
    assert error.message.startswith("g.yaml:9: group globex: volume_file_format: ")


def test_errors_of_all_groups_come_together():
    text = "groups:\n  acme: {token: dapi0, wharehouse_id: x}\n  B: {}\n  c: {extends: acne}\n"
    error = refused(text)
    assert error.fields == (
        "groups.acme.token", "groups.acme.wharehouse_id", "groups.B", "groups.c.extends",
    )  # fmt: skip
    assert "did you mean warehouse_id?" in error.message
    assert "did you mean acme?" in error.message
    assert "dapi0" not in error.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "groups: []",
        "groups: {acme: 3}",
        "groups: {acme: {}}\ngruops: {}",
        "groups: {acme: {extends: b}, b: {extends: acme}}",
        "groups: {acme: {extends: [b]}}",
        "groups: {acme: {}}\nallowed_hosts: host",
        "groups: {acme: {}, acme: {}}",
        "groups: {acme: {catalog: a, catalog: b}}",
        "groups: {acme: {catalog: 2026-99-99}}",
        "groups: &g {acme: *g}",
        "groups: [",
        "\x00",
        "[" * 2000,
        "a: 1\n---\nb: 2",
    ],
)
def test_a_document_of_another_shape_is_refused(text):
    assert str(refused(text)).startswith("g.yaml")


def test_a_syntax_error_does_not_show_the_text():
    error = refused("groups:\n  acme: {token: 'dapi0canary0\n")
    assert error.message.startswith("g.yaml:")
    assert "canary" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no\.yaml"):
        load_groups(tmp_path / "no.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"groups: {acme: {catalog: \xe9}}")
    with pytest.raises(ConfigurationError, match=r"latin\.yaml"):
        load_groups(tmp_path / "latin.yaml")


def test_a_private_host_is_allowed_by_the_file(tmp_path):
    path = tmp_path / "g.yaml"
    text = TWO.replace("https://adb-1.7.azuredatabricks.net", "dbx.corp.internal")
    path.write_text(f"allowed_hosts: [dbx.corp.internal]\n{text}")
    assert load_groups(path)[0].workspace_url == "https://dbx.corp.internal"


def test_the_example_is_complete_and_refused_until_it_is_filled_in():
    text = (files("kmflow_orchestration.config") / "example_group.yaml").read_text("utf-8")
    assert set(refused(text).fields) == {
        "groups.acme.workspace_url", "groups.acme.warehouse_id", "groups.acme.catalog",
    }  # fmt: skip
    filled = (
        text.replace("https://<your-workspace>", "https://dbc-1")
        .replace("<your-warehouse-id>", "0123")
        .replace("<your-catalog>", "main")
    )
    (acme,) = read_groups(filled, source="example")
    assert acme.schema_ == "acme"


def test_a_shown_group_hides_its_secret_and_names_every_field():
    acme, globex = (group.to_config(2) for group in read_groups(TWO, source="g.yaml"))
    shown = yaml.safe_load(show_group(acme))["groups"]["acme"]
    assert shown["token"] == "set (env:ACME_TOKEN)"
    assert (shown["version"], shown["enabled"], shown["schema"]) == (2, True, "acme")
    assert "set (file:/run/secrets/globex)" in show_group(globex)


def test_a_group_without_token_shows_so():
    (local,) = read_groups("groups: {acme: {}}", source="g.yaml")
    assert "token: not set" in show_group(local.to_config(1))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with suppress(ConfigurationError):
        read_groups(f"groups:\n  acme:\n    {text}", source="g.yaml")
