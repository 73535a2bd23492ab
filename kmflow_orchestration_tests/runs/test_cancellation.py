"""Whoever is interrupted while starting a run leaves no job behind (rows G13, E37)."""

from __future__ import annotations

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import RunOutstanding
from kmflow_orchestration.metadata.profile_runs import ProfileRuns
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.reconciliation import PolledGroup, poll_outstanding
from kmflow_orchestration.runs.submission import start_profile
from kmflow_orchestration_tests.runs.profile_world import ACME, DONE, E1
from kmflow_orchestration_tests.runs.scripted_jobs import (
    RUNNING,
    SUCCESS,
    ScriptedJobs,
    unreachable,
)

CONFIG = GroupConfig(group_id=ACME, version=1, catalog="main", schema="acme")
CANCELED = {
    "state": {"life_cycle_state": "TERMINATED", "result_state": "CANCELED"},
    "status": {"termination_details": {"code": "USER_CANCELED"}},
}


class Interrupted(BaseException):
    """As Dagster's own: no Exception."""


class NoLakehouse:
    def merge(self, *_) -> None:
        """The catalog's copy is nothing here."""


class EndingJobs(ScriptedJobs):
    """A platform that takes a run, then interrupts its caller, and ends what it is told to."""

    interrupts: int = 1
    ends: bool = True

    def submit(self, job_id, *, profile_run_id, parameters):
        told = super().submit(job_id, profile_run_id=profile_run_id, parameters=parameters)
        self.states.setdefault(told.databricks_run_id, RUNNING)
        if self.interrupts:
            self.interrupts -= 1
            raise Interrupted
        return told

    def cancel(self, databricks_run_id):
        super().cancel(databricks_run_id)
        if self.ends:
            self.states[databricks_run_id] = CANCELED


@pytest.fixture
def jobs(world) -> EndingJobs:
    world.loans_changed()
    return EndingJobs()


def start(world, jobs, **changes):
    parts = {
        "runs": world.runs,
        "table_groups": world.table_groups,
        "jobs": jobs,
        "lakehouse": NoLakehouse(),
        "config": CONFIG,
        "callback": CallbackSettings(),
        "clock": world.clock,
        **changes,
    }
    return start_profile(ACME, E1, **parts)


def interrupted(world, jobs, **changes):
    """The run that an interrupted start leaves."""
    with pytest.raises(Interrupted):
        start(world, jobs, **changes)
    (run,) = world.runs.latest(ACME)
    return run


def poll(world, jobs):
    polled = PolledGroup(ACME, jobs, lambda _run: DONE)
    return poll_outstanding([polled], runs=world.runs, clock=world.clock)


def interrupting(world, method):
    """The world's runs, whose method is interrupted right after it did its work."""
    there = getattr(ProfileRuns, method)

    def once(self, *args, **kwargs):
        there(self, *args, **kwargs)
        setattr(kind, method, there)
        raise Interrupted

    kind = type("InterruptedRuns", (ProfileRuns,), {method: once})
    return kind(world.runs.sessions)


def test_a_run_its_platform_was_not_asked_for_is_cancelled_at_once(world, jobs):
    run = interrupted(world, jobs, runs=interrupting(world, "insert_queued"))

    assert (run.status, run.failure_class) == ("cancelled", "cancelled")
    assert (jobs.submitted, jobs.cancelled) == ({}, [])


def test_a_run_whose_id_did_not_arrive_is_found_by_its_token_and_cancelled(world, jobs):
    run = interrupted(world, jobs)

    assert (run.status, run.databricks_run_id) == ("cancelled", "71")
    assert (list(jobs.submitted), jobs.cancelled) == ([run.profile_run_id], ["71"])
    assert [one.reason for one in world.runs.events(ACME, run.profile_run_id)] == [
        "inserted",
        "TERMINATED/CANCELED/USER_CANCELED",
    ]


