"""The job as a platform runs it: arguments in, results in tables, completion posted."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.profiling.job import run_job
from kmflow_orchestration.profiling.job_parameters import parse_parameters, read_arguments
from kmflow_orchestration.tables.profiling import DQ_DATA_COLUMN_CHARS, DQ_PROFILE_RESULTS
from kmflow_orchestration_tests.profiling.receiver import RunningReceiver
from kmflow_orchestration_tests.profiling.world import in_child

NAMES = ("group_id", "table_group_id", "profile_run_id", "catalog", "data_quality_schema")


@pytest.fixture
def receiver():
    with RunningReceiver() as running:
        yield running


def arguments(world, receiver, **more: str) -> list[str]:
    values = {name: getattr(world.parameters, name) for name in NAMES}
    values |= {"callback_url": receiver.url, "callback_token": "v1.9.secret"} | more
    return [f"--{name}={value}" for name, value in values.items()]


def run_in_child(world, sail_server, argv) -> subprocess.CompletedProcess[str]:
    """Run the entry point as a job task does."""
    module = "kmflow_orchestration.profiling.job"
    return in_child([sys.executable, "-m", module, *argv], world, sail_server)


@pytest.mark.slow
def test_a_child_process_profiles_stores_and_reports(world, sail_server, receiver):
    world.add_table("clients", "SELECT ' SECRETNAME' AS first_name, 7 AS amount")

    done = run_in_child(world, sail_server, arguments(world, receiver, databricks_run_id="42"))

    assert done.returncode == 0, done.stderr
    (body,) = receiver.bodies
    assert (body["status"], body["databricks_run_id"]) == ("completed", "42")
    assert (body["row_count"], body["table_count"], body["column_count"]) == (1, 1, 2)
    assert [one["anomaly_type"] for one in body["anomalies"]] == ["Leading_Spaces"]
    assert body["dq_score_profiling"] == pytest.approx(1 - 0.66 / 2)
    assert len(world.rows(DQ_PROFILE_RESULTS)) == 2
    for text in (done.stdout, done.stderr, json.dumps(body)):
        assert "SECRETNAME" not in text
        assert "v1.9.secret" not in text


@pytest.mark.slow
def test_a_child_that_fails_reports_why_and_ends_with_an_error(world, sail_server, receiver):
    done = run_in_child(world, sail_server, arguments(world, receiver))

    assert done.returncode != 0
    assert receiver.bodies[0]["status"] == "failed"
    assert "no_tables_selected" in receiver.bodies[0]["error_message"]


@pytest.mark.slow
def test_a_child_that_fails_late_keeps_and_counts_what_it_measured(world, sail_server, receiver):
    world.add_table("clients", "SELECT ' SECRETNAME' AS first_name, 7 AS amount")
    missing = world.parameters.result_table(DQ_DATA_COLUMN_CHARS)
    world.spark.sql(f"DROP TABLE {missing.sql}").collect()
    receiver.answers = [401]

    done = run_in_child(world, sail_server, arguments(world, receiver, databricks_run_id="42"))

    (body,) = receiver.bodies
    assert (body["status"], body["databricks_run_id"]) == ("failed", "42")
    assert (body["row_count"], body["table_count"], body["column_count"]) == (1, 1, 2)
    assert DQ_DATA_COLUMN_CHARS.name in body["error_message"]
    assert len(world.rows(DQ_PROFILE_RESULTS)) == 2
    # The failure that could not be told is logged; the run ends with its own.
    assert "completion answered with status 401" in done.stderr
    assert done.stderr.rindex("StatementFailed") > done.stderr.rindex("status 401")
    assert done.returncode != 0


@pytest.mark.parametrize(("answer", "tries"), [(503, 6), (401, 1)])
def test_a_run_whose_report_nobody_takes_ends_well_all_the_same(
    world, receiver, clock, answer, tries
):
    world.add_table("clients", "SELECT ' Anna' AS first_name")
    receiver.answers = [answer]

    outcome = run_job(arguments(world, receiver), {}, clock, open_session=lambda: world.spark)

    assert (outcome.status, len(receiver.bodies)) == ("completed", tries)
    assert len(world.rows(DQ_PROFILE_RESULTS)) == 1


def test_the_execution_that_reports_stands_in_the_key_that_makes_repeats_harmless(
    world, receiver, clock
):
    world.add_table("clients", "SELECT ' Anna' AS first_name")

    second = arguments(world, receiver, attempt="2")
    run_job(second, {}, clock, open_session=lambda: world.spark)

    assert receiver.headers[0]["Idempotency-Key"] == f"{world.parameters.profile_run_id}:2"


def test_missing_parameters_are_all_named_and_reported(receiver, clock):
    with pytest.raises(ConfigurationError) as caught:
        run_job([f"--callback_url={receiver.url}", "--group_id=acme"], {}, clock)

    assert caught.value.fields == (
        "table_group_id", "profile_run_id", "catalog", "data_quality_schema",
    )  # fmt: skip
    assert receiver.bodies[0]["status"] == "failed"


def test_skipped_callbacks_and_absent_addresses_send_nothing(receiver, clock):
    with pytest.raises(ConfigurationError):
        run_job([f"--callback_url={receiver.url}", "--callback_behavior=skip"], {}, clock)
    with pytest.raises(ConfigurationError):
        run_job([], {}, clock)
    assert receiver.bodies == []


@pytest.mark.parametrize(
    "callback",
    [
        ["--callback_url=http://example.com"],
        ["--callback_url=https://[nowhere"],
        ["--callback_url=http://127.0.0.1:9/", "--callback_token=v1.9\nhush"],
    ],
    ids=["unsafe", "no address", "no header"],
)
def test_a_report_that_cannot_be_sent_is_logged_and_does_not_hide_the_failure(
    clock, caplog, callback
):
    with pytest.raises(ConfigurationError, match="missing or wrong job parameters"):
        run_job(callback, {}, clock)

    assert "completion not sent" in caplog.text
    assert "hush" not in caplog.text


def test_environment_variables_are_the_fallback_and_unresolved_references_are_absent():
    argv = ["--group_id=acme", "--catalog={{job.parameters.catalog}}", "--later=1", "noise"]
    found = read_arguments(argv, {"GROUP_ID": "other", "TABLE_GROUP_ID": "e1", "CATALOG": ""})

    assert found == {"group_id": "acme", "table_group_id": "e1"}


def test_parameters_never_show_the_token():
    values = dict.fromkeys(NAMES, "x") | {"callback_token": "hush", "started_at": "2026-01-01"}
    parameters = parse_parameters(values)

    assert "hush" not in repr(parameters)
    assert parameters.started_at.isoformat() == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("name", "value"),
    [("started_at", "soon"), ("attempt", "-1"), ("callback_behavior", "shout")],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(ConfigurationError) as caught:
        parse_parameters(dict.fromkeys(NAMES, "x") | {name: value})
    assert caught.value.fields == (name,)


def test_the_schema_s_default_is_beside_the_base_schema():
    values = dict.fromkeys(NAMES[:-1], "x") | {"schema_name": "acme"}

    assert parse_parameters(values).data_quality_schema == "acme_dq"


def test_a_write_conflict_is_repeated_and_a_lasting_fault_ends_the_run(world, clock):
    from kmflow_orchestration.errors import StatementFailed
    from kmflow_orchestration.profiling.spark_engine import SparkEngine

    engine = SparkEngine(world.spark, clock, on_databricks=False)
    missing = dataclasses.replace(world.parameters, data_quality_schema="nowhere")
    table = missing.result_table(DQ_PROFILE_RESULTS)

    with pytest.raises(StatementFailed):
        engine.replace_run(table, DQ_PROFILE_RESULTS, "run", [])
    assert len(clock.slept) == 4

    on_databricks = SparkEngine(world.spark, clock, on_databricks=True)
    with pytest.raises(StatementFailed):
        on_databricks.replace_run(table, DQ_PROFILE_RESULTS, "run", [])
    assert len(clock.slept) == 4
