"""What a job's Spark session sees of the workspace's tables."""

from __future__ import annotations

from databricks.sdk.service import jobs

from kmflow_orchestration_tests.embedded import GroupInRoom, Room
from kmflow_orchestration_tests.workspace.wheel_jobs import create_job, finished, output, wheel_task

STATEMENT = """
import sys
from pyspark.sql import SparkSession
def main():
    rows = SparkSession.builder.getOrCreate().sql(sys.argv[1]).collect()
    print([tuple(row) for row in rows])
"""


def sql(group: GroupInRoom, statement: str) -> list[list[str]]:
    """Rows of a statement sent to the group's warehouse."""
    client = group.client()
    [warehouse] = client.warehouses.list()
    done = client.statement_execution.execute_statement(statement, warehouse.id, wait_timeout="30s")
    assert done.status.error is None, done.status.error
    return done.result.data_array or []


def run_sql(group: GroupInRoom, statement: str) -> jobs.RunOutput:
    """What a job that collects a statement prints, or its error."""
    job_id = create_job(group, STATEMENT, wheel_task(parameters=[statement]))
    return output(group, finished(group, job_id))


def test_a_job_reads_what_sql_wrote_and_sql_what_the_job_wrote(acme: GroupInRoom) -> None:
    sql(acme, "CREATE TABLE acme.main.t (a INT) USING DELTA")
    sql(acme, "INSERT INTO acme.main.t VALUES (1), (2)")
    assert run_sql(acme, "SELECT sum(a) FROM acme.main.t").logs.endswith("[(3,)]\n")
    assert run_sql(acme, "INSERT INTO acme.main.t VALUES (10)").error is None
    assert sql(acme, "SELECT sum(a) FROM acme.main.t") == [["13"]]


def test_a_job_does_not_see_the_tables_of_others(room: Room, acme: GroupInRoom) -> None:
    beta = room.group("beta")
    sql(acme, "CREATE TABLE acme.main.t (a INT) USING DELTA")
    assert run_sql(beta, "SELECT * FROM acme.main.t").error


def test_a_job_sees_what_it_was_granted(room: Room, acme: GroupInRoom) -> None:
    beta, grant = room.group("beta"), room.server.services.catalog.grant
    sql(acme, "CREATE TABLE acme.main.t (a INT) USING DELTA")
    grant(
        beta.caller.workspace_id,
        ("USE_CATALOG", "USE_SCHEMA", "SELECT"),
        ("CATALOG", "acme"),
        beta.principal,
    )
    assert run_sql(beta, "SELECT count(*) FROM acme.main.t").logs.endswith("[(0,)]\n")
