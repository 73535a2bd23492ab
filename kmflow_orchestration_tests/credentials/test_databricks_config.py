"""`DatabricksConfig`: what is in force, and a file beside other sign-ins (D10, CD-S3, CD-S4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.credentials.databricks_config import DatabricksConfig
from kmflow_orchestration.credentials.own_connection import OwnConnection
from kmflow_orchestration.credentials.profiles import read_profile
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.names import GroupId

HOST, OTHER = "https://adb-1.7.azuredatabricks.net", "https://adb-2.7.azuredatabricks.net"
TOKEN = "dapicanary0a1b2c3d"
CFG = f"[dev]\nhost = {HOST}\ntoken = {TOKEN}\n\n[__settings__]\ndefault_profile = dev\n"


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a profile, in a folder without `.env`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DATABRICKS_CONFIG_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".databrickscfg").write_text(CFG)
    (tmp_path / ".databrickscfg").chmod(0o600)
    return tmp_path


def load(user: Path, text: str = "", **environment: str) -> DatabricksConfig:
    path = user / "databricks.yaml"
    path.write_text(text)
    return DatabricksConfig.load_from_environment(path, environment=environment)


def connection(user: Path, text: str, *, options: dict[str, str], **environment: str) -> str:
    """What signs in, and for which host."""
    further = load(user, text, **environment).own_layer()
    own = OwnConnection.of(
        load_settings(), environment=environment, options=options, further=further
    )
    found = own.sign_in_settings("acme")
    return f"{found.profile or found.token or found.auth_type} {found.workspace_url}"


def test_a_group_comes_before_the_file_and_behind_the_environment(user: Path) -> None:
    (user / "f.yaml").write_text(
        "workspace_url: https://adb-3.7.azuredatabricks.net\nprofile: x\n"
        "default_catalog: f\ndefault_schema: f\n"
    )
    group = GroupConfig(
        group_id=GroupId("acme"), version=1, catalog="g", schema="g", workspace_url=OTHER
    )
    variables = {"KMFLOW_DATABRICKS_SCHEMA": "e", "DATABRICKS_HOST": HOST}

    def found(one: GroupConfig | None) -> DatabricksConfig:
        return DatabricksConfig.load_from_environment(
            user / "f.yaml", environment=variables, group=one
        )

    with_group, alone = found(group), found(None)

    assert (with_group.default_catalog, with_group.default_schema) == ("g", "e")
    # Where the group has a workspace, neither environment nor file says where to go.
    assert (with_group.workspace_url, with_group.profile) == (OTHER, "")
    assert (alone.default_catalog, alone.workspace_url, alone.profile) == ("f", HOST, "x")
    assert alone.sources["workspace_url"] == "env:DATABRICKS_HOST"
    variables["DATABRICKS_TOKEN"] = TOKEN
    assert found(None).profile == ""  # the environment signs in by itself


def test_both_names_of_a_variable_must_say_the_same(user: Path) -> None:
    same = load(user, DATABRICKS_HOST=HOST, DATABRICKS_SERVER_HOSTNAME=HOST)
    assert same.workspace_url == HOST
    with pytest.raises(ConfigurationError, match="two values for host"):
        load(user, DATABRICKS_HOST=HOST, DATABRICKS_SERVER_HOSTNAME=OTHER)
    with pytest.raises(ConfigurationError, match="KMFLOW_DATABRICKS_CATALOG: is no name"):
        load(user, KMFLOW_DATABRICKS_CATALOG="a b")


@pytest.mark.parametrize(
    ("text", "options", "environment", "signs_in"),
    [
        ("profile: dev", {}, {}, f"dev {HOST}"),
        ("profile: dev", {"host": HOST}, {}, f"dev {HOST}"),
        (
            f"workspace_url: {OTHER}\nprofile: gone",
            {"host": HOST, "token": TOKEN},
            {},
            f"env:--token {HOST}",
        ),
        (f"workspace_url: {OTHER}", {}, {"DATABRICKS_CONFIG_PROFILE": "dev"}, f"dev {HOST}"),
        (
            f"workspace_url: {OTHER}\nprofile: gone",
            {},
            {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": TOKEN},
            f"env:DATABRICKS_TOKEN {HOST}",
        ),
        (f"workspace_url: {OTHER}", {"auth_type": "databricks-cli"}, {}, f"databricks-cli {OTHER}"),
        (
            f"workspace_url: {OTHER}\nprofile: gone",
            {"host": HOST, "auth_type": "databricks-cli"},
            {},
            f"databricks-cli {HOST}",
        ),
    ],
    ids=["file", "flag-host", "flags", "named", "environment", "method", "flag-method"],
)
def test_the_file_is_the_last_to_say_where_and_who(
    text: str, options: dict[str, str], environment: dict[str, str], signs_in: str, user: Path
) -> None:
    assert connection(user, text, options=options, **environment) == signs_in


@pytest.mark.parametrize(
    ("text", "options", "environment"),
    [
        # A token is for no host but the one it was given with.
        (f"workspace_url: {OTHER}", {"token": TOKEN}, {}),
        (f"workspace_url: {OTHER}", {}, {"DATABRICKS_TOKEN": TOKEN}),
        ("profile: dev", {"host": OTHER}, {}),
        (f"workspace_url: {OTHER}\nprofile: dev", {}, {}),
        (f"workspace_url: {HOST}", {}, {}),
    ],
    ids=["flag-token", "token", "flag-host", "two-hosts", "host-alone"],
)
def test_host_and_credential_of_different_places_are_refused(
    text: str, options: dict[str, str], environment: dict[str, str], user: Path
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connection(user, text, options=options, **environment)
    assert TOKEN not in str(refused.value)


def test_a_profile_of_the_databricks_cli_is_taken_over(user: Path) -> None:
    for found in (
        DatabricksConfig.load_from_databricks_cli(environment={}),
        DatabricksConfig.load_from_databricks_cli("dev", environment={}),
    ):
        assert (found.workspace_url, found.profile) == (HOST, "dev")
        assert TOKEN not in repr(found)
    with pytest.raises(ConfigurationError, match="has no profile 'none': it has dev"):
        DatabricksConfig.load_from_databricks_cli("none", environment={})


def test_a_token_is_saved_in_a_profile_and_the_rest_in_the_file(user: Path) -> None:
    config = load(user, "# mine\nparallel: 2\n", KMFLOW_DATABRICKS_CATALOG="main")

    for token in (TOKEN, Secret(TOKEN)):
        assert config.save_config(f"{OTHER}/?o=7", token) == user / "databricks.yaml"

    assert read_profile(user / ".databrickscfg", "kmflow").values == {"host": OTHER, "token": TOKEN}
    assert (user / ".databrickscfg").read_text().startswith(CFG)
    text = (user / "databricks.yaml").read_text()
    assert text == (
        f'# mine\nparallel: 2\nworkspace_url: "{OTHER}"\nprofile: "kmflow"\n'
        'default_catalog: "main"\n'
    )
    with pytest.raises(ConfigurationError, match="for another workspace"):
        config.save_config(HOST, TOKEN)
    assert read_profile(user / ".databrickscfg", "kmflow").host == OTHER
