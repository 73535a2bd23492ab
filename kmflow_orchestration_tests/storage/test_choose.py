from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.config.settings import Settings, load_settings
from kmflow_orchestration.databricks_client.connect import ClientCache
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.storage.choose import open_lakehouse, open_storage
from kmflow_orchestration_tests.embedded_groups import GroupsInRoom, group_config
from kmflow_orchestration_tests.evidence_samples import evidence_file
from kmflow_orchestration_tests.fakes import FakeClock


def settings(backend: str, home: Path) -> Settings:
    return load_settings(storage_backend=backend, home=home)


@pytest.mark.parametrize("backend", ["local", "delta", "databricks"])
def test_the_bytes_are_where_the_setting_says(
    backend: str, groups: GroupsInRoom, tmp_path: Path, clock: FakeClock
) -> None:
    chosen = settings(backend, tmp_path / "home")
    store = open_storage(chosen, groups.config("acme"), clients=groups.clients, clock=clock)

    path = store.write_from(evidence_file(tmp_path, "a.csv", b"id\n")).path

    assert store.name == backend
    on_disk = [file for file in chosen.home.rglob("*") if file.is_file()]
    assert len([file for file in on_disk if file.name.endswith("a.csv")]) == (
        0 if backend == "databricks" else 1
    )
    assert any(file.parent.name == "_delta_log" for file in on_disk) == (backend == "delta")
    assert path.startswith("/Volumes/kmflow/acme_evidence/") == (backend == "databricks")


@pytest.mark.parametrize("open_part", [open_storage, open_lakehouse])
def test_all_that_a_group_lacks_is_named_in_one_error(
    open_part: type, tmp_path: Path, clock: FakeClock
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        open_part(
            settings("databricks", tmp_path),
            group_config("acme"),
            clients=ClientCache(clock),
            clock=clock,
        )

    assert refusal.value.fields == ("workspace_url", "token")


def test_opening_asks_and_makes_nothing(
    groups: GroupsInRoom, tmp_path: Path, clock: FakeClock
) -> None:
    for backend in ("local", "delta", "databricks"):
        chosen = settings(backend, tmp_path / "home")
        config = groups.config("acme")
        open_storage(chosen, config, clients=groups.clients, clock=clock)
        open_lakehouse(chosen, config, clients=groups.clients, clock=clock).close()

    assert groups.room.server.requests().count() == 0
    assert not (tmp_path / "home").exists()
