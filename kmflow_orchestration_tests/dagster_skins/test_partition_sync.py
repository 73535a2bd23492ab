"""Partition keys follow the control database through any history of groups (row G3)."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.partitions.keys import GROUPS, TABLE_GROUPS
from kmflow_orchestration.sensors.partition_sync import partition_requests
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld

NAMES = st.sampled_from(["acme", "globex", "initech"])
HISTORY = st.lists(st.tuples(NAMES, st.booleans(), st.sampled_from(["lending", "claims"])))


# Examples share one world: whatever the earlier ones left is one more state to start from.
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORY)
def test_keys_are_those_of_the_control_database(
    world: SensorWorld, history: list[tuple[str, bool, str]]
) -> None:
    for name, enabled, engagement in history[:4]:
        world.add_group(name, enabled=enabled)
        world.add_table_group(name, engagement)
    world.keep_partitions(partition_requests(world.instance, world.context))

    groups = world.context.group_configs.groups()
    wanted = {one.table_group_id for group in groups for one in world.table_groups(group)}
    assert world.keys(GROUPS) == groups
    assert world.keys(TABLE_GROUPS) == sorted(wanted)
    assert partition_requests(world.instance, world.context) == []


def test_a_table_group_switched_off_hides_its_key(world: SensorWorld) -> None:
    group = world.add_group("acme")
    table_group = world.add_table_group("acme", "lending")
    world.keep_partitions(partition_requests(world.instance, world.context))

    world.switch_off(table_group)
    world.keep_partitions(partition_requests(world.instance, world.context))

    assert (world.keys(GROUPS), world.keys(TABLE_GROUPS)) == ([group], [])
