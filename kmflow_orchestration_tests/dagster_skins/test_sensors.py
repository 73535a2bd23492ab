"""Sensors, tick by tick, with a real Dagster instance (rows G3, G5, E43 to E45)."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import dagster as dg
import pytest

from kmflow_orchestration.intake.ledger import Step
from kmflow_orchestration.metadata.profile_records import Completion
from kmflow_orchestration.partitions.keys import GROUPS, TABLE_GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import (
    INTAKE,
    PROFILE_OUTCOME,
    PROFILE_RESULTS,
    PROFILE_RUN,
    PROFILE_RUN_TAG,
    SILVER,
)
from kmflow_orchestration.runs.run_state import RunStatus
from kmflow_orchestration_tests.dagster_skins.sensor_world import (
    SensorWorld,
    run_keys,
    skip_text,
)

DONE = Completion(status=RunStatus.COMPLETED, row_count=1, table_count=1, column_count=1)
FAILED = Completion(status=RunStatus.FAILED, error_message="no such table")
HOUR = timedelta(hours=1)


# New evidence


def test_a_new_file_becomes_one_run_of_its_day(world: SensorWorld) -> None:
    world.add_group("acme")
    world.drop("acme", "e1/loans.csv")

    (request,) = world.tick("evidence_arrival").run_requests or []

    assert request.run_key == f"acme:{world.today}:1"
    assert request.partition_key == day_key("acme", world.today)
    assert request.asset_selection == INTAKE
    assert request.tags == {"kmflow/group": "acme", "kmflow/pending_files": "1"}


def test_a_run_that_never_began_is_asked_for_again_under_another_key(world: SensorWorld) -> None:
    world.add_group("acme")
    world.drop("acme", "e1/loans.csv")

    keys = [run_keys(world.tick("evidence_arrival")) for _ in range(2)]

    assert keys == [[f"acme:{world.today}:1"], [f"acme:{world.today}:2"]]


def test_nothing_new_is_skipped_with_counts(world: SensorWorld) -> None:
    world.add_group("acme")

    told = skip_text(world.tick("evidence_arrival"))

    assert told == "acme: 0 seen, 0 waiting, 0 new, 0 quarantined, 0 requested"


def test_a_deletion_is_work_for_a_run_of_its_day(world: SensorWorld) -> None:
    group, ledger = world.add_group("acme"), world.context.ledger
    world.drop("acme", "e1/loans.csv")
    place = world.place("acme")
    place.take_in()
    (batch,) = ledger.stored_batches(group, world.today)
    for step in Step:
        ledger.finish_step(group, batch.batch_id, step)
    assert run_keys(world.tick("evidence_arrival")) == []

    world.context.register.begin_deletion(group, place.item("loans.csv").item_id, actor="ann")

    (request,) = world.tick("evidence_arrival").run_requests or []
    assert request.partition_key == day_key("acme", world.today)
    assert request.asset_selection == INTAKE
    assert request.tags["kmflow/pending_files"] == "0"


def test_without_groups_there_is_nothing_to_do(world: SensorWorld) -> None:
    assert skip_text(world.tick("evidence_arrival")) == "there is no group"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_day_with_a_run_under_way_waits(world: SensorWorld, status: dg.DagsterRunStatus) -> None:
    world.add_group("acme")
    world.drop("acme", "e1/loans.csv")
    world.run_of("acme", status)

    told = skip_text(world.tick("evidence_arrival"))

    assert f"skipped ({world.today}: a run is under way)" in told


@pytest.mark.parametrize(
    ("failures", "minutes", "asked_again"),
    [
        (1, 0, True),
        (2, 0.5, False),
        (2, 1.5, True),
        (3, 3.5, False),
        (3, 4.5, True),
        (4, 14.5, False),
        (5, 59, False),
        (5, 61, True),
        (24, 59, False),
        (24, 61, True),
    ],
)
def test_a_day_whose_runs_fail_is_asked_for_ever_later(
    world: SensorWorld, failures: int, minutes: float, asked_again: bool
) -> None:
    world.add_group("acme")
    world.drop("acme", "e1/loans.csv")
    for number in reversed(range(failures)):
        ago = timedelta(minutes=minutes + 2 * number)
        world.past_run_of("acme", dg.DagsterRunStatus.FAILURE, ago=ago)

    result = world.tick("evidence_arrival")

    assert bool(run_keys(result)) is asked_again
    if not asked_again:
        assert f"{world.today}: {failures} runs in a row failed" in skip_text(result)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED])
def test_failures_before_a_run_that_did_not_fail_count_no_more(
    world: SensorWorld, status: dg.DagsterRunStatus
) -> None:
    world.add_group("acme")
    world.drop("acme", "e1/loans.csv")
    for number in range(5, 1, -1):
        world.past_run_of("acme", dg.DagsterRunStatus.FAILURE, ago=timedelta(seconds=10 * number))
    world.past_run_of("acme", status, ago=timedelta(seconds=5))

    assert run_keys(world.tick("evidence_arrival"))


def test_failed_runs_of_later_steps_do_not_hold_up_new_files(world: SensorWorld) -> None:
    world.add_group("acme")
    world.drop("acme", "e1/loans.csv")
    for _ in range(3):
        failed = dg.DagsterRunStatus.FAILURE
        world.past_run_of("acme", failed, ago=timedelta(seconds=5), assets=SILVER)

    assert run_keys(world.tick("evidence_arrival"))


def test_an_unreadable_landing_holds_up_no_other_group(world: SensorWorld) -> None:
    for group in ("acme", "globex"):
        world.add_group(group)
        world.drop(group, "e1/loans.csv")
    world.lose_landing("acme")

    assert run_keys(world.tick("evidence_arrival")) == [f"globex:{world.today}:1"]


def test_a_day_that_no_calendar_has_yet_stops_nobody_and_is_told(world: SensorWorld) -> None:
    """Asked for by its key, it would end the tick for every group."""
    world.add_group("acme")
    world.add_group("globex")
    ahead = world.place("acme", ago=timedelta(days=-400))
    ahead.drop("e1/a.csv", "x")
    ahead.take_in()
    os.utime(world.drop("globex", "e1/late.csv"), (10_413_792_000, 10_413_792_000))

    first = world.tick("evidence_arrival")
    world.drop("acme", "e1/b.csv")
    second = world.tick("evidence_arrival")

    asked = [request.partition_key for request in first.run_requests or []]
    assert asked == [day_key("globex", world.today)]
    asked = [request.partition_key for request in second.run_requests or []]
    assert asked == [day_key(group, world.today) for group in ("acme", "globex")]


def test_an_unreadable_landing_is_the_reason_of_a_skip(world: SensorWorld) -> None:
    world.add_group("acme")
    world.lose_landing("acme")

    assert "acme: landing not read" in skip_text(world.tick("evidence_arrival"))


@pytest.mark.parametrize(
    "garbage", ["", "{", "[1]", "null", "7", '{"acme": 7}', '{"acme": "{"}', '{"acme": null}']
)
def test_a_cursor_that_is_none_starts_anew(world: SensorWorld, garbage: str) -> None:
    world.add_group("acme")
    world.drop("acme", "e1/loans.csv")
    world.cursors["evidence_arrival"] = garbage

    result = world.tick("evidence_arrival")

    assert run_keys(result) == [f"acme:{world.today}:1"]
    assert list(json.loads(result.cursor or "")) == ["acme"]


def test_one_tick_asks_for_twenty_runs_at_most_and_serves_every_group(world: SensorWorld) -> None:
    for group in ("acme", "globex"):
        world.add_group(group)
    for day in reversed(range(25)):
        place = world.place("acme", ago=timedelta(days=day))
        place.drop(f"e1/day{day}.csv", str(day))
        place.look()
    world.drop("globex", "e1/loans.csv")

    keys = run_keys(world.tick("evidence_arrival"))

    assert len(keys) == 20
    assert f"globex:{world.today}:1" in keys[:2]


# Files that change behind our back


def taken_in(world: SensorWorld, content: str = "id\n1\n") -> None:
    """`loans.csv` is stored and all its steps are done."""
    world.add_group("acme")
    place = world.place("acme")
    place.drop("e1/loans.csv", content)
    stored = place.take_in()
    assert stored is not None
    for step in Step:
        place.ledger.finish_step(place.group, stored.batch_id, step)
    assert run_keys(world.tick("evidence_arrival")) == []


def sweep_again(world: SensorWorld, due_at: float = 0) -> None:
    """The rest after a sweep is over, or ends at another moment."""
    cursor = json.dumps({"v": 1, "after": None, "spent_s": 0, "due_at": due_at})
    world.cursors["evidence_arrival"] = json.dumps({"acme": cursor})


@pytest.mark.parametrize("age_s", [60, 86_400], ids=["newer", "older"])
def test_new_content_under_the_same_name_is_seen(world: SensorWorld, age_s: float) -> None:
    taken_in(world)
    world.drop("acme", "e1/loans.csv", "id\n2\n", age_s=age_s)
    sweep_again(world)

    assert run_keys(world.tick("evidence_arrival")) == [f"acme:{world.today}:2"]


def test_a_file_is_seen_after_the_clock_was_set_back(world: SensorWorld) -> None:
    taken_in(world)
    world.drop("acme", "e1/loans.csv", "id\n2\n", age_s=60)
    sweep_again(world, due_at=(world.now + timedelta(days=365)).timestamp())

    assert run_keys(world.tick("evidence_arrival")) == [f"acme:{world.today}:2"]


def test_a_file_with_a_very_old_time_is_seen(world: SensorWorld) -> None:
    taken_in(world)
    old = world.drop("acme", "e1/from_the_archive.csv", "id\n2\n")
    os.utime(old, (1, 1))

    assert run_keys(world.tick("evidence_arrival")) == [f"acme:{world.today}:2"]


# Silver that failed


def converted(world: SensorWorld, *, ago: timedelta) -> None:
    """A file is stored and converted; its silver steps are missing."""
    world.add_group("acme")
    place = world.place("acme", ago=ago)
    place.drop("e1/loans.csv", "id\n1\n")
    stored = place.take_in()
    assert stored is not None
    for step in (Step.BRONZE, Step.DATASETS):
        place.ledger.finish_step(place.group, stored.batch_id, step)
    world.now -= ago  # its day is the one the world is about


def test_silver_that_is_late_is_asked_for(world: SensorWorld) -> None:
    converted(world, ago=HOUR)

    (request,) = world.tick("evidence_arrival").run_requests or []

    assert request.asset_selection == SILVER
    assert request.run_key == f"acme:{world.today}:silver:2"
    assert request.partition_key == day_key("acme", world.today)


def test_silver_is_left_to_automation_for_ten_minutes(world: SensorWorld) -> None:
    converted(world, ago=timedelta(minutes=5))

    assert run_keys(world.tick("evidence_arrival")) == []


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE])
def test_silver_waits_for_a_run_and_after_a_failed_one(
    world: SensorWorld, status: dg.DagsterRunStatus
) -> None:
    converted(world, ago=HOUR)
    world.run_of("acme", status)

    assert run_keys(world.tick("evidence_arrival")) == []


def test_silver_of_a_day_with_new_files_follows_their_run(world: SensorWorld) -> None:
    converted(world, ago=HOUR)
    place = world.place("acme")
    place.drop("e1/more.csv", "id\n2\n")
    place.look()

    (request,) = world.tick("evidence_arrival").run_requests or []

    assert request.asset_selection == INTAKE


# Partition keys


def test_groups_and_table_groups_get_their_keys(world: SensorWorld) -> None:
    for group in ("acme", "globex"):
        world.add_group(group)
        world.add_table_group(group, "lending")
    world.add_table_group("acme", "claims")

    world.tick("evidence_arrival")

    assert world.keys(GROUPS) == ["acme", "globex"]
    assert world.keys(TABLE_GROUPS) == ["claims", "lending"]
    assert not world.tick("evidence_arrival").dynamic_partitions_requests


def test_the_first_profile_and_its_key_come_in_one_tick(world: SensorWorld) -> None:
    world.add_group("acme")
    world.changed(world.add_table_group("acme", "lending"), ago=HOUR)

    assert run_keys(world.tick("profiling_cron"))
    assert world.keys(TABLE_GROUPS) == ["lending"]


def test_a_disabled_group_hides_its_keys(world: SensorWorld) -> None:
    for group in ("acme", "globex"):
        world.add_group(group)
        world.add_table_group(group, f"of_{group}")
    world.tick("evidence_arrival")

    world.add_group("globex", enabled=False)
    world.tick("evidence_arrival")

    assert (world.keys(GROUPS), world.keys(TABLE_GROUPS)) == (["acme"], ["of_acme"])


def test_a_table_group_of_two_groups_stays_while_one_of_them_has_it(world: SensorWorld) -> None:
    for group in ("acme", "globex"):
        world.add_group(group)
        world.add_table_group(group, "lending")
    world.tick("evidence_arrival")

    world.add_group("globex", enabled=False)
    world.tick("evidence_arrival")

    assert world.keys(TABLE_GROUPS) == ["lending"]


def test_a_disabled_group_keeps_its_key_until_its_run_is_over(world: SensorWorld) -> None:
    world.add_group("acme")
    world.tick("evidence_arrival")
    world.run_of("acme", dg.DagsterRunStatus.STARTED)
    world.add_group("acme", enabled=False)

    world.tick("evidence_arrival")
    assert world.keys(GROUPS) == ["acme"]

    (run,) = world.instance.get_runs()
    world.instance.report_run_failed(run)
    world.tick("evidence_arrival")
    assert world.keys(GROUPS) == []


# Profiles by cron


def test_a_table_group_never_profiled_is_due_at_once(world: SensorWorld) -> None:
    world.add_group("acme")
    world.changed(world.add_table_group("acme", "lending"), ago=HOUR)

    (request,) = world.tick("profiling_cron").run_requests or []

    assert str(request.partition_key) == "acme|lending"
    assert request.asset_selection == [PROFILE_RUN]
    assert request.run_key == "acme:lending:profile:1"
    assert skip_text(world.tick("profiling_cron")) == "no schedule is due"


def ticked(world: SensorWorld, *, profiled_ago: timedelta, changed_ago: timedelta) -> None:
    """A table group that is profiled every minute, with a completed run and a change."""
    world.add_group("acme")
    table_group = world.add_table_group("acme", "lending", cron="* * * * *")
    world.end(world.profile(table_group, ago=profiled_ago), DONE)
    world.changed(table_group, ago=changed_ago)
    world.context.table_groups.ticked(
        table_group.group_id, table_group.table_group_id, world.now - 2 * HOUR
    )


def test_a_schedule_is_skipped_when_no_table_changed(world: SensorWorld) -> None:
    ticked(world, profiled_ago=HOUR, changed_ago=2 * HOUR)

    assert skip_text(world.tick("profiling_cron")) == "unchanged: acme/lending"


def test_a_changed_table_is_profiled_once_for_all_missed_ticks(world: SensorWorld) -> None:
    ticked(world, profiled_ago=2 * HOUR, changed_ago=HOUR)

    (request,) = world.tick("profiling_cron").run_requests or []

    assert str(request.partition_key) == "acme|lending"


def test_of_many_due_table_groups_none_loses_its_tick(world: SensorWorld) -> None:
    for group, count in (("acme", 23), ("globex", 2)):
        world.add_group(group)
        for number in range(count):
            world.changed(world.add_table_group(group, f"e{number}"), ago=HOUR)

    ticks = [run_keys(world.tick("profiling_cron")) for _ in range(3)]

    assert [len(keys) for keys in ticks] == [20, 5, 0]
    assert len({*ticks[0], *ticks[1]}) == 25
    assert "globex:e0:profile:1" in ticks[0][:2]


def test_a_run_under_way_is_not_doubled(world: SensorWorld) -> None:
    world.add_group("acme")
    table_group = world.add_table_group("acme", "lending")
    world.changed(table_group, ago=HOUR)
    world.profile(table_group)

    assert run_keys(world.tick("profiling_cron")) == []


# Profile runs that ended


def test_a_completed_profile_asks_for_its_outcome_until_it_is_taken_over(
    world: SensorWorld,
) -> None:
    group = world.add_group("acme")
    run = world.profile(world.add_table_group("acme", "lending"))
    assert "no profile run ended" in skip_text(world.tick("profile_completion"))
    world.end(run, DONE)

    (request,) = world.tick("profile_completion").run_requests or []
    again = run_keys(world.tick("profile_completion"))
    world.context.profile_runs.materialized(group, run.profile_run_id, at=world.now)

    assert request.run_key == run.profile_run_id
    assert again == [run.profile_run_id]
    assert str(request.partition_key) == "acme|lending"
    assert request.asset_selection == PROFILE_OUTCOME
    assert request.tags == {"kmflow/group": "acme", PROFILE_RUN_TAG: run.profile_run_id}
    assert run_keys(world.tick("profile_completion")) == []


@pytest.mark.parametrize(
    ("ago_s", "numbers"), [((10,), ["2"]), ((20, 10), []), ((200, 100), ["3"])]
)
def test_a_profile_that_could_not_be_taken_over_is_asked_for_again_ever_later(
    world: SensorWorld, ago_s: tuple[int, ...], numbers: list[str]
) -> None:
    world.add_group("acme")
    run = world.profile(world.add_table_group("acme", "lending"))
    world.end(run, DONE)
    for seconds in ago_s:
        world.past_run_of(
            "acme",
            dg.DagsterRunStatus.FAILURE,
            ago=timedelta(seconds=seconds),
            assets=PROFILE_OUTCOME,
            tags={PROFILE_RUN_TAG: run.profile_run_id},
        )

    keys = run_keys(world.tick("profile_completion"))

    assert keys == [f"{run.profile_run_id}:{number}" for number in numbers]


def test_a_failed_profile_is_a_failed_check_and_an_observation_once(world: SensorWorld) -> None:
    world.add_group("acme")
    run = world.profile(world.add_table_group("acme", "lending"))
    world.end(run, FAILED)

    results = [world.tick("profile_completion") for _ in range(2)]

    assert [run_keys(result) for result in results] == [[], []]
    (observation,) = world.instance.fetch_observations(PROFILE_RESULTS, limit=10).records
    seen = observation.asset_observation
    assert seen is not None
    assert seen.partition == "acme|lending"
    assert seen.metadata["error_message"].value == "no such table"
    (check,) = failed_checks(world)
    assert (check.check_name, check.passed) == ("profile_run_succeeded", False)
    assert check.metadata["profile_run_id"].value == run.profile_run_id


def failed_checks(world: SensorWorld) -> list[dg.AssetCheckEvaluation]:
    key = dg.AssetCheckKey(PROFILE_RESULTS, "profile_run_succeeded")
    records = world.instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    found = [record.event.dagster_event for record in records if record.event]
    return [event.event_specific_data for event in found if event]  # type: ignore[misc]


def test_a_failed_profile_holds_up_no_other_group(world: SensorWorld) -> None:
    for group in ("acme", "globex"):
        world.add_group(group)
        run = world.profile(world.add_table_group(group, "lending"))
        world.end(run, DONE if group == "globex" else FAILED)

    (request,) = world.tick("profile_completion").run_requests or []

    assert str(request.partition_key) == "globex|lending"
