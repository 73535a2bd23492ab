"""Whatever comes for a run, in whatever order: its status moves by row E31 and by nothing else."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kmflow_orchestration.errors import CompletionRefused
from kmflow_orchestration.metadata.profile_records import StateChange
from kmflow_orchestration.runs.run_state import OUTSTANDING, TERMINAL, Actor, RunStatus
from kmflow_orchestration_tests.runs.profile_world import ACME, DONE, ProfileWorld

NUMBERS = itertools.count(1)
GIVEN_UP = ("submission_lost", "results_missing", "state_unknown")
CLASSES = (*GIVEN_UP, "code", "run_not_found", None)

told_by_platform = st.builds(
    StateChange,
    status=st.sampled_from(RunStatus),
    reason=st.just("told"),
    failure_class=st.sampled_from(CLASSES),
)
told_by_job = st.builds(replace, st.just(DONE), status=st.sampled_from(RunStatus))
messages = st.lists(st.one_of(told_by_platform, told_by_job), max_size=6)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, control_databases) -> ProfileWorld:
    home = tmp_path_factory.mktemp("changes")
    return ProfileWorld(control_databases.new(home / "control.db"))


def tell(world, run, message) -> None:
    """A completion comes from the job, a change of state from the poller."""
    if isinstance(message, StateChange):
        now = world.clock.now()
        world.runs.change(ACME, world.read(run), message, by=Actor.POLLER, at=now)
        return
    with suppress(CompletionRefused):
        world.complete(run, message)


def may_follow(before, change) -> bool:
    """Row E31, said once more: what is open goes anywhere but back to the queue, an end is final.

    But for an end that is only our own giving up: the job's word is better.
    """
    if before.status in OUTSTANDING:
        return change.to_status is not RunStatus.QUEUED or before.status is RunStatus.UNKNOWN
    given_up = before.status is RunStatus.TIMED_OUT or before.failure_class in GIVEN_UP
    ours = before.completed_by != Actor.CALLBACK
    return given_up and ours and change.by == Actor.CALLBACK and change.to_status in TERMINAL


@given(messages)
@hypothesis_settings(max_examples=40)
def test_a_run_moves_only_as_it_may_and_each_move_is_written_down(shared, told):
    number = next(NUMBERS)
    table_group = shared.table_groups.ensure_default(
        ACME, f"g{number}", schema_name="s", now=shared.clock.now()
    )
    run = shared.queue(number, table_group_id=table_group.table_group_id)
    for message in told:
        before = shared.read(run)
        events = shared.runs.events(ACME, run.profile_run_id)

        tell(shared, run, message)

        after = shared.read(run)
        new = shared.runs.events(ACME, run.profile_run_id)[len(events) :]
        assert len(new) == 1 or after.status is before.status
        for change in new:  # a failure, too, may replace one that was only given up
            assert (change.from_status, change.to_status) == (before.status, after.status)
            assert may_follow(before, change)
    assert (shared.read(run).completed_at is not None) == (shared.read(run).status in TERMINAL)
