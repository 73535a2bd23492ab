from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kmflow_orchestration.names import TableName
from kmflow_orchestration.sail.spark_child import SparkForChild
from kmflow_orchestration.sail.tables import Column, create_empty

SOURCE = TableName("acme_main", "loans-1_bronze", "loans")
RESULTS = TableName("acme_main", "loans-1_dq", "results")

PROGRAM = """
import sys
from pyspark.sql import SparkSession
source, results = sys.argv[1:]
spark = SparkSession.builder.appName("profile").getOrCreate()
print(spark.sql(f"SELECT count(*) AS n FROM {source}").collect()[0].n)
rows = [("r1", row.k, row.v) for row in spark.table(source).collect()]
spark.createDataFrame(rows, "run STRING, k BIGINT, v STRING").createOrReplaceTempView("staged")
for _ in range(2):
    spark.sql(f"INSERT INTO {results} REPLACE WHERE run = 'r1' SELECT run, k, v FROM staged")
spark.sql(
    f"MERGE INTO {results} t USING (SELECT * FROM staged WHERE k = 1) s ON t.k = s.k "
    "WHEN MATCHED THEN UPDATE SET v = 'merged' WHEN NOT MATCHED THEN INSERT *"
)
"""


@pytest.fixture
def tables(tmp_path):
    create_empty(tmp_path / "a", [Column("k", "BIGINT"), Column("v", "STRING")])
    create_empty(
        tmp_path / "b", [Column("run", "STRING"), Column("k", "BIGINT"), Column("v", "STRING")]
    )
    return {SOURCE: tmp_path / "a", RESULTS: tmp_path / "b"}


def run_child(spark: SparkForChild) -> str:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, SOURCE.sql, RESULTS.sql],
        env=os.environ | spark.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


@pytest.mark.slow
def test_an_unmodified_spark_program_reads_and_writes_three_part_names(tables, monkeypatch):
    # Where a company's proxy is set: it must not be asked for this machine's own server.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with SparkForChild(tables) as spark:
        spark.session.execute(f"INSERT INTO {SOURCE.sql} VALUES (1, 'a'), (2, 'b')")
        assert run_child(spark) == "2\n"
        written = spark.session.fetch(f"SELECT run, k, v FROM {RESULTS.sql} ORDER BY k")
    assert [tuple(row.values()) for row in written.to_pylist()] == [
        ("r1", 1, "merged"),
        ("r1", 2, "b"),
    ]


def test_without_tables_there_is_still_a_session():
    with SparkForChild({}, catalogs=["lonely"]) as spark:
        assert spark.session.fetch("SELECT 1 AS a").num_rows == 1
        assert spark.environment["SPARK_REMOTE"].startswith("sc://127.0.0.1:")
