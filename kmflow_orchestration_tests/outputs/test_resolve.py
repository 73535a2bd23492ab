"""Row A17: the group's rule, a task's own settings, and where each of them came from."""

from __future__ import annotations

from typing import Any

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import ConfigurationError, PlaceNotAllowed
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.outputs.resolve import ResolvedUpload, resolve_upload
from kmflow_orchestration_tests.embedded_groups import group_config

PATH = "/Volumes/main/default/task_outputs"
SECRET = "dapi0123456789abcdef"


def acme(**settings: object) -> GroupConfig:
    """A group that uploads, in catalog `main`."""
    known = {"catalog": "main", "volume_enabled": True, "volume_path": PATH}
    return group_config("acme", **{**known, **settings})


GROUP = {
    "volume_file_format": "csv",
    "volume_create_date_dirs": False,
    "volume_filename_mode": "timestamped",
    "max_file_size_mb": 50,
    "on_upload_error": "warn",
    "volume_verify": "hash",
}
TASK = {
    "volume_path": "main.analytics.ml_outputs",
    "file_format": "txt",
    "create_date_dirs": True,
    "filename_mode": "stable",
    "max_file_size_mb": 7,
    "on_upload_error": "fail",
    "verify": "size",
}
# of the group | of the task | what is resolved, as `value from origin`
CASES: dict[str, tuple[dict[str, object], dict[str, object] | None, dict[str, str]]] = {
    "nothing said": (
        {},
        None,
        {
            "enabled": "True from group",
            "volume_path": f"{PATH} from group",
            "file_format": "json from default",
            "create_date_dirs": "True from default",
            "filename_mode": "stable from default",
            "max_file_size_mb": "100 from default",
            "on_upload_error": "fail from default",
            "verify": "size from default",
        },
    ),
    "the group says all": (
        GROUP,
        {},
        {
            "file_format": "csv from group",
            "create_date_dirs": "False from group",
            "filename_mode": "timestamped from group",
            "max_file_size_mb": "50 from group",
            "on_upload_error": "warn from group",
            "verify": "hash from group",
        },
    ),
    "the task says all": (
        GROUP,
        TASK,
        {
            "enabled": "True from group",
            "volume_path": "/Volumes/main/analytics/ml_outputs from task",
            "file_format": "txt from task",
            "create_date_dirs": "True from task",
            "filename_mode": "stable from task",
            "max_file_size_mb": "7 from task",
            "on_upload_error": "fail from task",
            "verify": "size from task",
        },
    ),
    "unset keys inherit": (
        GROUP,
        {"file_format": "parquet", "max_file_size_mb": None},
        {
            "volume_path": f"{PATH} from group",
            "file_format": "parquet from task",
            "max_file_size_mb": "50 from group",
        },
    ),
    "a task opts out": (
        {},
        {"enabled": False},
        {"enabled": "False from task", "volume_path": "None from group"},
    ),
    "a group that does not upload": (
        {"volume_enabled": False, "volume_path": None},
        None,
        {"enabled": "False from default", "volume_path": "None from default"},
    ),
    "a task of such a group opts in": (
        {"volume_enabled": False, "volume_path": None},
        {"enabled": True, "volume_path": "main.analytics.ml_outputs"},
        {
            "enabled": "True from task",
            "volume_path": "/Volumes/main/analytics/ml_outputs from task",
        },
    ),
    "a catalog the group was allowed": (
        {"allowed_catalogs": ("shared", "Analytics")},
        {"volume_path": "analytics.ml.outputs"},
        {"volume_path": "/Volumes/analytics/ml/outputs from task"},
    ),
}


def told(resolved: ResolvedUpload) -> dict[str, str]:
    return {name: f"{one['value']} from {one['from']}" for name, one in resolved.shown().items()}


@pytest.mark.parametrize("case", CASES)
def test_each_setting_is_resolved_with_its_origin(case: str) -> None:
    settings, override, expected = CASES[case]

    found = told(resolve_upload(acme(**settings), override))

    assert {name: found[name] for name in expected} == expected
    assert found.keys() == CASES["nothing said"][2].keys()


