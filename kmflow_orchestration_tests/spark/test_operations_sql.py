"""The shipped queries of operations on Apache Spark itself and on the embedded engine (AD1)."""

from __future__ import annotations

import math
import os
import pickle
import random
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.sail.execution import SailSession
from kmflow_orchestration.sail.process import SailServer
from kmflow_orchestration_tests.spark.test_spark_against_sail import java

pytestmark = pytest.mark.spark
__all__ = ["java"]

DIMENSIONS = ("completeness", "reliability", "freshness", "consistency", "composite")
PARAMETERS = {"group_id": "acme"}


def _shipped(name: str, **tables: str) -> str:
    folder = resources.files("kmflow_orchestration.operations.sql")
    return folder.joinpath(name).read_text(encoding="utf-8").format(**tables)


QUERIES = [
    _shipped("quality_score_history.sql", events="events", bronze="bronze"),
    _shipped(
        "evidence_against_bronze.sql", bronze="bronze", metadata="metadata", batches="'b1', 'b2'"
    ),
]


def _write(folder: Path) -> dict[str, str]:
    """Forty items of two groups over five days: some without metadata, some that differ."""
    draw = random.Random(7)
    items = [f"item-{n:02}" for n in range(40)]
    groups = {item: "acme" if n % 4 else "globex" for n, item in enumerate(items)}
    bronze = [
        {
            "group_id": groups[item],
            "evidence_item_id": item,
            "category": draw.choice(["documents", "images"]),
            "content_hash": item,
            "size_bytes": n,
            "_batch_id": draw.choice(["b1", "b2", "b3"]),
        }
        for n, item in enumerate(items)
    ]
    metadata = [
        {
            "id": row["evidence_item_id"],
            "group_id": row["group_id"],
            "content_hash": draw.choice([row["content_hash"], "other"]),
            "size_bytes": row["size_bytes"],
            "_batch_id": row["_batch_id"],
        }
        for row in bronze
        if draw.random() < 0.9
    ]
    events = [
        {
            "group_id": groups[item],
            "engagement_id": draw.choice(["e1", "e2"]),
            "evidence_item_id": item,
            "reference_date": date(2026, 11, 1) + timedelta(days=draw.randrange(5)),
            "computed_at": datetime(2026, 11, 9, draw.randrange(24), tzinfo=UTC),
            **{f"{name}_score": round(draw.random(), 4) for name in DIMENSIONS},
        }
        for item in items
    ]
    tables = {"bronze": bronze, "metadata": metadata, "events": events}
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return {name: str(folder / f"{name}.parquet") for name in tables}


def _on_spark(folder: Path, views: dict[str, str]) -> list[list[dict[str, Any]]]:
    asked, answered = folder / "request.pickle", folder / "answer.pickle"
    asked.write_bytes(pickle.dumps((views, QUERIES, PARAMETERS)))
    environment = {name: value for name, value in os.environ.items() if "SPARK" not in name}
    module = "kmflow_orchestration_tests.spark.query_child"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, str(asked), str(answered)],
        env=environment | {"SPARK_LOCAL_IP": "127.0.0.1", "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return pickle.loads(answered.read_bytes())  # noqa: S301 - our own child wrote it


def _on_sail(views: dict[str, str]) -> list[list[dict[str, Any]]]:
    with SailServer() as server:
        session = SailSession(server.address)
        for name, path in views.items():
            session.execute(f"CREATE TEMPORARY VIEW {name} AS SELECT * FROM parquet.`{path}`")
        return [session.fetch(query, PARAMETERS).to_pylist() for query in QUERIES]


def _comparable(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted(
        ([(name, _plain(value)) for name, value in sorted(row.items())] for row in rows), key=str
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return round(value, 6) if isinstance(value, float) and math.isfinite(value) else value


def test_the_shipped_queries_give_the_same_rows_on_both_engines(tmp_path):
    views = _write(tmp_path)
    spark, sail = _on_spark(tmp_path, views), _on_sail(views)

    assert [len(rows) for rows in spark][1] == 1
    assert len(spark[0]) > 5
    for theirs, ours in zip(spark, sail, strict=True):
        assert _comparable(theirs) == _comparable(ours)
