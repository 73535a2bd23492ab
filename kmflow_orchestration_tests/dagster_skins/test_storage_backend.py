"""Row B2: the variable is set, a day is materialized, and the bytes are where it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from kmflow_orchestration.partitions.keys import day_key
from kmflow_orchestration.resources.asset_keys import EVIDENCE_FILES
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld
from kmflow_orchestration_tests.embedded import Room, embedded_server, room

__all__ = ["embedded_server", "room"]

CONTENT = "id\n1\n"


@pytest.fixture
def world(
    tmp_path: Path, control_database: NewDatabase, room: Room, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SensorWorld]:
    """Group acme has a workspace in any case; only the environment says where its bytes go."""
    monkeypatch.setenv("ACME_TOKEN", room.group("acme").token)
    monkeypatch.setenv("EVIDENCE_STORE_PATH", str(tmp_path / "evidence here"))
    monkeypatch.delenv("STORAGE_BACKEND", raising=False)
    url = control_database(tmp_path / "control.db")
    with SensorWorld(tmp_path / "home", url, storage_backend=None) as opened:
        opened.add_group(
            "acme",
            evidence_volume="evidence",
            workspace_url=room.url,
            warehouse_id=room.server.services.warehouses.default_id(room.admin.workspace_id),
            token="env:ACME_TOKEN",
            allow_insecure_loopback=True,
        )
        opened.drop("acme", "e1/loans.csv", CONTENT)
        opened.tick("evidence_arrival")
        yield opened


def materialized(world: SensorWorld) -> dict[str, dg.MetadataValue]:
    """The metadata of the group's day, materialized as a person's click does it."""
    result = world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        partition_key=day_key("acme", world.today),
        asset_selection=[EVIDENCE_FILES],
        instance=world.instance,
    )
    (event,) = result.asset_materializations_for_node("evidence__evidence_files")
    return dict(event.metadata)


def files_on_disk(world: SensorWorld) -> list[Path]:
    return list(world.home.parent.rglob("*_loans.csv"))


@pytest.mark.parametrize("value", ["", "local"])
def test_local_bytes_lie_on_this_machine_and_nowhere_else(
    world: SensorWorld, room: Room, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    if value:
        monkeypatch.setenv("STORAGE_BACKEND", value)

    metadata = materialized(world)

    assert metadata["storage_backend"].value == "local"
    (file,) = files_on_disk(world)
    assert file.is_relative_to(world.home.parent / "evidence here" / "acme")
    assert file.read_text() == CONTENT
    assert room.server.requests().count() == 0


def test_databricks_bytes_lie_in_the_groups_volume_and_nowhere_else(
    world: SensorWorld, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_BACKEND", "databricks")

    metadata = materialized(world)

    assert metadata["storage_backend"].value == "databricks"
    (item,) = world.context.register.items(world.context.group_configs.groups()[0], limit=2)
    assert item.stored_path.startswith(f"{room.group('acme').volume}/evidence_store/e1/")
    with room.group("acme").client().files.download(item.stored_path).contents as stored:
        assert stored.read().decode() == CONTENT
    assert files_on_disk(world) == []