def test_a_task_without_a_word_gets_the_groups_own_settings() -> None:
    resolved = resolve_upload(acme(**GROUP), None)

    assert resolved.place == VolumePath("main", "default", "task_outputs")
    assert resolved.max_bytes == 50 * 1024 * 1024


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ({"token": SECRET}, "token: is the group's"),
        ({"token": "env:TOKEN"}, "token: is the group's"),
        ({"workspace_url": "https://elsewhere.example"}, "workspace_url: is the group's"),
        ({"group": "globex"}, "group: is unknown"),
        ({"file_fromat": "csv"}, "file_fromat: is unknown: did you mean file_format?"),
        ({"file_format": "xlsx"}, "file_format: must be one of json, csv, txt, parquet"),
        ({"file_format": ["csv"]}, "file_format: must be one of"),
        ({"enabled": "no"}, "enabled: must be true or false"),
        ({"create_date_dirs": 1}, "create_date_dirs: must be true or false"),
        ({"filename_mode": "random"}, "filename_mode: must be one of stable, timestamped"),
        ({"max_file_size_mb": 0}, "max_file_size_mb: must be a whole number of 1 to 5000"),
        ({"max_file_size_mb": 5001}, "max_file_size_mb: must be"),
        ({"max_file_size_mb": True}, "max_file_size_mb: must be"),
        ({"on_upload_error": "ignore"}, "on_upload_error: must be one of fail, warn"),
        ({"verify": "never"}, "verify: must be one of size, hash"),
        ({"volume_path": "main.default"}, "volume_path: must be catalog.schema.volume"),
        ({"volume_path": "/Volumes/main/default/../other"}, "volume_path: must be"),
        ({"volume_path": "/Volumes/main/default/v/..%2f..%2fother"}, "volume_path: must be"),
        ({"volume_path": ""}, "volume_path: must be"),
        ({"volume_path": 7}, "volume_path: must be"),
    ],
    ids=str,
)
def test_a_wrong_setting_of_a_task_is_named_and_not_shown(
    override: dict[str, Any], rule: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        resolve_upload(acme(), override)

    assert rule in str(refused.value)
    assert refused.value.fields == tuple(override)
    assert SECRET not in str(refused.value)


def test_all_wrong_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        resolve_upload(acme(), {"token": SECRET, "verify": 1, "enabled": True, "colour": "red"})

    assert refused.value.fields == ("token", "verify", "colour")


@pytest.mark.parametrize("path", ["other.default.v", "/Volumes/mai/default/v", "mainn.a.b"])
def test_a_catalog_outside_those_allowed_is_refused(path: str) -> None:
    for settings in ({}, {"allowed_catalogs": ("main", "shared")}):
        with pytest.raises(PlaceNotAllowed):
            resolve_upload(acme(**settings), {"volume_path": path})


def test_the_groups_own_path_was_chosen_with_its_catalog() -> None:
    config = acme(catalog="acme", allowed_catalogs=("shared",))

    assert resolve_upload(config, None).place == VolumePath.parse(PATH)


@pytest.mark.parametrize(
    "path",
    [
        "/Volumes/main/acme_evidence/raw_evidence",
        "/Volumes/MAIN/Acme_Evidence/RAW_evidence/results",
        "main.acme_evidence.raw_evidence",
    ],
)
def test_outputs_never_go_among_the_evidence(path: str) -> None:
    with pytest.raises(PlaceNotAllowed):
        resolve_upload(acme(), {"volume_path": path})
    with pytest.raises(PlaceNotAllowed):
        resolve_upload(acme(volume_path=path), None)


def test_without_any_path_there_is_no_shared_place_to_fall_back_to() -> None:
    config = acme(volume_path=None)

    with pytest.raises(ConfigurationError) as refused:
        resolve_upload(config, {"file_format": "csv"})

    assert refused.value.fields == ("volume_path",)
