from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from databricks.sdk.errors import DatabricksError, InvalidParameterValue, NotFound
from databricks.sdk.service import compute, jobs

from kmflow_orchestration.workspace.faults import Fault, RunEnd
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import (
    GroupInRoom,
    Room,
    client_for,
    fresh_room,
    tiny_wheel,
)
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.workspace.wheel_jobs import (
    create_job,
    ended,
    finished,
    output,
    reaching,
    wheel_task,
)

NOTHING = "def main(): pass"
ARGUMENTS = "import sys\ndef main(): print(sys.argv[1:])"
SLOW = "import time\ndef main():\n    print('started')\n    time.sleep(60)"
# Says where it waits, then waits for the test to put a file there.
GATED = """
import os, pathlib, time
gate = pathlib.Path(os.environ["KMFLOW_VOLUMES_ROOT"], "acme", "main", "evidence", "go")
def main():
    while not gate.exists():
        time.sleep(0.01)
"""


def parameter(name: str, default: str) -> jobs.JobParameterDefinition:
    return jobs.JobParameterDefinition(name=name, default=default)


def test_a_run_that_returns_is_a_success(acme: GroupInRoom) -> None:
    run = finished(acme, create_job(acme, "def main(): print('hello')"))
    assert run.state.result_state is jobs.RunResultState.SUCCESS
    assert run.status.termination_details.code is jobs.TerminationCodeCode.SUCCESS
    assert run.start_time <= run.end_time
    assert output(acme, run).logs == "hello\n"
    assert output(acme, run).error is None


def test_an_exception_fails_the_run_with_its_trace(acme: GroupInRoom) -> None:
    run = finished(acme, create_job(acme, "def main(): raise ValueError('boom')"))
    told = output(acme, run)
    assert run.state.result_state is jobs.RunResultState.FAILED
    assert run.status.termination_details.code is jobs.TerminationCodeCode.RUN_EXECUTION_ERROR
    assert told.error == "ValueError: boom"
    assert "tiny.py" in told.error_trace
    assert "task_child" not in told.error_trace


@pytest.mark.parametrize(
    ("source", "result", "error"),
    [
        ("import sys\ndef main(): sys.exit(0)", "SUCCESS", None),
        ("import sys\ndef main(): sys.exit()", "SUCCESS", None),
        ("import sys\ndef main(): sys.exit(3)", "FAILED", "SystemExit: 3"),
        ("import os\ndef main(): os._exit(7)", "FAILED", "exited with code 7"),
        ("raise ImportError('broken')", "FAILED", "ImportError: broken"),
        ("x = 1", "FAILED", "AttributeError"),
    ],
)
def test_ways_to_end(acme: GroupInRoom, source: str, result: str, error: str | None) -> None:
    run = finished(acme, create_job(acme, source))
    assert run.state.result_state.value == result
    assert (error or "") in (output(acme, run).error or "")


def test_defaults_and_overrides_reach_the_arguments(acme: GroupInRoom) -> None:
    task = wheel_task(
        parameters=["--day={{job.parameters.day}}", "{{ job.parameters.x }}", "{{z}}"]
    )
    declared = [parameter("day", "today"), parameter("x", "1")]
    job_id = create_job(acme, ARGUMENTS, task, parameters=declared)
    run = finished(acme, job_id, job_parameters={"x": "2"})
    assert output(acme, run).logs == "['--day=today', '2', '{{z}}']\n"
    assert {p.name: p.value for p in run.job_parameters} == {"day": "today", "x": "2"}


def test_named_parameters_arrive_as_flags_and_job_parameters_win(acme: GroupInRoom) -> None:
    task = wheel_task(named_parameters={"a": "1", "run": "{{job.run_id}}"})
    job_id = create_job(acme, ARGUMENTS, task, parameters=[parameter("a", "9")])
    run = finished(acme, job_id)
    assert output(acme, run).logs == f"['--a=9', '--run={run.run_id}']\n"


def test_run_parameters_replace_those_of_the_task(acme: GroupInRoom) -> None:
    job_id = create_job(acme, ARGUMENTS, wheel_task(parameters=["1"]))
    run = finished(acme, job_id, python_params=["2", "3"])
    assert output(acme, run).logs == "['2', '3']\n"


