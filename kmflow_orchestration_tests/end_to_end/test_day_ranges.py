"""Several days of one group in one run, with faults of the workspace (rows G4, G8, G13, AD6)."""

from __future__ import annotations

from datetime import date

import pytest

from kmflow_orchestration.assets.reconciliation import evidence_matches_bronze
from kmflow_orchestration.metadata.intake_records import State, Step
from kmflow_orchestration.partitions.keys import GROUP_TAG, day_key
from kmflow_orchestration.resources import asset_keys as keys
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.end_to_end.world import failure_of, retries_of

# One world per module: its tests stay together in one worker.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("end_to_end_day_ranges")]

EVIDENCE = [keys.EVIDENCE_FILES]
DAYS = [date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)]
BATCH_OF_A_FOLDER = "/api/2.0/fs/directories/*{day}*"


def _key(day: date, group: str = "acme") -> str:
    return str(day_key(group, day))


@pytest.fixture(scope="module")
def world(workspace_world):
    """One file a day more than on the day before."""
    for number, day in enumerate(DAYS, start=1):
        files = {f"e1/{day}-{n}.md": f"# Day {day} {n}\n".encode() for n in range(number)}
        workspace_world.drop("acme", files)
        workspace_world.seen_on(day, "acme")
    stored = workspace_world.run(EVIDENCE, days=(_key(DAYS[0]), _key(DAYS[2])))
    assert stored.success
    return workspace_world


@pytest.fixture
def faults(world):
    yield world.sandbox.workspace.faults
    world.sandbox.workspace.faults.clear()


def _counts(result, name):
    return {
        event.partition: event.step_materialization_data.materialization.metadata[name].value
        for event in result.all_events
        if event.is_step_materialization
    }


def test_a_range_gives_each_day_its_own_record_and_one_failed_day_does_not_stop_the_others(
    world, faults
):
    days = [date(2026, 11, number) for number in (3, 4, 5)]
    for number, day in enumerate(days, start=1):
        files = {f"e2/{day}-{n}.md": f"# {day} {n}\n".encode() for n in range(number)}
        world.drop("acme", files)
        world.seen_on(day, "acme")
    folder = BATCH_OF_A_FOLDER.format(day=days[1])
    faults.add(
        Fault("fail_times", path=folder, times=99, status=403, error_code="PERMISSION_DENIED")
    )

    broken = world.run(EVIDENCE, days=(_key(days[0]), _key(days[2])))

    assert not broken.success
    assert "1 day(s) failed. 2026-11-04: [KM-ACCESS-001]" in failure_of(broken)
    assert _counts(broken, "files_stored") == {_key(days[0]): 1, _key(days[2]): 3}
    assert retries_of(broken) == 0

    faults.clear()
    healed = world.run(EVIDENCE, days=(_key(days[0]), _key(days[2])))

    assert healed.success
    assert _counts(healed, "files_stored") == {_key(days[0]): 0, _key(days[1]): 2, _key(days[2]): 0}


def test_rows_that_cannot_be_written_leave_the_files_stored_and_the_next_run_writes_them(
    world, faults
):
    acme, day = world.group("acme"), date(2026, 11, 9)
    world.drop("acme", {"e3/a.md": b"# A\n", "e3/b.md": b"# B\n"})
    world.seen_on(day, "acme")
    assert world.run(EVIDENCE, partition=_key(day)).success
    faults.add(
        Fault(
            "fail_times",
            method="POST",
            path="/api/2.0/sql/statements*",
            times=99,
            status=403,
            error_code="PERMISSION_DENIED",
        )
    )

    refused = world.run([keys.BRONZE_EVIDENCE], partition=_key(day))

    ledger = world.context.ledger
    assert not refused.success
    (batch,) = ledger.stored_batches(acme.id, day)
    assert not batch.is_finished(Step.BRONZE)
    assert set(ledger.item_states(acme.id, batch.batch_id).values()) == {State.STORED}
    (stage,) = ledger.stages.all(acme.id, day=day, stage=Step.BRONZE)
    assert (stage.input_count, stage.output_count, stage.error_type) == (2, 0, "KM-ACCESS-001")

    faults.clear()
    written = world.run([keys.BRONZE_EVIDENCE], partition=_key(day))

    assert written.success
    assert _counts(written, "dagster/row_count") == {_key(day): 2}
    assert _counts(written, "stage_error_count") == {_key(day): 0}
    assert written.get_asset_check_evaluations()[0].passed


