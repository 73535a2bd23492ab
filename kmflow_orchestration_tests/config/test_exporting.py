"""Row C20: groups written as YAML come back as they were."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.config.exporting import export_groups
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import InputRules, parse_group
from kmflow_orchestration.config.group_values import changed_names, written
from kmflow_orchestration.config.loading import read_groups
from kmflow_orchestration.config.placeholders import is_placeholder

PRIVATE = "https://dbx.corp.internal"
RULES = InputRules(allowed_hosts=("dbx.corp.internal",))


def group(name: str, **values: Any) -> GroupConfig:
    return parse_group(name, values, rules=RULES).to_config(1)


def back(text: str) -> list[GroupConfig]:
    return [one.to_config(1) for one in read_groups(text, source="g.yaml")]


REMOTE = {"workspace_url": PRIVATE, "warehouse_id": "0123456789", "catalog": "main"}


def test_what_groups_have_in_common_stands_once():
    groups = [
        group("acme", **REMOTE, schema="acme", token="env:A"),
        group("globex", **REMOTE, schema="globex", enabled=False),
    ]
    text = export_groups(groups)

    document = yaml.safe_load(text)
    assert document["allowed_hosts"] == ["dbx.corp.internal"]
    assert document["groups"]["default"] == REMOTE
    assert document["groups"]["acme"] == {"extends": "default", "schema": "acme", "token": "env:A"}
    assert back(text) == groups


def test_one_group_stands_alone_and_says_only_what_is_its_own():
    acme = group("acme", **REMOTE, schema="acme")
    assert yaml.safe_load(export_groups([acme]))["groups"] == {"acme": {**REMOTE, "schema": "acme"}}


def test_local_groups_need_no_hosts():
    groups = [group("acme"), group("globex")]
    assert "allowed_hosts" not in export_groups(groups)
    assert back(export_groups(groups)) == groups


def test_no_groups_are_an_empty_file_of_groups():
    assert yaml.safe_load(export_groups([])) == {"groups": {}}


def is_plain_word(text: str) -> bool:
    return text.isalnum() and not is_placeholder(text)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "catalog": st.sampled_from(["main", "0123", "null-1", "TRUE"]),
        "token": st.sampled_from(["env:A", "file:/run/a b", None]),
        "client_id": st.just(""),
        "mlflow_experiment_name": st.none() | WORDS.filter(is_plain_word),
        "sql_pool_size": st.integers(1, 1000),
        "allowed_catalogs": st.lists(st.sampled_from(["main", "a_b", "1e3"]), max_size=3),
        "volume_path": st.sampled_from([None, "c.s.v", "/Volumes/c/s/v/ä b"]),
    },
)


@given(st.dictionaries(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True), SETTINGS))
def test_every_export_is_imported_as_it_was(given_groups):
    groups = [group(name, **values) for name, values in given_groups.items() if name != "default"]
    assert back(export_groups(groups)) == groups


def test_written_settings_are_parsed_to_the_same():
    acme = group("acme", **REMOTE, schema="acme", token="env:A", allowed_catalogs=["main"])
    again = parse_group("acme", written(acme), rules=RULES).to_config(1)
    assert again == acme
    assert changed_names(acme, again) == []
