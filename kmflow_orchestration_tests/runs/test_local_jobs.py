"""Profiling as a child process of this machine: real children, real engine, real tables."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from dataclasses import replace

import pyarrow as pa
import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import RemoteNotFound, UnsafePath
from kmflow_orchestration.names import Namespace
from kmflow_orchestration.runs.callbacks import CallbackSettings
from kmflow_orchestration.runs.local_child import LOG, PROCESS, REQUEST, STATUS
from kmflow_orchestration.runs.local_jobs import LocalJobRunner
from kmflow_orchestration.runs.reconciliation import PolledGroup, poll_outstanding
from kmflow_orchestration.runs.run_state import translate_state
from kmflow_orchestration.runs.stored_results import stored_completion
from kmflow_orchestration.runs.submission import start_profile
from kmflow_orchestration.service.app import create_app
from kmflow_orchestration.service.dependencies import ServiceDependencies
from kmflow_orchestration.service.server import ServiceServer
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.profiling import DQ_DATA_COLUMN_CHARS, PROFILING_TABLES
from kmflow_orchestration_tests.runs.profile_world import ACME, E1

MAIN = Namespace("main", "acme")
CONFIG = GroupConfig(group_id=ACME, version=1, catalog="main", schema="acme")
LOANS = MAIN.bronze("e1__loans")
WAIT_S = 30.0


@pytest.fixture
def runner(tmp_path) -> LocalJobRunner:
    return LocalJobRunner(tmp_path / "runs", tmp_path / "lakehouse", MAIN)


@pytest.fixture
def scripted(tmp_path, runner, monkeypatch):
    """A runner whose child runs this program instead of a profile."""

    def with_program(text: str) -> LocalJobRunner:
        folder = tmp_path / "programs"
        folder.mkdir(exist_ok=True)
        (folder / "scripted_job.py").write_text(f"import sys, time\ndef main():\n    {text}\n")
        monkeypatch.syspath_prepend(str(folder))
        return replace(runner, entry_module="scripted_job")

    return with_program


def submit(runner, run_id="r1", **parameters):
    return runner.submit("local", profile_run_id=run_id, parameters=parameters)


def ended(runner, run_id="r1"):
    """The run's state once it is over."""
    give_up = time.monotonic() + WAIT_S
    while time.monotonic() < give_up:
        state = runner.state(run_id)
        if translate_state(state).is_terminal:
            return translate_state(state)
        time.sleep(0.02)
    raise AssertionError(f"run {run_id} did not end: {runner.output(run_id)}")


def started(runner, run_id="r1"):
    """Wait until the child has said that it runs."""
    give_up = time.monotonic() + WAIT_S
    while "here" not in runner.output(run_id):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_run_that_ends_well_succeeded_and_was_told_its_parameters(scripted):
    runner = scripted("print(sys.argv, flush=True)")

    submit(runner, group_id="acme", callback_url="http://x/?a=b")

    assert ended(runner).status == "completed"
    assert "'--group_id=acme', '--callback_url=http://x/?a=b'" in runner.output("r1")


def test_a_run_that_raises_failed_with_its_own_words(scripted):
    runner = scripted("raise ValueError('no such column')")

    submit(runner)

    end = ended(runner)
    assert (end.status, end.failure_class) == ("failed", "code")
    assert runner.output("r1") == "ValueError: no such column"


def test_a_submission_told_twice_runs_once(scripted):
    runner = scripted("print('here', flush=True)")

    first, again = submit(runner), submit(runner)
    ended(runner)
    late = submit(runner)

    assert first == again == late
    assert ended(runner).status == "completed"
    assert runner.output("r1").count("here") == 1


def test_a_killed_child_is_a_failed_run(scripted, runner):
    runner = scripted("print('here', flush=True); time.sleep(60)")
    submit(runner)
    started(runner)
    assert translate_state(runner.state("r1")).status == "running"

    os.killpg(int((runner.runs_root / "r1" / PROCESS).read_text()), signal.SIGKILL)

    end = ended(runner)
    assert (end.status, end.failure_class) == ("failed", "platform")


def test_a_cancelled_run_is_over_at_once_and_stays_cancelled(scripted):
    runner = scripted("print('here', flush=True); time.sleep(60)")
    submit(runner)
    started(runner)

    runner.cancel("r1")
    runner.cancel("r1")

    assert ended(runner).status == "cancelled"


def test_a_run_whose_start_was_interrupted_can_be_cancelled(scripted):
    """Its parent did not come to write down which process it is: it says so itself."""
    runner = scripted("print('here', flush=True); time.sleep(600)")
    submit(runner)
    (runner.runs_root / "r1" / PROCESS).unlink()
    begun = time.monotonic()

    runner.cancel("r1")

    assert ended(runner).status == "cancelled"
    assert time.monotonic() - begun < WAIT_S


def test_cancelling_a_dead_run_leaves_it_failed(scripted):
    runner = scripted("print('here', flush=True); time.sleep(60)")
    submit(runner)
    started(runner)
    os.killpg(int((runner.runs_root / "r1" / PROCESS).read_text()), signal.SIGKILL)
    ended(runner)

    runner.cancel("r1")

    assert ended(runner).status == "failed"


def test_cancelling_a_finished_run_changes_nothing(scripted):
    runner = scripted("pass")
    submit(runner)
    ended(runner)

    runner.cancel("r1")

    assert ended(runner).status == "completed"