def test_bronze_of_a_range_equals_the_evidence_and_a_run_without_tag_is_tagged(world):
    published = world.run([keys.BRONZE_EVIDENCE], days=(_key(DAYS[0]), _key(DAYS[2])))

    assert published.success
    assert _counts(published, "dagster/row_count") == dict(
        zip(map(_key, DAYS), (1, 2, 3), strict=True)
    )
    (check,) = published.get_asset_check_evaluations()
    assert check.passed
    assert world.instance.get_run_by_id(published.run_id).tags[GROUP_TAG] == "acme"


def test_links_lead_to_the_table_in_the_workspace(world):
    world.run([keys.BRONZE_EVIDENCE], partition=_key(DAYS[0]))
    metadata = world.materializations(keys.BRONZE_EVIDENCE)[_key(DAYS[0])].metadata

    table = "/explore/data/acme/evidence_bronze/bronze_evidence_raw"
    assert metadata["table_link"].value == world.sandbox.workspace.url + table


@pytest.mark.parametrize("statement", ["deleted", "changed"])
def test_a_bronze_row_that_is_lost_or_changed_fails_the_check_until_the_day_is_run_again(
    world, statement
):
    acme, day = world.group("acme"), DAYS[2]
    table, where = "evidence_bronze.bronze_evidence_raw", "WHERE file_name = '2026-11-18-1.md'"
    change = {
        "deleted": f"DELETE FROM acme.{table} {where}",
        "changed": f"UPDATE acme.{table} SET size_bytes = 1 {where}",
    }
    world.run([keys.BRONZE_EVIDENCE], partition=_key(day))
    acme.lakehouse.execute(change[statement])

    assert not evidence_matches_bronze(acme, day).passed
    (healed,) = world.run([keys.BRONZE_EVIDENCE], partition=_key(day)).get_asset_check_evaluations()
    assert healed.passed


def test_a_foreign_row_fails_the_check(world):
    acme, day = world.group("acme"), DAYS[0]
    world.run([keys.BRONZE_EVIDENCE], partition=_key(day))
    acme.lakehouse.execute(
        "UPDATE acme.evidence_bronze.bronze_evidence_raw SET group_id = 'globex' "
        "WHERE file_name = '2026-11-16-0.md'"
    )

    found = evidence_matches_bronze(acme, day)

    assert not found.passed
    assert found.metadata["foreign_rows"].value == 1
    world.run([keys.BRONZE_EVIDENCE], partition=_key(day))


def test_a_check_that_cannot_run_is_an_error_and_never_a_pass(world, faults):
    # The batch's statements go well; the comparison is refused.
    found = _requests_of_a_publication(world)
    faults.add(
        Fault(
            "fail_times",
            method="POST",
            path="/api/2.0/sql/statements*",
            after=found - 3,
            times=99,
            status=403,
            error_code="PERMISSION_DENIED",
        )
    )

    result = world.run([keys.BRONZE_EVIDENCE], partition=_key(DAYS[0]))

    assert not result.success
    assert "KM-ACCESS-001" in failure_of(result)
    assert result.get_asset_check_evaluations() == []


def _requests_of_a_publication(world) -> int:
    """Statements of one day's run; the last three are comparison, preview and plot."""
    before = world.sandbox.workspace.requests("POST", "/api/2.0/sql/statements*").count()
    world.run([keys.BRONZE_EVIDENCE], partition=_key(DAYS[0]))
    return world.sandbox.workspace.requests("POST", "/api/2.0/sql/statements*").count() - before


def test_a_transient_fault_heals_inside_the_run(world, faults):
    faults.add(Fault("fail_times", method="POST", path="/api/2.0/sql/statements*", times=1))

    result = world.run([keys.BRONZE_EVIDENCE], partition=_key(DAYS[0]))

    assert result.success
    assert faults.pending() == {}


def test_a_permanent_fault_fails_at_once(world, faults):
    faults.add(
        Fault(
            "fail_times",
            path="/api/2.0/sql/*",
            times=99,
            status=403,
            error_code="PERMISSION_DENIED",
        )
    )

    result = world.run([keys.BRONZE_EVIDENCE], partition=_key(DAYS[0]))

    assert not result.success
    assert retries_of(result) == 0


def test_a_range_over_two_groups_is_refused_before_anything_is_touched(world):
    log = world.sandbox.workspace
    before = log.requests().count()

    result = world.run(EVIDENCE, days=(_key(DAYS[0]), _key(DAYS[1], "globex")))

    assert "one run was given partitions of 2 groups" in failure_of(result)
    assert retries_of(result) == 0
    assert log.requests().count() == before


def test_a_run_tagged_for_one_group_may_not_serve_another(world):
    result = world.run(EVIDENCE, partition=_key(DAYS[0]), tags={GROUP_TAG: "globex"})

    assert "[KM-GROUP-001] a run of group 'globex' asked for group 'acme'" in failure_of(result)
    assert retries_of(result) == 0
