"""Tables of a group in its local lakehouse, really profiled, and checked by Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import dagster as dg
import pyarrow as pa

from kmflow_orchestration.metadata.profile_records import ProfileRun
from kmflow_orchestration.names import TableName
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.partitions.keys import GROUPS, TABLE_GROUPS, table_group_key
from kmflow_orchestration.profiling.column_profile import ColumnProfile
from kmflow_orchestration.profiling.table_profile import SourceTable, profile_table
from kmflow_orchestration.resources.asset_keys import HYGIENE_ISSUES
from kmflow_orchestration.tables.arrow_types import arrow_schema
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.profiling import DQ_PROFILE_RESULTS
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld

Rows = Mapping[str, tuple[str, Sequence[object]]]
"""Columns by name: the Spark SQL type and the values."""


class ProfiledTables:
    """Group `acme` with its tables; Dagster's instance is the world's own."""

    def __init__(self, world: SensorWorld) -> None:
        self.world = world
        self.instance = world.instance
        self.group = world.context.group(world.add_group("acme"))
        self.results = self.group.config.namespace.dq(DQ_PROFILE_RESULTS.name)
        provision(self.group.config, self.group.lakehouse, None)
        self.instance.add_dynamic_partitions(GROUPS.name or "", ["acme"])

    def add(self, name: str, rows: Rows) -> TableName:
        """A dataset table."""
        table = self.group.config.namespace.bronze(name)
        columns = [Column(column, kind) for column, (kind, _) in rows.items()]
        values = {column: list(held) for column, (_, held) in rows.items()}
        self.group.lakehouse.rebuild(
            table, columns, pa.Table.from_pydict(values, schema=arrow_schema(columns))
        )
        return table

    def profile(
        self, table_group: str, *tables: TableName, missing: Sequence[tuple[str, str]] = ()
    ) -> ProfileRun:
        """A run that measured the tables, stored that, and ended as its job's callback ends it.

        `missing` are names and types of columns that are listed and that no table has.
        """
        self.instance.add_dynamic_partitions(TABLE_GROUPS.name or "", [table_group])
        listed = self.world.add_table_group(self.group.id, table_group)
        run = self.world.profile(listed, ago=timedelta(minutes=1))
        measured = [one for table in tables for one in self._measured(table, run, missing)]
        self._store(run, measured)
        completion = self.group.stored_completion(run)
        assert completion is not None
        self.world.end(run, completion)
        return run

    def _measured(
        self, table: TableName, run: ProfileRun, missing: Sequence[tuple[str, str]]
    ) -> tuple[ColumnProfile, ...]:
        columns = [(one.name, one.type) for one in self.group.lakehouse.columns(table) or ()]
        source = SourceTable(table.sql, table.schema, table.name, (*columns, *missing))
        return profile_table(
            lambda sql: self.group.lakehouse.query(sql).to_pylist(),
            source,
            reference=run.created_at,
            engine="tests",
        ).columns

    def _store(self, run: ProfileRun, measured: Sequence[ColumnProfile]) -> None:
        owner = {
            "group_id": run.group_id,
            "table_group_id": run.table_group_id,
            "profile_run_id": run.profile_run_id,
        }
        rows = [{**owner, **one.to_row()} for one in measured]
        stored = pa.Table.from_pylist(rows, schema=arrow_schema(DQ_PROFILE_RESULTS.columns))
        matching = {"profile_run_id": [run.profile_run_id]}
        self.group.lakehouse.replace(self.results, stored, matching=matching)

    def judge(self, table_group: str) -> dg.ExecuteInProcessResult:
        """Materialize the issues of a table group's newest profile."""
        key = str(table_group_key(self.group.id, table_group))
        return self.run([HYGIENE_ISSUES], key)

    def run(self, assets: Sequence[dg.AssetKey], partition: str) -> dg.ExecuteInProcessResult:
        return self.world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=list(assets),
            partition_key=partition,
            raise_on_error=False,
        )

    def checks(self, table_group: str) -> dict[int, dg.AssetCheckEvaluation]:
        """What the checks of a table group's issues say, by the rule's number."""
        result = self.judge(table_group)
        assert result.success
        return {
            int(one.check_name.split("_")[1]): one for one in result.get_asset_check_evaluations()
        }

    def states(self, asset: dg.AssetKey) -> set[tuple[str, str]]:
        """How the newest executions of an asset's checks stand, and how their runs ended.

        PLANNED in a run that is a FAILURE is what Dagster's page calls an execution that failed.
        """
        keys = self.world.definitions.resolve_asset_graph().get(asset).check_keys
        records = [self.instance.get_latest_asset_check_evaluation_record(key) for key in keys]
        runs = [self.instance.get_run_by_id(one.run_id) if one else None for one in records]
        return {
            (record.status.value, run.status.value)
            for record, run in zip(records, runs, strict=True)
            if record is not None and run is not None
        }

    def event_log(self) -> str:
        """All that Dagster wrote down, as text."""
        return "\n".join(
            entry.to_json()
            for run in self.instance.get_runs()
            for entry in self.instance.all_logs(run.run_id)
        )
