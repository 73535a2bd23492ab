"""Starting a run: in order, once, and never leaving one behind that nobody looks after."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import (
    AccessRefused,
    GroupMismatch,
    KmflowError,
    ParametersTooLarge,
    RemoteFault,
    RunOutstanding,
    StorageUnavailable,
    TableGroupEmpty,
    TableGroupInactive,
    UnknownTableGroup,
)
from kmflow_orchestration.names import TableGroupId
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.submission import LaunchOptions, Trigger, start_profile
from kmflow_orchestration_tests.runs.profile_world import ACME, E1
from kmflow_orchestration_tests.runs.scripted_jobs import ScriptedJobs, unreachable

CONFIG = GroupConfig(group_id=ACME, version=1, catalog="main", schema="acme")


class MergedRows:
    """The one method of a lakehouse that a start uses, remembering what it got."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict]] = {}
        self.fault: Exception | None = None

    def merge(self, table, rows: pa.Table, keys) -> None:
        if self.fault is not None:
            raise self.fault
        self.rows[table.text] = rows.to_pylist()


@pytest.fixture
def start(world):
    """Start the world's table group, with changes to what that takes."""
    world.loans_changed()
    world.jobs, world.lakehouse = ScriptedJobs(), MergedRows()

    def started(table_group=E1, **changes):
        parts = {
            "runs": world.runs,
            "table_groups": world.table_groups,
            "jobs": world.jobs,
            "lakehouse": world.lakehouse,
            "config": CONFIG,
            "callback": CallbackSettings("https://kmflow.example", world.keys),
            "clock": world.clock,
            **changes,
        }
        return start_profile(ACME, table_group, **parts)

    return started


def test_a_start_copies_the_catalog_records_the_run_and_submits_it(world, start):
    world.jobs.warnings = ("job_adopted",)

    launched = start(trigger=Trigger("cron", "acme|e1"))

    run = world.runs.get(ACME, launched.profile_run_id)
    assert (launched.status, launched.job_id, launched.databricks_run_id) == ("queued", "9", "71")
    assert (run.databricks_run_id, run.trigger_source, run.partition_key) == (
        "71",
        "cron",
        "acme|e1",
    )
    assert run.warnings == launched.warnings == ("job_adopted",)
    (group_row,) = world.lakehouse.rows["main.acme_dq.dq_table_groups"]
    (table_row,) = world.lakehouse.rows["main.acme_dq.dq_tables"]
    assert (group_row["table_group_id"], group_row["schema_name"]) == ("e1", "main_bronze")
    assert (table_row["schema_name"], table_row["table_name"]) == ("acme_bronze", "e1__loans")


def test_a_table_that_appears_while_a_run_is_prepared_is_profiled_by_the_next(world, start):
    class SlowJobs(ScriptedJobs):
        def ensure_job(self, table_group):
            """Takes its time, in which a batch brings a table."""
            world.clock.advance(1)
            world.table_groups.table_changed(
                ACME,
                E1,
                schema_name="acme_bronze",
                table_name="e1__rates",
                batch_id="b2",
                at=world.clock.now(),
            )
            world.clock.advance(1)
            return super().ensure_job(table_group)

    launched = start(jobs=SlowJobs())
    world.complete(world.runs.get(ACME, launched.profile_run_id))

    assert [one.table_group_id for one in world.table_groups.stale(ACME)] == ["e1"]


def test_the_job_is_told_all_it_needs_as_text(world, start):
    launched = start()

    told = world.jobs.submitted[launched.profile_run_id]
    assert all(isinstance(value, str) for value in told.values())
    assert told["data_quality_schema"] == "acme_dq"
    assert told["callback_behavior"] == "post"
    assert launched.profile_run_id in told["callback_url"]
    world.keys.verify(
        f"Bearer {told['callback_token']}", launched.profile_run_id, "e1", now=world.clock.now()
    )


def test_without_a_callback_the_job_is_told_to_skip_it_and_polling_starts_at_once(world, start):
    launched = start(callback=CallbackSettings())

    told = world.jobs.submitted[launched.profile_run_id]
    assert (told["callback_behavior"], told["callback_url"], told["callback_token"]) == (
        "skip",
        "",
        "",
    )
    world.clock.advance(60)
    assert world.runs.due(ACME, world.clock.now())


def test_with_a_callback_polling_waits_for_it(world, start):
    start()

    world.clock.advance(299)
    assert not world.runs.due(ACME, world.clock.now())
    world.clock.advance(1)
    assert world.runs.due(ACME, world.clock.now())


def test_a_platform_that_starts_at_once_makes_a_running_run(world, start):
    world.jobs.starts_at_once = True

    assert start().status == "running"


