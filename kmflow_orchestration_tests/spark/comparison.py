"""The same profile of the same files on any engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.spark_engine import SparkEngine
from kmflow_orchestration.profiling.table_profile import PlanLimits, SourceTable, profile_table

RUN_START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def profiles_of(
    engine: SparkEngine, spark: Any, *, files: Mapping[str, str], limits: PlanLimits
) -> dict[str, tuple[ColumnProfile, ...]]:
    """Profile every Parquet file, seen through a view of its name."""
    found = {}
    for name, path in files.items():
        spark.read.parquet(path).createOrReplaceTempView(name)
        columns = tuple(engine.columns(name))
        source = SourceTable(name, "files", name, columns)
        found[name] = profile_table(
            engine.query, source, reference=RUN_START, engine="any", limits=limits
        ).columns
    return found
