"""Table groups and profile runs in the control database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from kmflow_orchestration.errors import (
    ConfigurationError,
    RunOutstanding,
    StorageUnavailable,
    UnknownRun,
    UnknownTableGroup,
)
from kmflow_orchestration.metadata.profile_records import StateChange
from kmflow_orchestration.metadata.profiling_tables import ProfileRow
from kmflow_orchestration.metadata.run_status import Actor, RunStatus
from kmflow_orchestration.metadata.schema import Base
from kmflow_orchestration_tests.runs.profile_world import ACME, DONE, E1, GLOBEX, ProfileWorld

RUNNING = StateChange(status=RunStatus.RUNNING, reason="the platform says so")


@pytest.fixture
def world(tmp_path, control_database):
    return ProfileWorld(control_database(tmp_path / "control.db"))


def change(world, table="e1__loans", batch="b1", **fields):
    return world.table_groups.table_changed(
        ACME,
        E1,
        schema_name="main_bronze",
        table_name=table,
        batch_id=batch,
        at=world.clock.now(),
        **fields,
    )


def stale_ids(world, group=ACME):
    return [one.table_group_id for one in world.table_groups.stale(group)]


def test_an_engagement_gets_one_table_group_of_its_own_name(world):
    world.clock.advance(60)

    again = world.add_table_group(ACME, "e1")

    assert again == world.table_group
    assert (again.table_group_id, again.engagement_id) == ("e1", "e1")


def test_a_table_group_belongs_to_one_group_only(world):
    assert world.table_groups.find(GLOBEX, E1) is None
    with pytest.raises(UnknownTableGroup, match="globex"):
        world.table_groups.get(GLOBEX, E1)


def test_saving_settings_again_never_touches_the_registered_job(world):
    world.table_groups.record_job(ACME, E1, job_id="9", settings_hash="abc", now=world.clock.now())

    saved = world.table_groups.save(ACME, replace(world.table_group, include_mask="loans*"))

    assert (saved.profiling_job_id, saved.include_mask) == ("9", "loans*")


@pytest.mark.parametrize(("cron", "zone"), [("never", "UTC"), ("0 3 * * *", "Mars/Olympus")])
def test_a_schedule_that_is_none_is_refused(world, cron, zone):
    with pytest.raises(ConfigurationError, match="is no schedule"):
        world.table_groups.save(ACME, replace(world.table_group, cron=cron, time_zone=zone))


def test_a_changed_table_makes_its_table_group_stale_until_it_is_profiled(world):
    assert stale_ids(world) == []
    change(world)
    assert stale_ids(world) == ["e1"]
    world.clock.advance(1)
    run = world.submit()
    assert stale_ids(world) == []  # outstanding
    world.complete(run)

    assert stale_ids(world) == []
    assert stale_ids(world, GLOBEX) == []


def test_a_change_during_a_run_asks_for_the_next_one(world):
    run = world.submit()
    world.clock.advance(1)
    change(world)
    world.complete(run)

    assert stale_ids(world) == ["e1"]


def test_a_failed_run_leaves_its_table_group_stale(world):
    change(world)
    run = world.submit()
    world.complete(run, replace(DONE, status=RunStatus.FAILED))

    assert stale_ids(world) == ["e1"]


def test_the_same_batch_again_is_no_news(world):
    assert change(world, row_count=5)
    assert not change(world, row_count=5)
    assert change(world, row_count=6)
    assert change(world, batch="b2", row_count=6)


def test_tables_first_changed_by_several_threads_are_recorded_once(world):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: change(world, batch=f"b{number}"), range(8)))

    assert [table.table_name for table in world.table_groups.tables(ACME, E1)] == ["e1__loans"]


def due(world, at):
    return [one.table_group_id for one in world.table_groups.due_by_cron(ACME, at)]


def test_a_new_table_group_is_due_at_once_and_missed_ticks_are_one(world):
    noon = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert due(world, world.clock.now()) == ["e1"]
    world.table_groups.ticked(ACME, E1, world.clock.now())
    assert due(world, world.clock.now()) == []

    assert due(world, noon) == ["e1"]
    world.table_groups.ticked(ACME, E1, noon)

    assert due(world, noon + timedelta(hours=1)) == []


def test_a_tick_is_in_the_zone_of_its_table_group(world):
    zurich = replace(world.table_group, cron="0 3 * * *", time_zone="Europe/Zurich")
    world.table_groups.save(ACME, zurich)
    world.table_groups.ticked(ACME, E1, datetime(2026, 7, 1, 0, 0, tzinfo=UTC))

    assert due(world, datetime(2026, 7, 1, 0, 59, tzinfo=UTC)) == []
    assert due(world, datetime(2026, 7, 1, 1, 0, tzinfo=UTC)) == ["e1"]


def test_only_one_run_of_a_table_group_is_outstanding(world):
    first = world.queue(1)

    with pytest.raises(RunOutstanding) as refused:
        world.queue(2)

    assert refused.value.profile_run_id == first.profile_run_id


def test_of_many_starts_at_once_one_wins(world):
    def start(number):
        try:
            world.queue(number)
        except RunOutstanding:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(start, range(1, 9)))

    assert sum(started) == 1


def test_groups_with_the_same_table_group_run_side_by_side(world):
    world.add_table_group(GLOBEX, "e1")
    mine, theirs = world.queue(1), world.queue(2, group=GLOBEX)

    assert world.runs.outstanding(ACME, E1).profile_run_id == mine.profile_run_id
    assert world.runs.outstanding(GLOBEX, E1).profile_run_id == theirs.profile_run_id
    with pytest.raises(UnknownRun):
        world.runs.get(GLOBEX, mine.profile_run_id)


def test_a_change_from_a_status_that_is_no_more_does_nothing(world):
    run = world.submit()

    assert world.runs.change(ACME, run, RUNNING, by=Actor.POLLER, at=world.clock.now())
    assert not world.runs.change(ACME, run, RUNNING, by=Actor.POLLER, at=world.clock.now())
    assert [event.to_status for event in world.runs.events(ACME, run.profile_run_id)] == [
        "queued",
        "running",
    ]


def test_a_run_that_is_over_is_not_changed_by_the_poller(world):
    run = world.submit()
    world.complete(run)

    assert not world.runs.change(
        ACME, world.read(run), RUNNING, by=Actor.POLLER, at=world.clock.now()
    )


def test_runs_are_due_when_their_poll_or_their_deadline_has_come(world):
    run = world.submit()
    assert world.runs.due(ACME, world.clock.now()) == []
    world.clock.advance(60)
    assert [one.profile_run_id for one in world.runs.due(ACME, world.clock.now())] == [
        run.profile_run_id
    ]

    now = world.clock.now()
    world.runs.polled(ACME, run.profile_run_id, at=now, next_poll_at=now + timedelta(days=1))

    assert world.runs.due(ACME, world.clock.now()) == []
    assert world.runs.due(ACME, run.deadline_at)
    assert world.runs.due(GLOBEX, run.deadline_at) == []


def test_a_failed_run_never_hides_the_last_good_profile(world):
    good = world.submit(1)
    world.complete(good)
    world.clock.advance(60)
    world.complete(world.submit(2), replace(DONE, status=RunStatus.FAILED))

    assert world.runs.latest_completed(ACME, E1).profile_run_id == good.profile_run_id
    assert [run.status for run in world.runs.latest(ACME)] == ["failed", "completed"]


def test_a_finished_run_waits_until_its_end_is_taken_over(world):
    run = world.submit()
    assert world.runs.finished_unmaterialized(ACME) == []
    world.complete(run)
    assert len(world.runs.finished_unmaterialized(ACME)) == 1

    world.runs.materialized(ACME, run.profile_run_id, at=world.clock.now())

    assert world.runs.finished_unmaterialized(ACME) == []


def test_only_one_of_several_may_create_the_job_until_its_lease_is_over(world):
    def claim():
        return world.table_groups.claim_job_creation(
            ACME, E1, now=world.clock.now(), lease=timedelta(minutes=5)
        )

    assert claim()
    assert not claim()
    world.clock.advance(300)
    assert claim()


def test_a_claim_of_a_dead_process_is_freed_before_its_lease_is_over(world):
    lease = timedelta(minutes=5)
    now = world.clock.now()
    assert world.table_groups.claim_job_creation(ACME, E1, now=now, lease=lease)

    world.table_groups.free_job_creations(GLOBEX)
    assert not world.table_groups.claim_job_creation(ACME, E1, now=now, lease=lease)
    world.table_groups.free_job_creations(ACME)

    assert world.table_groups.claim_job_creation(ACME, E1, now=now, lease=lease)


def test_runs_whose_waiter_died_are_looked_at_at_once(world):
    run = world.submit()
    now = world.clock.now()

    world.runs.look_at_once(GLOBEX, at=now)
    assert world.runs.due(ACME, now) == []
    world.runs.look_at_once(ACME, at=now)

    assert [one.profile_run_id for one in world.runs.due(ACME, now)] == [run.profile_run_id]


def test_a_database_without_tables_is_our_own_error(world):
    Base.metadata.drop_all(world.engine)

    with pytest.raises(StorageUnavailable):
        world.runs.latest(ACME)


def test_the_database_itself_refuses_a_second_outstanding_run(world):
    world.queue(1)
    insert = sa.insert(ProfileRow).from_select(
        [column.name for column in ProfileRow.__table__.columns],
        sa.select(
            *[
                sa.literal("other") if column.name == "profile_run_id" else column
                for column in ProfileRow.__table__.columns
            ]
        ),
    )

    with pytest.raises(sa.exc.IntegrityError), world.engine.begin() as connection:
        connection.execute(insert)
