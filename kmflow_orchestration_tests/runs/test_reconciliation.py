"""Polling: what no callback ended, and what a callback ended first."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from kmflow_orchestration.errors import RemoteFault
from kmflow_orchestration.metadata.profile_records import Completion, StateChange
from kmflow_orchestration.redaction import register
from kmflow_orchestration.runs.reconciliation import (
    PolledGroup,
    PollingOptions,
    poll_outstanding,
)
from kmflow_orchestration.runs.run_state import RunStatus
from kmflow_orchestration_tests.runs.profile_world import ACME, DONE, GLOBEX
from kmflow_orchestration_tests.runs.scripted_jobs import (
    RUNNING,
    SUCCESS,
    ScriptedJobs,
    unreachable,
)


@pytest.fixture
def jobs() -> ScriptedJobs:
    return ScriptedJobs()


def poll(world, jobs, *, results=DONE, group=ACME, **options):
    polled = PolledGroup(group, jobs, lambda _run: results)
    return poll_outstanding(
        [polled], runs=world.runs, clock=world.clock, options=PollingOptions(**options)
    )


def ended(life_cycle, result=None, code=None, message=""):
    return {
        "state": {
            "life_cycle_state": life_cycle,
            "result_state": result,
            "state_message": message,
        },
        "status": {"termination_details": {"code": code}},
    }


def test_a_run_that_is_not_due_is_not_looked_at(world, jobs):
    world.submit()

    assert poll(world, jobs) == []
    assert jobs.asked == []


def test_a_running_run_is_looked_at_after_one_two_four_and_ten_minutes(world, jobs):
    run = world.submit()
    jobs.states["77"] = RUNNING
    waits = []
    for _ in range(6):
        world.clock.advance(600)
        poll(world, jobs)
        waits.append((world.read(run).next_poll_at - world.clock.now()) / timedelta(minutes=1))

    assert waits == [1, 2, 4, 10, 10, 10]
    assert world.read(run).status == "running"
    assert len(world.runs.events(ACME, run.profile_run_id)) == 2


def test_a_success_without_a_callback_is_completed_from_the_tables(world, jobs):
    run = world.submit()
    world.clock.advance(60)
    jobs.states["77"] = SUCCESS

    (outcome,) = poll(world, jobs)

    done = world.read(run)
    assert (outcome.status, outcome.changed) == (RunStatus.COMPLETED, True)
    assert (done.completed_by, done.anomaly_count) == ("poller", 2)
    assert done.databricks_state == "TERMINATED/SUCCESS"


def test_a_second_tick_after_the_end_does_nothing(world, jobs):
    world.submit()
    world.clock.advance(60)
    jobs.states["77"] = SUCCESS
    poll(world, jobs)
    world.clock.advance(3600)

    assert poll(world, jobs) == []


def test_a_run_its_callback_ended_while_it_was_looked_at_stays_as_the_callback_left_it(world, jobs):
    run = world.submit()
    world.clock.advance(60)
    jobs.states["77"] = SUCCESS

    def callback_first(_run):
        world.complete(run)
        return replace(DONE, anomalies=())

    (outcome,) = poll_outstanding(
        [PolledGroup(ACME, jobs, callback_first)], runs=world.runs, clock=world.clock
    )

    assert not outcome.changed
    assert (world.read(run).completed_by, world.read(run).anomaly_count) == ("callback", 2)


def test_results_that_are_not_there_yet_get_ten_minutes(world, jobs):
    run = world.submit()
    world.clock.advance(60)
    jobs.states["77"] = SUCCESS
    poll(world, jobs, results=None)
    assert world.read(run).status == "queued"
    world.clock.advance(599)
    poll(world, jobs, results=None)
    assert world.read(run).status == "queued"
    world.clock.advance(240)

    poll(world, jobs, results=None)

    assert world.read(run).failure_class == "results_missing"
    assert world.complete(run).applied


def test_the_platforms_own_end_decides_how_long_results_may_take(world, jobs):
    run = world.submit()
    world.clock.advance(3600)
    long_ago = int((world.clock.now() - timedelta(minutes=11)).timestamp() * 1000)
    jobs.states["77"] = {**SUCCESS, "end_time": long_ago}

    poll(world, jobs, results=None)

    assert world.read(run).failure_class == "results_missing"


@pytest.mark.parametrize(
    ("told", "status", "failure_class"),
    [
        (ended("TERMINATED", "FAILED", "RUN_EXECUTION_ERROR"), "failed", "code"),
        (ended("INTERNAL_ERROR", "FAILED", "DRIVER_ERROR"), "failed", "platform"),
        (ended("SKIPPED"), "skipped", "skipped"),
        (ended("TERMINATED", "TIMEDOUT"), "timed_out", "timeout"),
        (ended("TERMINATED", "CANCELED", "USER_CANCELED"), "cancelled", "cancelled"),
    ],
)
def test_a_bad_end_is_recorded_with_the_platforms_words(world, jobs, told, status, failure_class):
    run = world.submit()
    world.clock.advance(60)
    jobs.states["77"], jobs.outputs["77"] = told, "ValueError: no such column"

    poll(world, jobs)

    now = world.read(run)
    assert (now.status, now.failure_class) == (status, failure_class)
    assert now.error_message == "ValueError: no such column"
    assert now.databricks_state.startswith(told["state"]["life_cycle_state"])
    assert now.payload_path is None


def test_the_words_of_a_failed_job_are_kept_without_secrets(world, jobs):
    run = world.submit()
    world.clock.advance(60)
    jobs.states["77"] = ended("TERMINATED", "FAILED", "RUN_EXECUTION_ERROR")
    jobs.outputs["77"] = "ValueError: token=hunter2, Bearer abc.def was refused"

    poll(world, jobs)

    assert world.read(run).error_message == "ValueError: ***, *** was refused"


def test_what_a_platform_or_a_job_tells_of_our_own_secrets_is_not_kept():
    register("known/to-us+9f3a51")
    told = "signed in with known/to-us+9f3a51"
    change = StateChange(status="failed", reason="x", error_message=told, warnings=(told,))
    end = Completion(status="failed", error_message=told, warnings=(told,))
    for kept in (change, end):
        assert (kept.error_message, kept.warnings) == (
            "signed in with ***",
            ("signed in with ***",),
        )


def test_without_output_the_platforms_message_is_kept(world, jobs):
    run = world.submit()
    world.clock.advance(60)
    jobs.states["77"] = ended("SKIPPED", message="queue is full")
    jobs.faults["output"] = unreachable()

    poll(world, jobs)

    assert world.read(run).error_message == "queue is full"


def test_a_warning_of_the_platform_is_not_lost_when_results_are_read(world, jobs):
    run = world.submit()
    world.clock.advance(60)
    jobs.states["77"] = ended("TERMINATED", "SUCCESS_WITH_FAILURES")

    poll(world, jobs)

    assert world.read(run).status == "completed_with_warnings"


def test_a_terminated_run_without_a_word_is_looked_at_three_times(world, jobs):
    run = world.submit()
    jobs.states["77"] = ended("TERMINATED")
    seen = []
    for _ in range(3):
        world.clock.advance(600)
        poll(world, jobs)
        seen.append(world.read(run).status.value)

    assert seen == ["unknown", "unknown", "failed"]
    assert world.read(run).failure_class == "state_unknown"


def test_a_strange_word_is_polled_until_the_deadline(world, jobs):
    run = world.submit()
    jobs.states["77"] = ended("DREAMING")
    for _ in range(5):
        world.clock.advance(600)
        poll(world, jobs)

    assert world.read(run).status == "unknown"
    jobs.states["77"] = RUNNING
    world.clock.advance(600)
    poll(world, jobs)
    assert world.read(run).status == "running"


@pytest.mark.parametrize("fault", [None, unreachable()])
def test_past_its_deadline_a_run_is_cancelled_and_timed_out(world, jobs, fault):
    run = world.submit()
    jobs.faults.update({"cancel": fault} if fault else {})
    world.clock.advance(2 * 3600)

    poll(world, jobs)

    now = world.read(run)
    assert now.status == "timed_out"
    assert jobs.cancelled == ([] if fault else ["77"])
    assert bool(now.warnings) == bool(fault)
    assert world.complete(run).applied  # a real completion may still come


def test_a_run_its_platform_does_not_know_has_failed(world, jobs):
    run = world.submit()
    world.clock.advance(60)

    poll(world, jobs)

    assert world.read(run).failure_class == "run_not_found"


def test_a_run_that_was_never_submitted_is_lost_after_ten_minutes(world, jobs):
    run = world.queue()
    world.clock.advance(599)
    assert poll(world, jobs) == []
    world.clock.advance(1)

    poll(world, jobs)

    assert world.read(run).failure_class == "submission_lost"
    assert jobs.asked == []


def test_a_platform_that_does_not_answer_delays_the_next_look_and_nothing_else(world, jobs):
    run = world.submit()
    world.clock.advance(60)
    jobs.faults["state"] = unreachable()

    (outcome,) = poll(world, jobs)

    assert outcome.error == "the workspace does not answer"
    assert world.read(run).next_poll_at > world.clock.now()
    assert world.read(run).status == "queued"


def test_looks_that_fail_grow_rarer_as_those_that_do_not(world, jobs):
    run = world.submit()
    jobs.faults["state"] = unreachable()
    waits = []
    for _ in range(5):
        world.clock.advance(600)
        poll(world, jobs)
        waits.append((world.read(run).next_poll_at - world.clock.now()) / timedelta(minutes=1))

    assert waits == [1, 2, 4, 10, 10]


def several(world, count):
    """Submitted runs 1 to `count` of table groups of their own; the last is due first."""
    for number in range(1, count + 1):
        world.table_groups.ensure_default(
            ACME, f"g{number}", schema_name="s", now=world.clock.now()
        )
        due = world.clock.now() + timedelta(seconds=count - number)
        world.queue(
            number, table_group_id=f"g{number}", databricks_run_id=str(number), next_poll_at=due
        )
    world.clock.advance(600)


def test_the_longest_due_are_looked_at_first_and_no_more_than_a_tick_may(world, jobs):
    several(world, 5)
    jobs.states.update({str(number): RUNNING for number in range(1, 6)})

    poll(world, jobs, runs_per_tick=3, workers=1)
    poll(world, jobs, runs_per_tick=3, workers=1)

    assert jobs.asked == ["5", "4", "3", "2", "1"]


def test_runs_are_looked_at_side_by_side(world):
    several(world, 4)
    together = threading.Barrier(4)

    class MeetingJobs(ScriptedJobs):
        def state(self, databricks_run_id):
            together.wait(30)
            return RUNNING

    outcomes = poll(world, MeetingJobs(), workers=4)

    assert [one.error for one in outcomes] == [""] * 4


def test_a_slow_answer_does_not_keep_others_waiting(world):
    several(world, 3)
    others = threading.Semaphore(0)

    class OneSlow(ScriptedJobs):
        def state(self, databricks_run_id):
            if databricks_run_id == "3":  # the first to be asked
                assert all(others.acquire(timeout=30) for _ in range(2))
            others.release()
            return RUNNING

    outcomes = poll(world, OneSlow(), workers=2)

    assert [one.status.value for one in outcomes] == ["running"] * 3


def test_one_groups_fault_does_not_stop_another_group(world, jobs):
    world.submit(1)
    world.add_table_group(GLOBEX, "e1")
    other = world.queue(2, group=GLOBEX)
    world.runs.submitted(
        GLOBEX,
        other.profile_run_id,
        databricks_run_id="88",
        run_page_url="",
        at=world.clock.now(),
        next_poll_at=world.clock.now(),
    )
    world.clock.advance(60)
    jobs.faults["state"] = RemoteFault("gone")
    healthy = ScriptedJobs(states={"88": RUNNING})
    groups = [
        PolledGroup(ACME, jobs, lambda _run: DONE),
        PolledGroup(GLOBEX, healthy, lambda _run: DONE),
    ]

    outcomes = poll_outstanding(groups, runs=world.runs, clock=world.clock)

    assert sorted((one.group, one.status.value) for one in outcomes) == [
        ("acme", "queued"),
        ("globex", "running"),
    ]
    assert (jobs.asked, healthy.asked) == (["77"], ["88"])


def test_a_tick_whose_time_is_up_leaves_the_rest_for_the_next(world, jobs):
    several(world, 5)
    jobs.states.update({str(number): RUNNING for number in range(1, 6)})

    class SlowJobs(ScriptedJobs):
        def state(self, databricks_run_id):
            world.clock.advance(30)
            return super().state(databricks_run_id)

    slow = SlowJobs(states=jobs.states)

    first = poll(world, slow, workers=1)
    second = poll(world, slow, workers=1)

    assert (len(first), len(second)) == (2, 2)
    assert len(set(slow.asked)) == 4


def test_a_platform_that_hangs_does_not_hold_the_tick(world, jobs):
    world.submit()
    world.clock.advance(60)
    release = threading.Event()

    class HangingJobs(ScriptedJobs):
        def state(self, databricks_run_id):
            release.wait(30)
            raise unreachable()

    try:
        assert poll(world, HangingJobs(), budget_s=0.05) == []
    finally:
        release.set()
