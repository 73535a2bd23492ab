"""The step that stores files copies them to the mirror, and does not fail with it (row B34)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kmflow_orchestration.names import GroupId
from kmflow_orchestration.partitions.keys import GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import EVIDENCE_FILES
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld


def stored(world: SensorWorld) -> dict[str, Any]:
    """Metadata of a run of the day's files, which succeeds."""
    result = world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance,
        asset_selection=[EVIDENCE_FILES],
        partition_key=str(day_key("acme", world.today)),
    )
    (event,) = result.asset_materializations_for_node("evidence__evidence_files")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_step_stores_though_its_mirror_fails_and_the_next_one_pays_what_is_owed(
    tmp_path: Path, control_database: NewDatabase
) -> None:
    url = control_database(tmp_path / "control.db")
    with SensorWorld(tmp_path / "home", url, storage_mirror="delta") as world:
        world.add_group("acme")
        world.instance.add_dynamic_partitions(GROUPS.name or "", ["acme"])
        world.drop("acme", "e1/a.csv")
        world.tick("evidence_arrival")
        in_the_way = tmp_path / "home" / "lakehouse" / "acme" / "main_bronze" / "evidence.files"
        in_the_way.parent.mkdir(parents=True)
        in_the_way.write_text("a file where a folder should be")

        first = stored(world)

        assert (first["files_stored"], first["mirror"], first["mirror_owed"]) == (1, "delta", 1)
        assert "check disk space and permissions" in first["mirror_problem"]
        in_the_way.unlink()
        second = stored(world)
        assert (second["mirror_delivered"], second["mirror_owed"]) == (1, 0)
        assert second["mirror_problem"] == ""
        stores = world.context.group(GroupId("acme")).stores
        assert stores.of("delta").list_files("e1") == stores.active.list_files("e1")
