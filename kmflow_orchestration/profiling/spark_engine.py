"""The Spark session of a job, seen through the few things a profile needs of it."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import StatementFailed
from kmflow_orchestration.names import TableName, literal, quoted
from kmflow_orchestration.profiling.sql_builder import micros
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration.tables.profiling import RUN_COLUMN

logger = logging.getLogger(__name__)

WRITE_TRIES = 5
_JITTER = random.SystemRandom()


class SparkEngine:
    """Runs statements in a Spark session; every fault of a statement is a StatementFailed.

    `on_databricks` decides when a write is repeated: there for commit conflicts alone, on the
    embedded engine, whose errors have no codes, for any failure (design AD3).
    """

    def __init__(self, spark: Any, clock: Clock, *, on_databricks: bool | None = None) -> None:
        self._spark = spark
        self._clock = clock
        self._on_databricks = (
            bool(os.environ.get("DATABRICKS_RUNTIME_VERSION"))
            if on_databricks is None
            else on_databricks
        )
        # Without it a TIMESTAMP_NTZ would be read in the zone of whoever runs the job.
        spark.conf.set("spark.sql.session.timeZone", "UTC")

    @property
    def name(self) -> str:
        """Engine and version, as results carry it."""
        return f"{'databricks' if self._on_databricks else 'spark'} {self._spark.version}"

    def query(self, sql: str) -> list[dict[str, Any]]:
        """All rows of a query. Raises StatementFailed."""
        from pyspark.errors import PySparkException

        try:
            return [row.asDict() for row in self._spark.sql(sql).collect()]
        except PySparkException as error:
            raise _statement_failed(error) from error

    def columns(self, relation: str) -> list[tuple[str, str]]:
        """Names and types of a table's columns. Raises StatementFailed."""
        from pyspark.errors import PySparkException

        try:
            return list(self._spark.sql(f"SELECT * FROM {relation} LIMIT 0").dtypes)
        except PySparkException as error:
            raise _statement_failed(error) from error

    def replace_run(
        self,
        table: TableName,
        definition: TableDefinition,
        profile_run_id: str,
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        """Make these rows the table's only rows of the run, in one statement that can be repeated.

        A run's first write only adds: unlike a replacement, it never collides with another run's.

        Raises:
            StatementFailed: a fault that repeating does not heal, or five failures.
        """
        from pyspark.errors import PySparkException

        for attempt in range(1, WRITE_TRIES + 1):
            try:
                self._replace_once(table, definition, profile_run_id, rows)
            except PySparkException as error:
                failed = _statement_failed(error)
                if attempt == WRITE_TRIES or not self._may_repeat(failed):
                    raise failed from error
                logger.warning("write to %s failed, try %d", table.text, attempt)
                self._clock.sleep(_JITTER.uniform(0.5, 1.5) * 0.1 * 2**attempt)
            else:
                return

    def _replace_once(
        self,
        table: TableName,
        definition: TableDefinition,
        profile_run_id: str,
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        view = f"kmflow_{definition.name}_{profile_run_id.replace('-', '')}"
        columns = definition.columns
        moments = {column.name for column in columns if column.type == "TIMESTAMP"}
        schema = ", ".join(
            f"{quoted(column.name)} {'BIGINT' if column.name in moments else column.type}"
            for column in columns
        )
        values = [tuple(_plain(row.get(name)) for name in definition.column_names) for row in rows]
        self._spark.createDataFrame(values, schema).createOrReplaceTempView(view)
        selected = ", ".join(
            f"timestamp_micros({quoted(name)}) AS {quoted(name)}"
            if name in moments
            else quoted(name)
            for name in definition.column_names
        )
        of_run = f"{quoted(RUN_COLUMN)} = {literal(profile_run_id)}"
        found = self._spark.sql(f"SELECT 1 FROM {table.sql} WHERE {of_run} LIMIT 1").collect()
        replacing = f" REPLACE WHERE {of_run}" if found else ""
        self._spark.sql(
            f"INSERT INTO {table.sql}{replacing} SELECT {selected} FROM {quoted(view)}"
        ).collect()
        self._spark.catalog.dropTempView(view)

    def _may_repeat(self, failed: StatementFailed) -> bool:
        if not self._on_databricks:
            return True
        return "DELTA_CONCURRENT_" in failed.error_code or "DELTA_CONCURRENT_" in failed.message


def _plain(value: Any) -> Any:
    """Times as microseconds: a client would move them into its own zone."""
    return micros(value) if isinstance(value, datetime) else value


def _statement_failed(error: Any) -> StatementFailed:
    condition = error.getCondition() if hasattr(error, "getCondition") else None
    text = str(error).strip().split("\n\nJVM stacktrace")[0]
    return StatementFailed(text, error_code=condition or "")
