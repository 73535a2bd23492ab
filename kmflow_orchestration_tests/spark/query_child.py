"""Runs queries over Parquet files with Apache Spark itself, in a process of its own.

Run with the path of a pickled (views, queries, parameters) and the path for the pickled answers.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from kmflow_orchestration_tests.spark.profile_child import classic_session


def main() -> None:
    request, answer = Path(sys.argv[1]), Path(sys.argv[2])
    views, queries, parameters = pickle.loads(request.read_bytes())  # noqa: S301 - our own file
    spark = classic_session()
    for name, path in views.items():
        spark.read.parquet(path).createOrReplaceTempView(name)
    rows = [
        [row.asDict() for row in spark.sql(query, args=parameters).collect()] for query in queries
    ]
    answer.write_bytes(pickle.dumps(rows))
    spark.stop()


if __name__ == "__main__":
    main()
