"""Design AD4: what no two groups may share."""

from __future__ import annotations

from typing import Any

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.group_overlaps import refuse_overlap
from kmflow_orchestration.errors import ConfigurationError

HERE = "https://adb-1.7.azuredatabricks.net"


def group(name: str, **values: Any) -> GroupConfig:
    known = {"workspace_url": HERE, "warehouse_id": "w", "catalog": "main", "schema": name}
    return parse_group(name, {**known, **values}).to_config(1)


def collide(one: GroupConfig, other: GroupConfig) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError, match=str(other.group_id)) as caught:
        refuse_overlap(one, [other])
    return caught.value.fields


@pytest.mark.parametrize("name", ["volume_path", "knowledge_volume_path"])
@pytest.mark.parametrize(
    "mine", ["main.out.put", "Main.Out.PUT", "/Volumes/main/out/put/below"], ids=str
)
def test_two_groups_never_share_a_volume_for_files(name, mine):
    globex = group("globex", volume_path="main.out.put")
    assert collide(group("acme", **{name: mine}), globex) == (name,)


def test_a_volume_around_anothers_folder_is_shared_too():
    globex = group("globex", volume_path="/Volumes/main/out/put/globex")
    assert collide(group("acme", volume_path="main.out.put"), globex) == ("volume_path",)


def test_two_folders_of_one_volume_are_apart():
    acme = group("acme", volume_path="/Volumes/main/out/put/acme")
    refuse_overlap(acme, [group("globex", volume_path="/Volumes/main/out/put/globex")])


@pytest.mark.parametrize("schema", ["globex", "globex_gold", "GLOBEX"])
def test_no_group_writes_files_into_anothers_schemas(schema):
    acme = group("acme", volume_path=f"main.{schema}.files")
    assert collide(acme, group("globex")) == ("volume_path",)
    assert collide(group("globex"), acme) == ("catalog", "schema")


def test_the_same_names_on_another_host_are_other_places():
    elsewhere = group(
        "globex", workspace_url="https://a.cloud.databricks.com", volume_path="main.out.put"
    )
    refuse_overlap(group("acme", volume_path="main.out.put"), [elsewhere])


def test_a_groups_own_former_settings_do_not_stand_in_its_way():
    acme = group("acme", volume_path="main.acme.files", landing_path="/in")
    refuse_overlap(acme, [acme])


@pytest.mark.parametrize(
    "mine",
    [
        "/Volumes/main/globex/in/dropped",
        "/Volumes/raw/in/box/globex/e1",
        "/Volumes/RAW/in/box/globex",
    ],
    ids=["schema", "inside", "case"],
)
def test_no_group_takes_evidence_from_anothers_volume(mine):
    globex = group("globex", landing_path="/Volumes/raw/in/box/globex")
    assert collide(group("acme", landing_path=mine), globex) == ("landing_path",)


def test_no_group_takes_anothers_outputs_for_evidence():
    globex = group("globex", volume_path="raw.out.put")
    landing = group("acme", landing_path="/Volumes/raw/out/put/below")
    assert collide(landing, globex) == ("landing_path",)


def test_the_same_directory_of_two_workspaces_is_two():
    place = "/Volumes/raw/in/box/dropped"
    other = group("globex", landing_path=place, workspace_url="https://adb-2.7.azuredatabricks.net")
    refuse_overlap(group("acme", landing_path=place), [other, group("third", landing_path="/in")])