def test_a_second_start_is_refused_and_names_the_first(world, start):
    first = start()

    with pytest.raises(RunOutstanding) as refused:
        start()

    assert refused.value.profile_run_id == first.profile_run_id
    assert len(world.jobs.submitted) == 1


@pytest.mark.parametrize("fault", [None, unreachable()], ids=["cancelled", "unreachable"])
def test_a_run_past_its_deadline_is_ended_first_and_does_not_block_the_next(world, start, fault):
    first = start(options=LaunchOptions(timeout_seconds=60))
    world.jobs.faults.update({"cancel": fault} if fault else {})
    world.clock.advance(3600)

    second = start()

    over = world.runs.get(ACME, first.profile_run_id)
    assert (over.status, over.failure_class) == ("timed_out", "timeout")
    assert world.jobs.cancelled == ([] if fault else [first.databricks_run_id])
    assert [one.partition(":")[0] for one in over.warnings] == (["cancel_failed"] if fault else [])
    assert second.profile_run_id != first.profile_run_id


@pytest.mark.parametrize(
    ("timeout_s", "hours"), [(7200, 2.5), (23 * 3600, 23.5), (24 * 3600, 24), (7 * 24 * 3600, 24)]
)
def test_a_run_is_given_up_half_an_hour_after_its_timeout_or_after_a_day(
    world, start, timeout_s, hours
):
    launched = start(options=LaunchOptions(timeout_seconds=timeout_s))

    run = world.runs.get(ACME, launched.profile_run_id)
    assert run.deadline_at - run.created_at == timedelta(hours=hours)
    assert run.timeout_seconds == timeout_s


@pytest.mark.parametrize(
    ("table_group", "error"), [("nobody", UnknownTableGroup), ("empty", TableGroupEmpty)]
)
def test_an_unknown_or_empty_table_group_is_refused_before_anything_is_written(
    world, start, table_group, error
):
    world.add_table_group(ACME, "empty")

    with pytest.raises(error, match=table_group) as refused:
        start(TableGroupId(table_group))

    assert refused.value.table_group_id == table_group
    assert (world.runs.latest(ACME), world.lakehouse.rows) == ([], {})


def test_an_inactive_table_group_is_refused(world, start):
    world.table_groups.save(ACME, replace(world.table_group, is_active=False))

    with pytest.raises(TableGroupInactive, match="not active"):
        start()


def test_another_groups_configuration_is_refused(world, start):
    with pytest.raises(GroupMismatch):
        start(config=replace(CONFIG, group_id="globex"))

    assert world.runs.latest(ACME) == []


@pytest.mark.parametrize("step", ["copy", "ensure_job"])
def test_a_fault_before_the_run_is_recorded_leaves_no_run(world, start, step):
    if step == "copy":
        world.lakehouse.fault = StorageUnavailable("no disk")
    else:
        world.jobs.faults["ensure_job"] = unreachable()

    with pytest.raises(RemoteFault):
        start()

    assert world.runs.latest(ACME) == []


@pytest.mark.parametrize(
    ("fault", "failure_class"),
    [
        (AccessRefused("403: not your job"), "submission_refused"),
        (unreachable(), "submission_lost"),
        (ValueError("a defect of ours"), "submission_refused"),
    ],
    ids=["refused", "lost", "defect"],
)
def test_whatever_fails_a_submission_ends_its_run(world, start, fault, failure_class):
    world.jobs.faults["submit"] = fault

    with pytest.raises(type(fault)) as raised:
        start()

    (run,) = world.runs.latest(ACME)
    if isinstance(fault, KmflowError):
        assert raised.value.profile_run_id == run.profile_run_id
    assert (run.status, run.failure_class) == ("failed", failure_class)
    assert run.error_message
    assert run.completed_at is not None
    del world.jobs.faults["submit"]
    assert start().status == "queued"


def test_a_fault_after_the_platform_took_the_run_leaves_it_to_the_poller(world, start):
    class FailingRuns(type(world.runs)):
        def get(self, group, profile_run_id):
            run = super().get(group, profile_run_id)
            if run.status == "running" and not failed:
                failed.append(run)
                raise StorageUnavailable("the database went away")
            return run

    failed = []
    world.jobs.starts_at_once = True

    with pytest.raises(StorageUnavailable):
        start(runs=FailingRuns(world.runs.sessions))

    (run,) = world.runs.latest(ACME)
    assert (run.status, run.databricks_run_id) == ("running", "71")


def test_parameters_that_are_too_long_are_refused_before_the_run_is_recorded(world, start):
    with pytest.raises(ParametersTooLarge, match="at most 10000"):
        start(callback=CallbackSettings("https://" + "x" * 10_000, world.keys))

    assert world.runs.latest(ACME) == []
