from __future__ import annotations

import pytest

from kmflow_orchestration.errors import GroupMismatch, PlaceNotAllowed
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.outputs.places import check_own, overlap, refuse_neighbours, within
from kmflow_orchestration_tests.embedded_groups import group_config

HOST = {"workspace_url": "https://one.cloud.databricks.com"}
ACME = group_config("acme", **HOST, volume_path="/Volumes/users/shared/outputs/acme")
GLOBEX = group_config("globex", **HOST, volume_path="/Volumes/users/shared/outputs/globex")


def place(text: str) -> VolumePath:
    return VolumePath.parse(text)


@pytest.mark.parametrize(
    ("path", "around", "expected"),
    [
        ("/Volumes/c/s/v/a/b", "/Volumes/c/s/v/a", True),
        ("/Volumes/c/s/v/a", "/Volumes/c/s/v/a", True),
        ("/Volumes/C/S/V/a", "/Volumes/c/s/v", True),
        ("/Volumes/c/s/v/ab", "/Volumes/c/s/v/a", False),
        ("/Volumes/c/s/v/A", "/Volumes/c/s/v/a", False),
        ("/Volumes/c/s/v", "/Volumes/c/s/v/a", False),
        ("/Volumes/c/s/v2", "/Volumes/c/s/v", False),
    ],
)
def test_containment_is_by_components(path: str, around: str, expected: bool) -> None:
    assert within(place(path), place(around)) is expected
    if expected:
        assert overlap(place(path), place(around))
        assert overlap(place(around), place(path))


@pytest.mark.parametrize(
    "path",
    [
        "/Volumes/users/shared/outputs/globex",
        "/Volumes/users/shared/outputs/globex/deeper",
        "/Volumes/Users/SHARED/outputs/globex",
        "/Volumes/users/shared/outputs",
        "/Volumes/kmflow/globex_evidence/raw_evidence",
    ],
)
def test_a_neighbours_place_is_refused(path: str) -> None:
    with pytest.raises(GroupMismatch):
        refuse_neighbours(place(path), ACME, [ACME, GLOBEX])


@pytest.mark.parametrize("path", ["/Volumes/users/shared/outputs/acme", "/Volumes/users/s/v"])
def test_ones_own_place_and_nobodys_are_not(path: str) -> None:
    refuse_neighbours(place(path), ACME, [ACME, GLOBEX])


def test_the_same_path_in_another_workspace_is_another_place() -> None:
    elsewhere = group_config(
        "globex",
        workspace_url="https://two.cloud.databricks.com",
        volume_path="/Volumes/users/shared/outputs",
    )
    refuse_neighbours(place("/Volumes/users/shared/outputs/acme"), ACME, [elsewhere])


@pytest.mark.parametrize(
    "path",
    [
        "/Volumes/users/shared/outputs/globex/x.json",
        "/Volumes/users/shared/outputs",
        "/Volumes/users/shared/outputs/acme2/x.json",
        "/Volumes/kmflow/acme_evidence/raw_evidence/evidence_store/e1/x",
    ],
)
def test_only_where_ones_own_outputs_went_may_be_looked_at(path: str) -> None:
    own = [place("/Volumes/users/shared/outputs/acme")]

    check_own(place("/Volumes/users/shared/outputs/acme/run/x.json"), own, ACME)
    with pytest.raises(PlaceNotAllowed):
        check_own(place(path), own, ACME)
