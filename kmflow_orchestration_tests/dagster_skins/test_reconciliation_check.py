"""Bronze against evidence as a check in Dagster: seen passing and failing (row G9)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kmflow_orchestration.partitions.keys import day_key
from kmflow_orchestration.resources.asset_keys import BRONZE_EVIDENCE, EVIDENCE_FILES
from kmflow_orchestration_tests.dagster_skins.profiled_tables import ProfiledTables
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld

# One lakehouse and one engine for the module: its tests stay together in one worker.
pytestmark = pytest.mark.xdist_group("dagster_reconciliation_check")

METADATA = "acme.main.evidence_metadata"
FIRST = f"FROM {METADATA} WHERE file_name = 'a.md'"
OF_NOTHING = (
    "group_id, engagement_id, 'nothing', file_name, volume_path, content_hash, size_bytes, "
    "stored_at, metadata_json, _batch_id"
)
# What a second publication of the day does not put right by itself.
DISAGREEMENTS = {
    "a metadata row twice": (
        f"INSERT INTO {METADATA} SELECT * {FIRST}",
        {"ledger_items": 2, "bronze_rows": 3, "metadata_rows": 3},
    ),
    "a metadata row of nothing": (
        f"INSERT INTO {METADATA} SELECT {OF_NOTHING} {FIRST}",
        {"ledger_items": 2, "bronze_rows": 2, "metadata_rows": 3},
    ),
}


@pytest.fixture
def day(tmp_path, control_database) -> Iterator[ProfiledTables]:
    """Group `acme` with two files that came today."""
    with SensorWorld(tmp_path, control_database(tmp_path / "control.db")) as world:
        made = ProfiledTables(world)
        for name in ("a.md", "b.md"):
            world.drop("acme", f"e1/{name}", f"# Zylphora {name}\n")
        for _ in range(2):  # a file is seen, and then seen to be quiet
            world.tick("evidence_arrival")
        yield made


def publish(day):
    """Store and publish the day; what the comparison says."""
    result = day.run([EVIDENCE_FILES, BRONZE_EVIDENCE], str(day_key("acme", day.world.today)))
    assert result.success
    found = {one.check_name: one for one in result.get_asset_check_evaluations()}
    return found["bronze_equals_evidence"]


def test_a_day_whose_rows_are_its_items_passes(day):
    check = publish(day)

    assert check.passed
    assert {name: one.value for name, one in check.metadata.items()} == {
        "group": "acme",
        "day": day.world.today.isoformat(),
        "ledger_items": 2,
        "deleted_items": 0,
        "bronze_rows": 2,
        "bronze_items": 2,
        "metadata_rows": 2,
        "metadata_items": 2,
        "foreign_rows": 0,
        "differing_rows": 0,
    }


@pytest.mark.parametrize(("damage", "counts"), DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_a_day_whose_rows_are_not_its_items_fails_as_an_error_with_the_counts(day, damage, counts):
    publish(day)
    day.group.lakehouse.execute(damage)

    check = publish(day)

    assert (check.passed, check.severity.name) == (False, "ERROR")
    assert {name: check.metadata[name].value for name in counts} == counts
    assert "Zylphora" not in day.event_log()
