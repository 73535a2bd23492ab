"""`kmflow config show`: every value with its source, no secret's value (row C20)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.config.group_input import FIELD_NAMES
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration_tests.cli.conftest import TOKEN, Kmflow


def test_every_process_setting_names_where_it_comes_from(
    kmflow: Kmflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("MAX_UPLOAD_SIZE_MB=7\nKMFLOW_ENV=production\n")
    monkeypatch.setenv("KMFLOW_ENV", "dev")
    monkeypatch.setenv("KMFLOW_CALLBACK_KEY", "env:CALLBACK")
    monkeypatch.setenv("KMFLOW_CALLBACK_URL", "")

    found = kmflow("config", "show", "--json").json["process"]

    assert found["MAX_UPLOAD_SIZE_MB"] == {"value": 7, "source": ".env:MAX_UPLOAD_SIZE_MB"}
    assert found["KMFLOW_ENV"] == {"value": "dev", "source": "env:KMFLOW_ENV"}
    assert found["KMFLOW_CALLBACK_KEY"]["value"] == "set (env:CALLBACK)"
    assert found["KMFLOW_CALLBACK_URL"] == {"value": "", "source": "default"}
    assert len(found) == len(Settings.model_fields)


def test_a_groups_settings_name_their_version_or_what_they_follow_from(
    kmflow: Kmflow, home: Path
) -> None:
    words = ("workspace_url=adb-1.7.azuredatabricks.net", "warehouse_id=ab12", "catalog=main")
    kmflow("group", "create", "acme", *words, "schema=acme", "token=env:ACME_TOKEN")

    found = kmflow("config", "show", "--group", "acme", "--json").json["group acme"]

    assert found["catalog"] == {"value": "main", "source": "version 1"}
    assert found["token"] == {"value": "set (env:ACME_TOKEN)", "source": "version 1"}
    assert found["client_secret"] == {"value": "not set", "source": "default"}
    assert found["http_path"] == {"value": "/sql/1.0/warehouses/ab12", "source": "warehouse_id"}
    assert found["allowed_catalogs"] == {"value": ["main"], "source": "catalog"}
    assert found["landing_path"] == {
        "value": str(home / "landing" / "acme"), "source": "KMFLOW_HOME",
    }  # fmt: skip
    assert set(found) == set(FIELD_NAMES)


def test_no_secret_is_shown(kmflow: Kmflow, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kmflow("group", "create", "acme", "token=env:ACME_TOKEN")
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    shown = kmflow("config", "show", "--group", "acme")
    assert "set (env:ACME_TOKEN)" in shown.out
    assert TOKEN not in shown.out + shown.err

    for variable in ("KMFLOW_DATABASE_URL", "KMFLOW_DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(variable, f"postgresql://u:{TOKEN}@host/db")
    shown = kmflow("config", "show", "--json")
    assert shown.json["process"]["KMFLOW_DAGSTER_POSTGRES_URL"]["value"] == "set"
    assert TOKEN not in shown.out + shown.err
