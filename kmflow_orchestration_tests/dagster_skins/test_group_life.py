"""Rows G3 and G4: a group is disabled, or never was, while Dagster still has its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from kmflow_orchestration.partitions.keys import GROUP_TAG, GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import EVIDENCE_FILES
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld

SENSOR = "evidence_arrival"
AUTHOR = "tests"


def execute(world: SensorWorld, group: str) -> dg.ExecuteInProcessResult:
    """A run of the group's present day that was queued earlier, now taken up."""
    job = world.definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        partition_key=day_key(group, world.today),
        asset_selection=[EVIDENCE_FILES],
        instance=world.instance,
        tags={GROUP_TAG: group},
        raise_on_error=False,
    )


def said(result: dg.ExecuteInProcessResult) -> str:
    """Why the step failed, as the run's page shows it."""
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    return failure.step_failure_data.error_display_string


def days_with_history(world: SensorWorld) -> set[str]:
    return world.instance.get_materialized_partitions(EVIDENCE_FILES)


@pytest.fixture
def queued(world: SensorWorld) -> SensorWorld:
    """acme has a file waiting and its key in Dagster."""
    group = world.add_group("acme")
    world.drop(group, "e1/loans.csv")
    world.tick(SENSOR)
    assert world.keys(GROUPS) == ["acme"]
    return world


def test_a_group_disabled_while_its_run_is_queued_fails_it_before_anything_is_done(
    queued: SensorWorld,
) -> None:
    acme = queued.context.group_configs.disable("acme", AUTHOR).group_id

    result = execute(queued, acme)

    assert not result.success
    assert "[KM-CONFIG-006] group acme is disabled" in said(result)
    assert "kmflow group set acme enabled=true" in said(result)
    assert not any(event.is_step_up_for_retry for event in result.all_events)
    assert [one.pending for one in queued.context.ledger.due_days(acme)] == [1]
    assert not (queued.home / "evidence_store").exists()


def test_what_waited_is_stored_once_the_group_is_enabled_again(queued: SensorWorld) -> None:
    queued.context.group_configs.disable("acme", AUTHOR)
    execute(queued, "acme")
    queued.add_group("acme")

    assert execute(queued, "acme").success
    stored = queued.home.rglob("evidence_store/acme/**/*_loans.csv")
    assert len(list(stored)) == 1


def test_an_unknown_group_in_a_partition_key_fails_the_run(world: SensorWorld) -> None:
    world.instance.add_dynamic_partitions(GROUPS.name or "", ["nobody"])

    result = execute(world, "nobody")

    assert not result.success
    assert "[KM-CONFIG-002] group nobody has no settings" in said(result)
    assert not any((world.home / name).exists() for name in ("evidence_store", "work"))


def test_a_hidden_key_keeps_its_history_and_finds_it_again(queued: SensorWorld) -> None:
    assert execute(queued, "acme").success
    before = days_with_history(queued)
    queued.context.group_configs.disable("acme", AUTHOR)

    queued.tick(SENSOR)
    assert queued.keys(GROUPS) == []
    assert days_with_history(queued) == before == {str(day_key("acme", queued.today))}

    queued.add_group("acme")
    queued.tick(SENSOR)
    assert queued.keys(GROUPS) == ["acme"]
    assert days_with_history(queued) == before


def test_a_disabled_group_is_asked_to_do_nothing(queued: SensorWorld) -> None:
    queued.drop("acme", "e1/rates.csv")
    queued.context.group_configs.disable("acme", AUTHOR)
    assert not queued.tick(SENSOR).run_requests


@pytest.fixture
def remote(tmp_path: Path, control_database: NewDatabase) -> Iterator[SensorWorld]:
    """The same, but storage is each group's workspace."""
    address = control_database(tmp_path / "control.db")
    with SensorWorld(tmp_path, address, storage_backend="databricks") as opened:
        yield opened


def test_a_group_without_all_it_needs_names_every_missing_field(remote: SensorWorld) -> None:
    acme = remote.add_group("acme")
    remote.drop(acme, "e1/loans.csv")
    remote.tick(SENSOR)

    result = execute(remote, acme)

    assert not result.success
    assert "[KM-CONFIG-001]" in said(result)
    for field in ("workspace_url", "token"):
        assert field in said(result)
    assert [one.pending for one in remote.context.ledger.due_days(acme)] == [1]
