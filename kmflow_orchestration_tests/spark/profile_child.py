"""Profiles Parquet files with Apache Spark itself, in a process of its own.

Run with the path of a pickled requests and the path for the pickled answers. Apart from the tests,
because a process that spoke Spark Connect cannot start the classic engine.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

from kmflow_orchestration.profiling.spark_engine import SparkEngine
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.spark.comparison import profiles_of


def main() -> None:
    request, answer = Path(sys.argv[1]), Path(sys.argv[2])
    requests: list[dict[str, Any]] = pickle.loads(request.read_bytes())  # noqa: S301 - our own file
    spark = classic_session()
    engine = SparkEngine(spark, FakeClock(), on_databricks=False)
    answer.write_bytes(pickle.dumps([profiles_of(engine, spark, **one) for one in requests]))
    spark.stop()


def classic_session() -> Any:
    """Apache Spark in this process, small and quiet."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("kmflow-comparison")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "2",
        # Compiling takes nine tenths of the time here; what is computed is the same.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


if __name__ == "__main__":
    main()
