"""A group's lakehouse on the embedded engine, as a profiling job finds it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.profiling.job_parameters import JobParameters
from kmflow_orchestration.sail import tables as delta
from kmflow_orchestration.sail.process import SailServer
from kmflow_orchestration.tables.profiling import DQ_TABLE_GROUPS, DQ_TABLES, PROFILING_TABLES

GROUP, TABLE_GROUP, CATALOG = "acme", "e1", "main"


class ProfilingWorld:
    """Delta tables in a folder, registered in a session under schemas nobody else uses."""

    def __init__(self, spark: Any, directory: Path) -> None:
        self.spark = spark
        self.directory = directory
        self.base = f"acme_{uuid.uuid4().hex[:8]}"
        self.parameters = JobParameters(
            group_id=GROUP,
            table_group_id=TABLE_GROUP,
            profile_run_id=str(uuid.uuid4()),
            catalog=CATALOG,
            data_quality_schema=f"{self.base}_dq",
            schema_name=self.base,
        )

    def provision(self, include: str = "", exclude: str = "") -> None:
        for layer in ("bronze", "dq"):
            place = f"{quoted(CATALOG)}.{quoted(f'{self.base}_{layer}')}"
            self.spark.sql(f"CREATE SCHEMA {place} LOCATION '{self.directory / layer}'").collect()
        for definition in PROFILING_TABLES:
            place = self.directory / "dq" / definition.name
            delta.create_empty(place, definition.columns)
            self.register(self.parameters.result_table(definition), place)
        self.set_masks(include, exclude)

    def set_masks(self, include: str = "", exclude: str = "") -> None:
        table = self.parameters.result_table(DQ_TABLE_GROUPS).sql
        self.spark.sql(f"DELETE FROM {table}").collect()
        self.spark.sql(
            f"INSERT INTO {table} VALUES ('{GROUP}', '{TABLE_GROUP}', '{TABLE_GROUP}', "
            f"'{TABLE_GROUP}', '{self.base}_bronze', '{include}', '{exclude}', true)"
        ).collect()

    def register(self, table: TableName, place: Path) -> None:
        self.spark.sql(f"CREATE TABLE {table.sql} USING DELTA LOCATION '{place}'").collect()

    def add_table(self, name: str, select: str) -> TableName:
        """A dataset table of the table group, filled from a query."""
        table = TableName(CATALOG, f"{self.base}_bronze", name)
        self.spark.sql(f"CREATE TABLE {table.sql} USING DELTA AS {select}").collect()
        self.list_table(name)
        return table

    def list_table(self, name: str) -> None:
        listed = self.parameters.result_table(DQ_TABLES).sql
        self.spark.sql(
            f"INSERT INTO {listed} VALUES ('{GROUP}', '{TABLE_GROUP}', '{self.base}_bronze', "
            f"'{name}', 1L, NULL, NULL)"
        ).collect()

    def rows(self, definition: Any, order: Sequence[str] = ()) -> list[dict[str, Any]]:
        text = f"SELECT * FROM {self.parameters.result_table(definition).sql}"
        if order:
            text += f" ORDER BY {', '.join(order)}"
        return [row.asDict() for row in self.spark.sql(text).collect()]


def in_child(
    command: Sequence[str], world: ProfilingWorld, server: SailServer
) -> subprocess.CompletedProcess[str]:
    """Run a command that finds the world's own session, as a job's task does."""
    session = f"sc://{server.address}/;session_id={world.spark.session_id}"
    user = world.spark.client._user_id
    return subprocess.run(
        command,
        env={**os.environ, "SPARK_REMOTE": f"{session};user_id={user}" if user else session},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
