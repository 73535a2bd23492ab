"""The one sink: completions end runs once, whoever brings them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from kmflow_orchestration.errors import (
    CompletionRefused,
    CompletionTooLarge,
    StorageUnavailable,
    UnknownRun,
)
from kmflow_orchestration.metadata.profile_records import StateChange
from kmflow_orchestration.runs.callbacks import MAX_ANOMALIES, apply_completion
from kmflow_orchestration.runs.run_state import ALLOWED, TERMINAL, Actor, RunStatus
from kmflow_orchestration_tests.runs.profile_world import (
    ACME,
    DONE,
    FAILED,
    GLOBEX,
    NULLS,
    SPACES,
    WHOLE,
)


def test_a_completion_ends_the_run_with_everything_it_found(world):
    run = world.submit()

    applied = world.complete(run)

    ended = world.read(run)
    assert (applied.applied, ended.status, ended.completed_by) == (True, "completed", "callback")
    assert (ended.row_count, ended.anomaly_count, ended.dq_score_profiling) == (100, 2, 0.75)
    assert world.findings.anomalies(ACME, run.profile_run_id) == [SPACES, NULLS]
    assert world.findings.scores(ACME, run.profile_run_id) == [WHOLE]
    assert [one.rows_written for one in world.findings.operations(ACME, run.profile_run_id)] == [3]


def test_a_completion_told_many_times_leaves_the_rows_of_one(world):
    run = world.submit()

    told = [world.complete(run).applied for _ in range(3)]

    assert told == [True, False, False]
    assert len(world.findings.anomalies(ACME, run.profile_run_id)) == 2


def test_equal_anomalies_in_one_completion_collapse(world):
    run = world.submit()

    world.complete(run, replace(DONE, anomalies=(NULLS, NULLS, SPACES), scores=(WHOLE, WHOLE)))

    assert world.read(run).anomaly_count == 2


def test_a_different_replay_within_a_day_replaces_what_was_found_and_keeps_the_end(world):
    run = world.submit()
    world.complete(run)
    ended_at = world.read(run).completed_at
    world.clock.advance(3600)

    again = world.complete(run, replace(DONE, anomalies=(NULLS,)))

    assert not again.applied
    assert world.findings.anomalies(ACME, run.profile_run_id) == [NULLS]
    assert world.read(run).completed_at == ended_at
    lines = world.findings.operations(ACME, run.profile_run_id)
    assert [line.status for line in lines] == ["success", "superseded"]


def test_a_different_replay_after_a_day_is_refused(world):
    run = world.submit()
    world.complete(run)
    world.clock.advance(24 * 3600 + 1)

    with pytest.raises(CompletionRefused):
        world.complete(run, replace(DONE, anomalies=()))

    assert len(world.findings.anomalies(ACME, run.profile_run_id)) == 2


def test_a_replay_of_an_earlier_execution_never_replaces_what_a_later_one_found(world):
    run = world.submit()
    world.complete(run, FAILED)
    world.complete(run, replace(DONE, attempt=2))

    with pytest.raises(CompletionRefused, match="attempt 2"):
        world.complete(run, replace(DONE, anomalies=()))
    world.complete(run, replace(DONE, anomalies=(NULLS,), attempt=2))

    assert world.findings.anomalies(ACME, run.profile_run_id) == [NULLS]


def test_what_a_person_decided_about_an_anomaly_survives_a_replay(world):
    run = world.submit()
    world.complete(run)
    with world.engine.begin() as connection:
        connection.execute(sa.text("UPDATE dq_profile_anomalies SET disposition = 'Dismissed'"))

    world.complete(run, replace(DONE, anomalies=(NULLS,)))

    assert world.findings.anomalies(ACME, run.profile_run_id)[0].disposition == "Dismissed"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (DONE, FAILED),
        (FAILED, DONE),
        (DONE, replace(DONE, status=RunStatus.RUNNING)),
        (DONE, replace(DONE, status=RunStatus.TIMED_OUT)),
    ],
    ids=["failed", "completed", "running", "timed_out"],
)
def test_an_end_is_final(world, first, second):
    run = world.submit()
    world.complete(run, first)

    with pytest.raises(CompletionRefused) as refused:
        world.complete(run, second)

    assert refused.value.current_status == first.status
    assert world.read(run).status is first.status


@pytest.mark.parametrize(
    ("status", "failure_class", "corrected"),
    [
        (RunStatus.TIMED_OUT, None, True),
        (RunStatus.FAILED, "results_missing", True),
        (RunStatus.FAILED, "submission_lost", True),
        (RunStatus.FAILED, "state_unknown", True),
        (RunStatus.FAILED, "code", False),
        (RunStatus.CANCELLED, None, False),
    ],
)
def test_only_what_the_poller_gave_up_is_corrected_by_a_callback(
    world, status, failure_class, corrected
):
    run = world.submit()
    given_up = StateChange(status=status, reason="deadline", failure_class=failure_class)
    world.runs.change(ACME, run, given_up, by=Actor.POLLER, at=world.clock.now())

    if corrected:
        assert world.complete(run).applied
        assert world.read(run).status == "completed"
        assert world.read(run).failure_class is None
    else:
        with pytest.raises(CompletionRefused):
            world.complete(run)


def test_the_poller_after_the_callback_changes_nothing(world):
    run = world.submit()
    world.complete(run)

    late = world.complete(run, replace(DONE, anomalies=()), by=Actor.POLLER)

    assert not late.applied
    assert len(world.findings.anomalies(ACME, run.profile_run_id)) == 2


def test_callback_and_poller_at_once_end_the_run_once(world):
    run = world.submit()

    with ThreadPoolExecutor(4) as pool:
        actors = [Actor.CALLBACK, Actor.POLLER] * 4
        told = list(pool.map(lambda actor: world.complete(run, by=actor).applied, actors))

    assert sum(told) == 1
    assert len(world.findings.anomalies(ACME, run.profile_run_id)) == 2
    events = world.runs.events(ACME, run.profile_run_id)
    assert [event.to_status for event in events] == ["queued", "completed"]


def test_no_reader_ever_sees_a_completed_run_without_its_anomalies(world):
    runs = []
    seen, begun, ended = [], threading.Event(), threading.Event()

    def read() -> None:
        begun.set()
        while not ended.is_set():
            for run in runs:
                status = world.read(run).status
                seen.append((status, len(world.findings.anomalies(ACME, run.profile_run_id))))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        begun.wait()
        for number in range(1, 21):
            runs.append(world.submit(number))
            world.complete(runs[-1])
        ended.set()
        reading.result()

    assert {count for status, count in seen if status == "completed"} <= {2}
    assert {count for status, count in seen if status == "queued"} <= {0, 2}


def test_a_callback_before_the_platform_run_id_is_stored_ends_the_run(world):
    run = world.queue()
    world.complete(run)

    now = world.clock.now()
    stored = world.runs.submitted(
        ACME, run.profile_run_id, databricks_run_id="5", run_page_url="", at=now, next_poll_at=now
    )

    assert (stored.status, stored.databricks_run_id) == ("completed", "5")
    assert world.runs.due(ACME, now) == []


def test_a_completion_of_another_platform_run_is_refused(world):
    run = world.submit(databricks_run_id="77")

    with pytest.raises(CompletionRefused, match="78"):
        world.complete(run, replace(DONE, databricks_run_id="78"))

    assert world.read(run).status == "queued"


def test_a_later_execution_of_the_same_task_replaces_the_failure_of_an_earlier_one(world):
    run = world.submit()
    world.complete(run, FAILED)

    assert world.complete(run, replace(DONE, attempt=2)).applied

    assert (world.read(run).status, world.read(run).error_message) == ("completed", None)
    with pytest.raises(CompletionRefused):
        world.complete(run, replace(FAILED, attempt=3))


def test_progress_may_be_reported_and_is_no_end(world):
    run = world.submit()
    running = replace(DONE, status=RunStatus.RUNNING)

    assert world.complete(run, running).applied
    assert not world.complete(run, running).applied
    assert world.read(run).status == "running"


def test_a_run_of_another_group_is_unknown(world):
    run = world.submit()

    with pytest.raises(UnknownRun):
        apply_completion(
            GLOBEX,
            run.profile_run_id,
            DONE,
            runs=world.runs,
            by=Actor.CALLBACK,
            clock=world.clock,
        )


def test_too_many_anomalies_are_refused_before_anything_is_read(world):
    run = world.submit()

    with pytest.raises(CompletionTooLarge):
        world.complete(run, replace(DONE, anomalies=(NULLS,) * (MAX_ANOMALIES + 1)))


def test_a_fault_while_writing_findings_leaves_the_run_untouched(world):
    run = world.submit()
    with world.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE dq_profile_operations RENAME TO elsewhere"))

    with pytest.raises(StorageUnavailable):
        world.complete(run)

    assert world.read(run).status == "queued"
    assert world.findings.anomalies(ACME, run.profile_run_id) == []


def test_no_end_leads_anywhere_by_the_table_of_changes():
    assert all(not ALLOWED[status] for status in TERMINAL)
    assert set(ALLOWED) == set(RunStatus)
