"""Another sign-in for a group, and Volumes tried where they are mounted (rows D7 and C16)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.secret_refs import Secret, SecretRef
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.errors import ConfigurationError, InvalidOptions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.check_volume import check_mounted
from kmflow_orchestration.operations.volume_conversion.mounts import DatabricksEnvironment
from kmflow_orchestration.operations.volume_conversion.sign_ins import (
    NONE_GIVEN,
    GivenSignIn,
    signed_in,
)
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes
from kmflow_orchestration.storage.volume_access import MountedVolumes
from kmflow_orchestration_tests.fakes import FakeClock

HOST = "https://adb-1.7.azuredatabricks.net"
TOKEN = Secret("dapicanary0a1b2c3d")
ACME = GroupConfig(
    group_id=GroupId("acme"),
    version=3,
    catalog="kmflow",
    schema="acme",
    workspace_url=HOST,
    client_id="app",
    client_secret=SecretRef("env", "ACME_SECRET"),
)
LOCAL = GroupConfig(group_id=GroupId("acme"), version=1, catalog="main", schema="acme")

ELSEWHERE = {"DATABRICKS_HOST": "https://adb-9.7.azuredatabricks.net", "DATABRICKS_TOKEN": "dapi9"}


def test_without_flags_a_groups_settings_stay_as_they_are() -> None:
    for config in (ACME, LOCAL):
        found = signed_in(
            config, NONE_GIVEN, load_settings(environment="dev"), environment=ELSEWHERE
        )
        assert found.config == config
        assert found.own is None


def test_a_given_token_replaces_all_of_the_groups_own_sign_in() -> None:
    given = GivenSignIn(token=TOKEN, auth_type="pat")

    found = signed_in(ACME, given, load_settings(environment="dev"), environment=ELSEWHERE).config

    assert (found.workspace_url, str(found.token)) == (HOST, "env:--token")
    assert (found.client_id, found.client_secret, found.profile) == ("", None, "")
    assert (found.catalog, found.schema, found.version) == ("kmflow", "acme", 3)
    assert "canary" not in f"{given!r} {found!r}"


def test_a_method_alone_pins_one_of_the_groups_own() -> None:
    found = signed_in(
        ACME,
        GivenSignIn(auth_type="oauth-m2m"),
        load_settings(environment="dev"),
        environment=ELSEWHERE,
    )
    assert (found.config.auth_type, found.config.client_id) == ("oauth-m2m", "app")
    assert found.own is None


def test_a_group_without_a_workspace_takes_one_that_was_given() -> None:
    given = GivenSignIn(workspace_url=f"{HOST}/?o=7", token=TOKEN)
    found = signed_in(LOCAL, given, load_settings(environment="dev"), environment=ELSEWHERE).config
    assert (found.workspace_url, str(found.token)) == (HOST, "env:--token")


@pytest.mark.parametrize(
    ("config", "given"),
    [
        (ACME, GivenSignIn(workspace_url=ELSEWHERE["DATABRICKS_HOST"])),
        (ACME, GivenSignIn(workspace_url="ftp://x", token=TOKEN)),
        (LOCAL, GivenSignIn(token=TOKEN)),
        (LOCAL, GivenSignIn(workspace_url=HOST)),
    ],
    ids=["another", "no-address", "no-host", "no-credential"],
)
def test_half_a_sign_in_or_another_workspace_is_refused(
    config: GroupConfig, given: GivenSignIn
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        signed_in(config, given, load_settings(environment="dev"), environment=ELSEWHERE)
    assert "canary" not in str(refused.value)


def test_a_mounted_volume_is_tried_as_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "main" / "acme" / "work"
    folder.mkdir(parents=True)
    volumes = Volumes(MountedVolumes(tmp_path), catalog="main", schema="acme")
    here = DatabricksEnvironment("15.4", is_serverless=False, has_volumes=True)

    good = check_mounted(volumes, here, "vol:work", FakeClock())
    missing = check_mounted(volumes, here, "/Volumes/main/acme/none", FakeClock())

    assert [(step.name, step.status) for step in good.steps] == [
        ("environment", "ok"),
        ("read", "ok"),
        ("write", "ok"),
    ]
    assert list(folder.iterdir()) == []
    assert (missing.message.partition(":")[0], missing.exit_code) == ("read", 1)
    with pytest.raises(InvalidOptions):
        check_mounted(volumes, here, "", FakeClock())
