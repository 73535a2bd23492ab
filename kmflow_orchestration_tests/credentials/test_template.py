"""Rows C6 and C23: the template names every variable, and each of its values is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from dotenv import dotenv_values

import kmflow_orchestration
from kmflow_orchestration.config.ciphertext import KEY_VARIABLE, encrypt
from kmflow_orchestration.config.settings import Settings, load_settings
from kmflow_orchestration.credentials.environment import VARIABLES
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.errors import ConfigurationError

PATH = Path(kmflow_orchestration.__file__).parent.parent / ".env.example"
TEMPLATE = {name: value or "" for name, value in dotenv_values(PATH, interpolate=False).items()}
SETTINGS = {str(field.validation_alias) for field in Settings.model_fields.values()}
OF_A_CONNECTION = {variable for names in VARIABLES.values() for variable in names}
FOUNDING = {"DATABRICKS_SERVER_HOSTNAME": "host", "DATABRICKS_ACCESS_TOKEN": "token"}


def test_the_template_and_the_settings_name_the_same_variables():
    assert {*TEMPLATE} == SETTINGS | OF_A_CONNECTION | {KEY_VARIABLE}


def test_every_variable_has_a_comment_above_it_or_above_its_synonyms():
    lines = PATH.read_text(encoding="utf-8").splitlines()
    for above, line in pairwise(lines):
        if "=" in line and not line.startswith("#"):
            assert above.startswith(("# ", "DATABRICKS_"))


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_setting_left_as_it_is_is_refused_unseen(name, monkeypatch):
    monkeypatch.setenv(name, TEMPLATE[name])
    with pytest.raises(ConfigurationError) as refusal:
        load_settings()
    assert refusal.value.fields == (name,)
    assert "still holds the template value" in str(refusal.value)
    assert TEMPLATE[name] not in str(refusal.value)


@pytest.mark.parametrize("name", sorted(OF_A_CONNECTION))
def test_a_part_of_the_connection_left_as_it_is_is_refused_unseen(name):
    with pytest.raises(ConfigurationError, match=f"{name} still holds the template value") as no:
        OwnConnection({name: TEMPLATE[name]}).group_settings("acme")
    assert no.value.fields == (name,)
    assert TEMPLATE[name] not in str(no.value)


def test_the_key_left_as_it_is_is_refused():
    with pytest.raises(ConfigurationError, match=KEY_VARIABLE):
        encrypt("value", TEMPLATE)


def test_all_that_was_left_is_named_at_once():
    with pytest.raises(ConfigurationError) as refusal:
        OwnConnection(TEMPLATE).group_settings("acme")
    assert {*refusal.value.fields} == OF_A_CONNECTION
