"""A real engine for the profile's SQL: one Sail server, one Spark session, tables per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.profiling.spark_engine import SparkEngine
from kmflow_orchestration.sail.process import SailServer
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.profiling.world import ProfilingWorld


@pytest.fixture(scope="session")
def sail_server() -> Iterator[SailServer]:
    with SailServer() as server:
        yield server


@pytest.fixture(scope="session")
def spark(sail_server: SailServer) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    session = SparkSession.builder.remote(f"sc://{sail_server.address}").create()
    session.client.set_retry_policies([])
    yield session
    session.stop()


@pytest.fixture
def engine(spark: Any) -> SparkEngine:
    return SparkEngine(spark, FakeClock(), on_databricks=False)


@pytest.fixture
def world(spark: Any, tmp_path: Path) -> ProfilingWorld:
    """Group `acme` with all its `_dq` tables and one table group `e1`, still without tables."""
    made = ProfilingWorld(spark, tmp_path)
    made.provision()
    return made
