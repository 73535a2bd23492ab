"""Which places of Volumes a group's conversions may use; nothing is asked of the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.errors import (
    AccessRefused,
    ConfigurationError,
    GroupMismatch,
    PlaceNotAllowed,
    RemoteNotFound,
    TokenExpired,
    VolumeNotFoundError,
)
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.volume_conversion.mounts import (
    databricks_environment,
    is_databricks_environment,
    mounted_volumes,
)
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.operations.volume_conversion.volumes import naming_grants
from kmflow_orchestration_tests.embedded_groups import group_config

HOST = "https://adb-1.7.azuredatabricks.net"
ACME = group_config(
    "acme",
    workspace_url=HOST,
    volume_path="/Volumes/results/acme/outputs",
    landing_path="/Volumes/drops/acme/in",
)
GLOBEX = group_config(
    "globex",
    workspace_url=HOST,
    volume_path="/Volumes/kmflow/shared/globex",
    landing_path="/Volumes/kmflow/drops/globex",
    knowledge_volume_path="/Volumes/kmflow/know/globex",
)
PLACES = GroupPlaces(ACME, lambda: [ACME, GLOBEX])


def path(text: str) -> VolumePath:
    return VolumePath.parse(text)


@pytest.mark.parametrize(
    "place",
    [
        "/Volumes/kmflow/acme_evidence/raw_evidence/dropped/a.csv",
        "/Volumes/KMFLOW/anything/work/a.csv",
        "/Volumes/results/acme/outputs/a.json",
        "/Volumes/drops/acme/in/e1/a.csv",
    ],
)
def test_a_group_reads_in_its_catalogs_and_its_own_places(place: str) -> None:
    PLACES.check_source(path(place))


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("/Volumes/other/s/v/a.csv", PlaceNotAllowed),
        ("/Volumes/drops/globex/in/a.csv", PlaceNotAllowed),
        ("/Volumes/kmflow/acme_evidence/raw_evidence/evidence_store/e1/a.csv", PlaceNotAllowed),
        ("/Volumes/kmflow/GLOBEX_evidence/any/a.csv", GroupMismatch),
        ("/Volumes/kmflow/globex_evidence_gold/any/a.csv", GroupMismatch),
        ("/Volumes/kmflow/shared/globex/a.csv", GroupMismatch),
        ("/Volumes/kmflow/shared/Globex", GroupMismatch),
        ("/Volumes/kmflow/drops/globex/a.csv", GroupMismatch),
        ("/Volumes/kmflow/know/globex/a.csv", GroupMismatch),
    ],
)
def test_it_reads_nowhere_else(place: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        PLACES.check_source(path(place))


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("/Volumes/other/s/v/a.csv", PlaceNotAllowed),
        ("/Volumes/kmflow/acme_evidence/raw_evidence/x/a.csv", PlaceNotAllowed),
        ("/Volumes/drops/acme/in/a.csv", PlaceNotAllowed),
        ("/Volumes/kmflow/globex_evidence/any/a.csv", GroupMismatch),
        ("/Volumes/kmflow/shared/globex/x", GroupMismatch),
    ],
)
def test_results_go_neither_among_evidence_nor_to_neighbours(
    place: str, error: type[Exception]
) -> None:
    PLACES.check_target(path("/Volumes/kmflow/acme_evidence/work/a.parquet"))
    with pytest.raises(error):
        PLACES.check_target(path(place))


def test_a_neighbour_of_another_workspace_is_none() -> None:
    elsewhere = group_config("globex", workspace_url="https://adb-2.7.azuredatabricks.net")
    places = GroupPlaces(ACME, lambda: [elsewhere])

    places.check_source(path("/Volumes/kmflow/globex_evidence/any/a.csv"))


@pytest.mark.parametrize(
    ("environment", "is_inside"),
    [
        ({"DATABRICKS_RUNTIME_VERSION": "15.4"}, True),
        ({"IS_SERVERLESS": "TRUE"}, True),
        ({"IS_SERVERLESS": "false"}, False),
        (
            {"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": "t", "DATABRICKS_CONFIG_PROFILE": "p"},
            False,
        ),
        ({}, False),
    ],
)
def test_only_the_runtime_says_that_this_is_databricks(
    environment: dict[str, str], is_inside: bool, tmp_path: Path
) -> None:
    assert is_databricks_environment(environment) is is_inside
    found = mounted_volumes(environment=environment, mount=tmp_path, max_size_mb=7)
    assert (found is not None) is is_inside
    assert found is None or found.most_bytes == 7 << 20
    assert mounted_volumes(environment=environment, mount=tmp_path / "none") is None


def test_only_what_is_about_the_place_gets_a_grant_as_hint() -> None:
    place = path("/Volumes/c/s/v`x/a.csv")

    with pytest.raises(AccessRefused) as refused, naming_grants(place, "READ VOLUME"):
        raise AccessRefused("no")
    with pytest.raises(TokenExpired) as expired, naming_grants(place, "READ VOLUME"):
        raise TokenExpired("over")
    with pytest.raises(VolumeNotFoundError), naming_grants(place, "READ VOLUME"):
        raise RemoteNotFound("no such volume")
    assert "ON VOLUME `c`.`s`.`v``x`" in refused.value.hint
    assert expired.value.hint == ""


def test_what_runs_inside_databricks_is_told(tmp_path: Path) -> None:
    serverless = databricks_environment({"IS_SERVERLESS": "TRUE"}, mount=tmp_path / "none")
    cluster = databricks_environment({"DATABRICKS_RUNTIME_VERSION": "15.4"}, mount=tmp_path)

    assert serverless is not None
    assert cluster is not None
    assert serverless.told == "serverless, /Volumes not mounted"
    assert cluster.told == "a cluster, runtime 15.4, /Volumes mounted"
    assert databricks_environment({"DATABRICKS_HOST": HOST}) is None


@pytest.mark.parametrize(
    ("environment", "is_refused", "warns"),
    [
        ({"DATABRICKS_RUNTIME_VERSION": "10.4.x-scala2.12"}, True, False),
        ({"DATABRICKS_RUNTIME_VERSION": "11.2"}, True, False),
        ({"DATABRICKS_RUNTIME_VERSION": "11.3"}, False, True),
        ({"DATABRICKS_RUNTIME_VERSION": "13.2"}, False, True),
        ({"DATABRICKS_RUNTIME_VERSION": "13.3.x-cpu-ml"}, False, False),
        ({"DATABRICKS_RUNTIME_VERSION": "client.2.5", "IS_SERVERLESS": "true"}, False, False),
    ],
)
def test_a_runtime_without_volumes_is_refused_and_one_where_they_are_new_warned_of(
    environment: dict[str, str],
    is_refused: bool,
    warns: bool,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if is_refused:
        with pytest.raises(ConfigurationError, match="too old"):
            mounted_volumes(environment=environment, mount=tmp_path)
    else:
        assert mounted_volumes(environment=environment, mount=tmp_path) is not None
    assert bool(caplog.messages) is warns
