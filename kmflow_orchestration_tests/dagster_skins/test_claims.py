"""A run meets the claim that another run left behind (design AD5)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from kmflow_orchestration.intake.ledger import Holder
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld


def claimed_by(world: SensorWorld, status: dg.DagsterRunStatus) -> Any:
    """Claim today's batch for a run on another host that is in this state by now.

    The claim lasts as long as what is returned.
    """
    run = dg.DagsterRun(job_name="__ASSET_JOB", run_id=str(uuid4()), status=status)
    world.instance.add_run(run)
    world.add_group("acme")
    place = world.place("acme")
    place.drop("e1/loans.csv", "id\n1\n")
    place.look()
    holder = Holder("another-host", 1, 0.0, run.run_id)
    claim = place.ledger.claimed_batch(place.group, place.today, holder)
    claim.__enter__()
    return claim


def stored(world: SensorWorld) -> bool:
    """Whether a run that stores today's evidence went well; without the asset's retries."""

    @dg.op(required_resource_keys={"kmflow"})
    def store(context) -> None:  # type: ignore[no-untyped-def]
        acme = context.resources.kmflow.for_group("acme")
        store_batch(acme.id, world.today, **acme.storing())

    @dg.job(resource_defs={"kmflow": ContextResource(overrides=world.overrides)})
    def storing() -> None:
        store()

    return storing.execute_in_process(instance=world.instance, raise_on_error=False).success


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_claim_whose_run_is_over_is_taken_at_once(
    world: SensorWorld, status: dg.DagsterRunStatus
) -> None:
    held = claimed_by(world, status)

    assert stored(world)
    del held


def test_a_claim_whose_run_goes_on_is_respected(world: SensorWorld) -> None:
    held = claimed_by(world, dg.DagsterRunStatus.STARTED)

    assert not stored(world)
    assert world.context.ledger.summary(world.place("acme").group).pending == 1
    del held
