"""Stored files against their rows as an asset: each check seen passing and failing (row B22)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.partitions.keys import GROUP_TAG, GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import (
    BRONZE_EVIDENCE,
    EVIDENCE_FILES,
    METADATA_RECONCILIATION,
)
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.schedules.all_schedules import SCHEDULE_NAMES
from kmflow_orchestration_tests.dagster_skins.profiled_tables import ProfiledTables
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld

METADATA = "acme.main.evidence_metadata"
IN_ORDER = {
    "files_without_rows": 0,
    "rows_without_files": 0,
    "hash_differences": 0,
    "duplicates": 0,
    "foreign_paths": 0,
}


@pytest.fixture
def tables(tmp_path, control_database) -> Iterator[ProfiledTables]:
    """Group `acme` with four published files."""
    with SensorWorld(tmp_path, control_database(tmp_path / "control.db")) as world:
        made = ProfiledTables(world)
        for name in ("a.md", "b.md", "c.md", "d.md"):
            world.drop("acme", f"e1/{name}", f"# {name}\n")
        for _ in range(2):  # a file is seen, and then seen to be quiet
            world.tick("evidence_arrival")
        key = str(day_key("acme", world.today))
        assert made.run([EVIDENCE_FILES, BRONZE_EVIDENCE], key).success
        yield made


def reconciled(tables):
    """Metadata of the asset, and its checks by name."""
    result = tables.run([METADATA_RECONCILIATION], "acme")
    assert result.success
    (event,) = result.asset_materializations_for_node("evidence__metadata_reconciliation")
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    return {name: value.value for name, value in event.metadata.items()}, checks


def test_each_check_passes_and_fails_by_its_own_count_and_says_what_to_do(tables):
    metadata, checks = reconciled(tables)
    assert {name: metadata[name] for name in ("files", "rows", *IN_ORDER)} == {
        "files": 4,
        "rows": 4,
        **IN_ORDER,
    }
    assert {name: check.passed for name, check in checks.items()} == dict.fromkeys(IN_ORDER, True)

    store, house = tables.group.store, tables.group.lakehouse
    paths = {path.rpartition("_")[2]: path for path in store.list_files("e1")}
    house.execute(f"DELETE FROM {METADATA} WHERE file_name = 'a.md'")
    store.delete(paths["b.md"])
    store.local_path(paths["c.md"]).write_text("# C.md\n")
    house.execute(f"INSERT INTO {METADATA} SELECT * FROM {METADATA} WHERE file_name = 'd.md'")
    store.local_path(paths["d.md"]).with_name("strange.md").write_text("x")

    metadata, checks = reconciled(tables)

    assert {name: metadata[name] for name in IN_ORDER} == dict.fromkeys(IN_ORDER, 1)
    assert metadata["verified_by"] == "hash"
    assert {(one.passed, one.severity.name) for one in checks.values()} == {(False, "ERROR")}
    where = {name: check.metadata["where"].value for name, check in checks.items()}
    assert where["files_without_rows"] == [paths["a.md"]]
    assert where["rows_without_files"][0].endswith(paths["b.md"])
    assert where["hash_differences"][0].startswith(paths["c.md"])
    assert where["duplicates"][0].endswith(paths["d.md"])
    assert where["foreign_paths"][0].endswith("strange.md")
    remedy = checks["duplicates"].metadata["what_to_do"].value
    assert remedy == "kmflow dedupe-metadata --group acme --apply"


def test_every_night_each_group_is_looked_at_once(tmp_path, control_database):
    url = control_database(tmp_path / "control.db")
    with SensorWorld(tmp_path, url) as world, dg.instance_for_test() as instance:
        for group in ("acme", "late"):
            world.add_group(group)
        (schedule,) = world.definitions.schedules or []
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert (schedule.name, schedule.execution_timezone) == (SCHEDULE_NAMES[0], "UTC")
        moment = SystemClock().now().replace(hour=2, minute=30, second=0, microsecond=0)

        def tick() -> Any:
            with dg.build_schedule_context(
                instance=instance,
                repository_def=world.definitions.get_repository_def(),
                scheduled_execution_time=moment,
                resources={"kmflow": ContextResource(overrides=world.overrides)},
            ) as context:
                return schedule.evaluate_tick(context)

        assert "no group" in (tick().skip_message or "")
        # The key of `late` comes with the sensors' next tick.
        instance.add_dynamic_partitions(GROUPS.name or "", ["acme"])
        (request,) = tick().run_requests or []
        assert (request.partition_key, request.tags[GROUP_TAG]) == ("acme", "acme")
        assert request.asset_selection == [METADATA_RECONCILIATION]
        assert [one.run_key for one in tick().run_requests or []] == [request.run_key]


def test_the_schedule_runs_by_itself_where_the_sensors_do():
    def states(*, running: bool) -> set[str]:
        made = build_definitions(sensors_running=running).schedules or []
        return {one.default_status.name for one in made}

    assert (states(running=True), states(running=False)) == ({"RUNNING"}, {"STOPPED"})