def test_another_process_finds_the_run_by_its_folder(scripted):
    runner = scripted("pass")
    submit(runner)
    ended(runner)

    other = LocalJobRunner(runner.runs_root, runner.lakehouse_root, MAIN)

    assert translate_state(other.state("r1")).status == "completed"


def test_what_is_told_to_a_run_is_for_its_owner_only(scripted):
    runner = scripted("pass")
    submit(runner, callback_token="v1.1.abc")
    ended(runner)

    for name in (REQUEST, STATUS):
        mode = (runner.runs_root / "r1" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600


def test_a_secret_of_this_process_is_not_passed_on(scripted, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", "marked-secret")
    runner = scripted("import os; print(dict(os.environ), flush=True)")
    submit(runner)
    ended(runner)

    assert "marked-secret" not in runner.output("r1")


def test_unknown_runs_are_not_found_and_strange_ids_refused(runner):
    with pytest.raises(RemoteNotFound):
        runner.state("never")
    with pytest.raises(UnsafePath):
        submit(runner, "../elsewhere")


@pytest.fixture
def lakehouse(runner):
    made = LocalLakehouse(OwnTables(ACME, MAIN), runner.lakehouse_root, clock=SystemClock())
    for definition in PROFILING_TABLES:
        made.ensure_table(MAIN.dq(definition.name), definition)
    columns = (Column("id", "BIGINT"), Column("city", "STRING"))
    rows = pa.table({"id": [1, 2, 3, 4], "city": ["Bern", "N/A", " Basel", None]})
    made.rebuild(LOANS, columns, rows)
    yield made
    made.close()


def start(world, runner, lakehouse, callback):
    world.clock = SystemClock()
    world.loans_changed(LOANS.schema, LOANS.name)
    return start_profile(
        ACME,
        E1,
        runs=world.runs,
        table_groups=world.table_groups,
        jobs=runner,
        lakehouse=lakehouse,
        config=CONFIG,
        callback=callback,
        clock=world.clock,
    )


@pytest.mark.slow
def test_a_profile_reports_its_end_to_the_service(world, runner, lakehouse):
    dependencies = ServiceDependencies(world.runs, world.keys, "local", SystemClock(), world.tokens)
    with ServiceServer(create_app(dependencies)) as service:
        launched = start(world, runner, lakehouse, CallbackSettings(service.url, world.keys))
        ended(runner, launched.profile_run_id)

    run = world.runs.get(ACME, launched.profile_run_id)
    assert (run.status, run.completed_by, run.row_count) == ("completed", "callback", 4)
    assert (run.table_count, run.column_count) == (1, 2)
    issues = world.findings.anomalies(ACME, run.profile_run_id)
    assert "city" in {issue.column_name for issue in issues}
    (whole,) = [
        score
        for score in world.findings.scores(ACME, run.profile_run_id, scope="table_group")
        if not score.dimension
    ]
    assert whole.score == run.dq_score_profiling < 1


@pytest.mark.slow
def test_polling_and_callback_tell_the_same_about_a_run(world, runner, lakehouse):
    launched = start(world, runner, lakehouse, CallbackSettings())
    ended(runner, launched.profile_run_id)
    world.runs.polled(
        ACME, launched.profile_run_id, at=world.clock.now(), next_poll_at=world.clock.now()
    )

    def read(run):
        return stored_completion(run, lakehouse=lakehouse, namespace=MAIN)

    (outcome,) = poll_outstanding(
        [PolledGroup(ACME, runner, read)], runs=world.runs, clock=world.clock
    )

    assert outcome.status == "completed"
    run = world.runs.get(ACME, launched.profile_run_id)
    assert (run.completed_by, run.row_count, run.column_count) == ("poller", 4, 2)
    assert run.anomaly_count == len(world.findings.anomalies(ACME, run.profile_run_id)) > 0


@pytest.mark.slow
def test_a_profile_that_fails_keeps_its_measures_and_its_run_is_failed(world, runner, lakehouse):
    shutil.rmtree(lakehouse.directory(MAIN.dq(DQ_DATA_COLUMN_CHARS.name)))
    dependencies = ServiceDependencies(world.runs, world.keys, "local", SystemClock(), world.tokens)
    with ServiceServer(create_app(dependencies)) as service:
        launched = start(world, runner, lakehouse, CallbackSettings(service.url, world.keys))
        end = ended(runner, launched.profile_run_id)

    run = world.runs.get(ACME, launched.profile_run_id)
    assert (end.status, run.status, run.completed_by) == ("failed", "failed", "callback")
    assert (run.row_count, run.table_count, run.column_count) == (4, 1, 2)
    assert stored_completion(run, lakehouse=lakehouse, namespace=MAIN).column_count == 2
    assert world.runs.latest_completed(ACME, E1) is None


def test_the_words_of_a_failed_run_hold_no_secrets(scripted):
    runner = scripted("raise ValueError('Bearer hush.hush was refused' + 'x' * 3000)")

    submit(runner)
    ended(runner)

    assert runner.output("r1").startswith("ValueError: *** was refused")
    assert len(runner.output("r1")) == 2000


def test_neither_its_log_nor_its_end_shows_the_token_of_a_run(scripted):
    runner = scripted("import logging; logging.error(sys.argv); raise ValueError(sys.argv)")
    token = f"v1.1790000000.{'aB3_-' * 8}xyz"

    submit(runner, callback_token=token)
    ended(runner)

    said = (runner.runs_root / "r1" / LOG).read_text() + runner.output("r1")
    assert "Traceback" in said
    assert "--callback_token=***" in said
    assert token not in said