def test_the_entry_point_may_have_another_name_than_its_function(acme: GroupInRoom) -> None:
    wheel = tiny_wheel("def go(): print('went')", entry_points={"profile": "tiny:go"})
    path = acme.upload("wheels/other.whl", wheel)
    library = [compute.Library(whl=path)]
    task = wheel_task(entry_point="profile", libraries=library, environment_key=None)
    created = acme.client().jobs.create(name="x", tasks=[task])
    assert output(acme, finished(acme, created.job_id)).logs == "went\n"


def test_the_child_has_a_small_environment_and_its_own_folder(
    acme: GroupInRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SERVER", "canary")
    source = "import os\ndef main(): print(sorted(os.environ), os.getcwd(), os.listdir())"
    logs = output(acme, finished(acme, create_job(acme, source))).logs
    assert "KMFLOW_VOLUMES_ROOT" in logs
    assert "SPARK_REMOTE" in logs
    assert "A_SECRET_OF_THE_SERVER" not in logs
    assert logs.endswith("work ['tmp']\n")


def test_the_child_reads_and_writes_its_volume(acme: GroupInRoom) -> None:
    acme.upload("in.txt", b"bytes")
    source = (
        "import os, pathlib\n"
        "def main():\n"
        "    here = pathlib.Path(os.environ['KMFLOW_VOLUMES_ROOT'], 'acme/main/evidence')\n"
        "    (here / 'out.txt').write_bytes((here / 'in.txt').read_bytes() * 2)\n"
    )
    finished(acme, create_job(acme, source))
    out = acme.client().files.download(f"{acme.volume}/out.txt").contents.read()
    assert out == b"bytesbytes"


def test_nothing_of_a_run_stays_on_disk(room: Room, acme: GroupInRoom) -> None:
    finished(acme, create_job(acme, NOTHING))
    runs = room.server.state.workspace_directory(acme.caller.workspace_id) / "runs"
    assert list(runs.iterdir()) == []


def test_spark_in_a_job_is_an_unmodified_session(acme: GroupInRoom) -> None:
    source = (
        "from pyspark.sql import SparkSession\n"
        "def main():\n"
        "    spark = SparkSession.builder.getOrCreate()\n"
        "    print(spark.sql('SELECT 40 + 2 AS x').collect()[0].x)\n"
    )
    run = finished(acme, create_job(acme, source))
    assert output(acme, run).logs.splitlines()[-1] == "42"


def test_the_same_token_is_the_same_run(acme: GroupInRoom) -> None:
    client, job_id = acme.client().jobs, create_job(acme, NOTHING)
    first = client.run_now(job_id, idempotency_token="profile-1").run_id
    assert client.run_now(job_id, idempotency_token="profile-1").run_id == first
    ended(acme, first)
    assert client.run_now(job_id, idempotency_token="profile-1").run_id == first
    assert client.run_now(job_id, idempotency_token="profile-2").run_id != first
    with pytest.raises(InvalidParameterValue, match="64 characters"):
        client.run_now(job_id, idempotency_token="x" * 65)


def test_a_run_too_many_is_skipped(acme: GroupInRoom) -> None:
    job_id = create_job(acme, GATED)
    first, second = (acme.client().jobs.run_now(job_id).run_id for _ in range(2))
    skipped = acme.client().jobs.get_run(second)
    assert skipped.state.life_cycle_state is jobs.RunLifeCycleState.SKIPPED
    code = skipped.status.termination_details.code
    assert code is jobs.TerminationCodeCode.MAX_CONCURRENT_RUNS_EXCEEDED
    acme.upload("go", b"")
    assert ended(acme, first).state.result_state is jobs.RunResultState.SUCCESS


def test_a_queued_run_follows_when_there_is_room(acme: GroupInRoom) -> None:
    job_id = create_job(acme, GATED, queue=jobs.QueueSettings(enabled=True))
    first, second = (acme.client().jobs.run_now(job_id).run_id for _ in range(2))
    reaching(acme, second, "QUEUED")
    active = acme.client().jobs.list_runs(job_id=job_id, active_only=True)
    assert [run.run_id for run in active] == [second, first]
    acme.upload("go", b"")
    assert ended(acme, second).state.result_state is jobs.RunResultState.SUCCESS


def test_a_cancelled_run_loses_its_whole_process_group(acme: GroupInRoom) -> None:
    source = (
        "import os, pathlib, subprocess, sys, time\n"
        "def main():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "    here = pathlib.Path(os.environ['KMFLOW_VOLUMES_ROOT'], 'acme/main/evidence')\n"
        "    (here / 'part').write_text(str(child.pid))\n"
        "    (here / 'part').rename(here / 'pid')\n"
        "    time.sleep(60)\n"
    )
    run_id = acme.client().jobs.run_now(create_job(acme, source)).run_id
    pid = _uploaded(acme, "pid")
    acme.client().jobs.cancel_run(run_id)
    run = ended(acme, run_id)
    assert run.state.result_state is jobs.RunResultState.CANCELED
    assert run.status.termination_details.code is jobs.TerminationCodeCode.USER_CANCELED
    assert not _alive(int(pid))


def test_cancelling_a_run_that_is_over_changes_nothing(acme: GroupInRoom) -> None:
    run = finished(acme, create_job(acme, NOTHING))
    acme.client().jobs.cancel_run(run.run_id)
    assert acme.client().jobs.get_run(run.run_id).state == run.state


def test_a_run_that_takes_too_long_times_out(timed: Room, clock: FakeClock) -> None:
    acme = timed.group("acme")
    job_id = create_job(acme, SLOW, timeout_seconds=600)
    run_id = acme.client().jobs.run_now(job_id).run_id
    reaching(acme, run_id, "RUNNING")
    clock.advance(601)
    assert ended(acme, run_id).state.result_state is jobs.RunResultState.TIMEDOUT


def test_a_task_that_takes_too_long_times_out_alone(timed: Room, clock: FakeClock) -> None:
    acme = timed.group("acme")
    job_id = create_job(acme, SLOW, wheel_task(timeout_seconds=600, max_retries=1))
    run_id = acme.client().jobs.run_now(job_id).run_id
    reaching(acme, run_id, "RUNNING")
    _until_task(acme, run_id, "RUNNING")
    clock.advance(601)
    run = ended(acme, run_id)
    assert run.tasks[0].state.result_state is jobs.RunResultState.TIMEDOUT
    assert run.tasks[0].attempt_number == 0


def test_a_failed_task_is_tried_again_after_its_pause(timed: Room, clock: FakeClock) -> None:
    acme = timed.group("acme")
    source = (
        "import os, pathlib\n"
        "here = pathlib.Path(os.environ['KMFLOW_VOLUMES_ROOT'], 'acme/main/evidence/tries')\n"
        "def main():\n"
        "    here.open('a').write('x')\n"
        "    assert here.read_text() == 'xxx'\n"
    )
    job_id = create_job(acme, source, wheel_task(max_retries=2, min_retry_interval_millis=60_000))
    run = finished(acme, job_id)
    assert run.state.result_state is jobs.RunResultState.SUCCESS
    assert run.tasks[0].attempt_number == 2
    assert sum(clock.slept) == pytest.approx(120)


def test_a_task_is_told_which_try_it_is(timed: Room) -> None:
    acme = timed.group("acme")
    source = "import sys\ndef main(): assert sys.argv[1] == '--attempt=2', sys.argv"
    told = ["--attempt={{task.execution_count}}"]
    job_id = create_job(acme, source, wheel_task(max_retries=3, parameters=told))
    run = finished(acme, job_id)
    assert run.state.result_state is jobs.RunResultState.SUCCESS
    assert run.tasks[0].attempt_number == 1


def test_tasks_run_in_order_and_stop_after_a_failure(acme: GroupInRoom) -> None:
    after = [jobs.TaskDependency("first")]
    source = "import sys\ndef main(): assert sys.argv[1] != 'bad'"
    job_id = create_job(
        acme,
        source,
        wheel_task("second", parameters=["ok"], depends_on=after),
        wheel_task("first", parameters=["bad"]),
        wheel_task("beside", parameters=["ok"]),
    )
    run = finished(acme, job_id)
    results = {task.task_key: task.state.result_state.value for task in run.tasks}
    assert results == {"first": "FAILED", "second": "UPSTREAM_FAILED", "beside": "SUCCESS"}
    assert run.state.state_message.startswith("Task first failed")
    with pytest.raises(InvalidParameterValue, match="multiple tasks"):
        acme.client().jobs.get_run_output(run.run_id)


def test_a_missing_wheel_is_an_installation_error(acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING)
    acme.client().files.delete(f"{acme.volume}/wheels/tiny-1.0-py3-none-any.whl")
    run = finished(acme, job_id)
    assert run.state.life_cycle_state is jobs.RunLifeCycleState.INTERNAL_ERROR
    code = run.status.termination_details.code
    assert code is jobs.TerminationCodeCode.LIBRARY_INSTALLATION_ERROR
    assert "does not exist" in output(acme, run).error


@pytest.mark.parametrize("library", ["pandas==2.0", "/Volumes/beta/main/evidence/tiny.whl"])
def test_a_wheel_out_of_reach_is_an_installation_error(
    room: Room, acme: GroupInRoom, library: str
) -> None:
    room.group("beta").upload("tiny.whl", tiny_wheel(NOTHING))
    environment = compute.Environment(environment_version="4", dependencies=[library])
    environments = [jobs.JobEnvironment("default", environment)]
    job = acme.client().jobs.create(name="x", tasks=[wheel_task()], environments=environments)
    run = finished(acme, job.job_id)
    assert "Library installation failed" in run.state.state_message


def test_a_file_that_is_no_wheel_is_an_installation_error(acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING)
    acme.upload("wheels/tiny-1.0-py3-none-any.whl", b"no zip")
    assert "zip" in finished(acme, job_id).state.state_message


def test_only_the_end_of_endless_output_is_kept(acme: GroupInRoom) -> None:
    source = "def main():\n    for i in range(300_000): print('x' * 40, i)"
    told = output(acme, finished(acme, create_job(acme, source)))
    assert told.logs_truncated
    assert len(told.logs) <= 5 * 1024 * 1024
    assert told.logs.endswith(" 299999\n")


def test_a_run_ends_as_its_fault_says(room: Room, acme: GroupInRoom) -> None:
    end = RunEnd("INTERNAL_ERROR", "FAILED", "CLOUD_FAILURE", "CLOUD_FAILURE", "no machines")
    room.server.faults.add(Fault("run_ends", run_end=end))
    job_id = create_job(acme, NOTHING)
    run = finished(acme, job_id)
    assert run.state.life_cycle_state is jobs.RunLifeCycleState.INTERNAL_ERROR
    assert run.status.termination_details.code is jobs.TerminationCodeCode.CLOUD_FAILURE
    assert run.state.state_message == "no machines"
    assert finished(acme, job_id).state.result_state is jobs.RunResultState.SUCCESS


def test_runs_are_listed_newest_first_in_pages(acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING)
    runs = [finished(acme, job_id).run_id for _ in range(3)]
    client = acme.client().jobs
    assert [run.run_id for run in client.list_runs(job_id=job_id, limit=2)] == runs[::-1]
    assert list(client.list_runs(job_id=job_id, active_only=True)) == []
    assert len(list(client.list_runs(job_id=job_id, completed_only=True))) == 3


def test_a_task_run_can_be_asked_for_by_its_own_id(acme: GroupInRoom) -> None:
    run = finished(acme, create_job(acme, NOTHING))
    assert acme.client().jobs.get_run(run.tasks[0].run_id).job_id == run.job_id


def test_a_run_that_was_live_when_the_server_stopped_is_an_internal_error(
    tmp_path: Path,
) -> None:
    with EmbeddedWorkspace(tmp_path) as server:
        acme = fresh_room(server).group("acme")
        run_id = acme.client().jobs.run_now(create_job(acme, SLOW)).run_id
        reaching(acme, run_id, "RUNNING")
    with EmbeddedWorkspace(tmp_path) as again:
        run = client_for(again.url, acme.token).jobs.get_run(run_id)
    assert run.state.life_cycle_state is jobs.RunLifeCycleState.INTERNAL_ERROR


def test_an_override_that_fits_no_wheel_task_is_refused(acme: GroupInRoom) -> None:
    job_id = create_job(acme, NOTHING)
    with pytest.raises(DatabricksError, match="notebook_params"):
        acme.client().jobs.run_now(job_id, notebook_params={"a": "1"})


def _uploaded(group: GroupInRoom, name: str) -> bytes:
    """Content of a file of the Volume, as soon as it is there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            return group.client().files.download(f"{group.volume}/{name}").contents.read()
        except NotFound:
            time.sleep(0.02)
    raise AssertionError(f"{name} did not appear")


def _until_task(group: GroupInRoom, run_id: int, state: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        tasks = group.client().jobs.get_run(run_id).tasks or []
        if tasks and tasks[0].state.life_cycle_state.value == state:
            return
        time.sleep(0.02)
    raise AssertionError(f"no task of run {run_id} is {state}")


def _alive(pid: int) -> bool:
    """Whether a process exists and is no zombie that waits for its reaper."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
