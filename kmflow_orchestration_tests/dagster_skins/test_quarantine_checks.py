"""Asset checks carry what waits in quarantine, and are content with what was accepted (CD-N4)."""

from __future__ import annotations

from typing import Any

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.quarantine import accept_quarantined, retry_quarantined
from kmflow_orchestration.partitions.keys import GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import EVIDENCE_FILES
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld

ACME = GroupId("acme")
ANN = caller_of("ann@kmflow.test", (ACME,), Role.ADMIN)


def entered(world: SensorWorld) -> tuple[bool, Any]:
    """What the check of a run of today says, with the open counts."""
    result = world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=world.instance,
        asset_selection=[EVIDENCE_FILES],
        partition_key=str(day_key("acme", world.today)),
    )
    (check,) = result.get_asset_check_evaluations()
    return check.passed, check.metadata["open_in_quarantine"].value


def test_the_check_counts_what_is_open_and_lets_go_of_what_was_accepted(
    world: SensorWorld,
) -> None:
    world.add_group("acme")
    world.instance.add_dynamic_partitions(GROUPS.name or "", ["acme"])
    world.drop("acme", "e1/empty.csv", "")
    world.drop("acme", "e1/good.csv")
    world.tick("evidence_arrival")
    own = world.context.group(ACME)

    refused = entered(world)
    path = "e1/empty.csv"
    accept_quarantined(ACME, [path], "known", caller=ANN, **own.accepting_quarantined())
    accepted = entered(world)
    retry_quarantined(ACME, [path], caller=ANN, **own.retrying_quarantined())
    world.tick("evidence_arrival")
    again = entered(world)

    assert refused == again == (False, {"empty": 1})
    assert accepted == (True, {})
