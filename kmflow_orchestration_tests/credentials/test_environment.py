"""Row C2 and CD-S2: both names of each variable, and a `.env` that overwrites nothing."""

from __future__ import annotations

import pytest

from kmflow_orchestration.credentials.environment import VARIABLES, dotenv_variables, read_layer
from kmflow_orchestration.errors import ConfigurationError, CredentialError

PAIRS = [(name, names) for name, names in VARIABLES.items() if len(names) > 1]


@pytest.mark.parametrize(("name", "names"), PAIRS)
def test_either_name_gives_the_field_and_says_which(name, names):
    for variable in names:
        layer = read_layer("env", {variable: " value-4f9d "})
        assert (layer.values[name].value, layer.source(name)) == ("value-4f9d", f"env:{variable}")


@pytest.mark.parametrize(("name", "names"), PAIRS)
def test_the_same_value_under_both_names_is_fine(name, names):
    assert read_layer("env", dict.fromkeys(names, "value-4f9d")).has(name)


@pytest.mark.parametrize(("name", "names"), PAIRS)
def test_two_values_are_refused_and_those_of_a_secret_not_shown(name, names):
    given = {variable: f"{name}-{number}-4f9d" for number, variable in enumerate(names)}
    with pytest.raises(ConfigurationError, match=f"two values for {name} in env: ") as refusal:
        read_layer("env", given)
    assert refusal.value.fields == names
    assert refusal.value.exit_code == 3
    assert (f"{name}-1-4f9d" in str(refusal.value)) is (name != "token")


def test_an_empty_variable_is_none():
    assert not read_layer("env", {"DATABRICKS_HOST": " ", "DATABRICKS_TOKEN": ""}).values


def test_the_peers_lower_case_variables_are_not_read():
    assert not read_layer("env", {"databricks": "x", "local_databricks": "x"}).values


def test_a_dotenv_is_read_as_it_stands(tmp_path):
    path = tmp_path / ".env"
    path.write_text("A=1\nDATABRICKS_TOKEN='dapi$x${A}'\nEMPTY=\n")
    path.chmod(0o600)
    assert dotenv_variables(path, production=True) == {"A": "1", "DATABRICKS_TOKEN": "dapi$x${A}"}
    assert dotenv_variables(tmp_path / "absent", production=True) == {}


@pytest.mark.parametrize("name", ["DATABRICKS_TOKEN", "ACME_TOKEN", "KMFLOW_FERNET_KEY"])
def test_a_dotenv_with_a_secret_must_be_its_owners_alone(tmp_path, caplog, name):
    path = tmp_path / ".env"
    path.write_text(f"{name}=value-4f9d\n")
    path.chmod(0o644)
    assert dotenv_variables(path, production=False)
    assert f"chmod 600 {path}" in caplog.text
    with pytest.raises(CredentialError, match="chmod 600"):
        dotenv_variables(path, production=True)


def test_a_dotenv_without_one_may_be_read_by_all(tmp_path, caplog):
    path = tmp_path / ".env"
    path.write_text("STORAGE_BACKEND=local\n")
    path.chmod(0o644)
    assert dotenv_variables(path, production=True)
    assert caplog.text == ""