def test_a_run_whose_id_is_recorded_is_cancelled_by_it(world, jobs):
    jobs.interrupts = 0

    run = interrupted(world, jobs, runs=interrupting(world, "submitted"))

    assert (run.status, run.databricks_run_id, jobs.cancelled) == ("cancelled", "71", ["71"])


def test_after_a_cancelled_run_the_next_request_starts_a_new_one(world, jobs):
    first = interrupted(world, jobs)

    second = start(world, jobs)

    assert second.profile_run_id != first.profile_run_id
    assert (second.status, second.databricks_run_id) == ("queued", "72")


@pytest.mark.parametrize("fault", ["cancel", "state"])
def test_a_cancel_that_fails_is_told_and_asked_for_again_by_polling(world, jobs, caplog, fault):
    jobs.faults[fault] = unreachable()

    run = interrupted(world, jobs)

    assert (run.status, run.databricks_run_id) == ("queued", "71")
    assert run.warnings == ("cancel_failed: the workspace does not answer",)
    assert "the workspace does not answer" in caplog.text
    del jobs.faults[fault]
    jobs.states["71"] = RUNNING
    (seen,) = poll(world, jobs)
    assert (seen.status, jobs.cancelled[-1]) == ("running", "71")
    world.clock.advance(60)
    (seen,) = poll(world, jobs)
    assert (seen.status, world.read(run).completed_by) == ("cancelled", "poller")


def test_a_cancel_that_fails_again_is_told_by_the_poll(world, jobs):
    jobs.faults["cancel"] = unreachable()
    interrupted(world, jobs)

    (seen,) = poll(world, jobs)

    assert "does not answer" in seen.error


def test_a_run_that_nobody_can_find_is_lost_at_the_next_look(world, jobs):
    class Silent(EndingJobs):
        def submit(self, job_id, *, profile_run_id, parameters):
            if self.interrupts:
                return super().submit(job_id, profile_run_id=profile_run_id, parameters=parameters)
            raise unreachable()

    run = interrupted(world, Silent())
    assert run.warnings == ("cancel_failed: the workspace does not answer",)

    poll(world, jobs)

    lost = world.read(run)
    assert (lost.status, lost.failure_class) == ("failed", "submission_lost")
    assert world.complete(lost).applied


def test_a_platform_that_takes_its_time_is_waited_for_a_little_and_then_polled(world, jobs):
    jobs.ends = False
    before = world.clock.monotonic()

    run = interrupted(world, jobs)

    assert 10 <= world.clock.monotonic() - before < 11
    assert (run.status, run.cancel_requested_at is None) == ("queued", False)
    with pytest.raises(RunOutstanding):
        start(world, jobs)
    jobs.states["71"] = CANCELED
    assert start(world, jobs).profile_run_id != run.profile_run_id
    assert world.read(run).status == "cancelled"


def test_a_run_that_was_done_first_keeps_its_result(world, jobs):
    jobs.ends = False
    run = interrupted(world, jobs)
    jobs.states["71"] = SUCCESS

    poll(world, jobs)

    assert world.read(run).status == "completed"


def test_a_run_its_callback_ended_first_is_not_cancelled(world, jobs):
    class QuickJobs(EndingJobs):
        def submit(self, job_id, *, profile_run_id, parameters):
            world.complete(world.runs.get(ACME, profile_run_id))
            return super().submit(job_id, profile_run_id=profile_run_id, parameters=parameters)

    quick = QuickJobs()

    run = interrupted(world, quick)

    assert (run.status, run.completed_by, quick.cancelled) == ("completed", "callback", [])


def test_a_second_interrupt_ends_the_waiting_and_polling_goes_on(world, jobs):
    jobs.interrupts = 2

    run = interrupted(world, jobs)

    assert (run.status, run.databricks_run_id) == ("queued", None)
    assert run.cancel_requested_at is not None
    assert start(world, jobs).profile_run_id != run.profile_run_id
