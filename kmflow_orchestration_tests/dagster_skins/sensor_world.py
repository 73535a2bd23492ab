"""Sensors ticking against an ephemeral Dagster instance, all parts of it real."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Self
from uuid import uuid4

import dagster as dg

from kmflow_orchestration.clock import SystemClock, utc_day
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.metadata.profile_records import Completion, ProfileRun, TableGroup
from kmflow_orchestration.names import EngagementId, GroupId, TableGroupId
from kmflow_orchestration.partitions.keys import GROUP_TAG, day_key
from kmflow_orchestration.resources.asset_keys import INTAKE
from kmflow_orchestration.runs.callbacks import apply_completion
from kmflow_orchestration.runs.run_state import Actor, RunStatus
from kmflow_orchestration.sensors.partition_sync import PartitionRequest
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace


class SensorWorld:
    """A process's home with groups in it, and the sensors' cursors between ticks.

    Without a `storage_backend` the environment decides.
    """

    def __init__(
        self,
        home: Path,
        database_url: str,
        *,
        storage_backend: str | None = "local",
        **overrides: str,
    ) -> None:
        self.home = home
        self.overrides = {
            "home": str(home),
            "database_url": database_url,
            "quiet_period_s": "0",
            **({} if storage_backend is None else {"storage_backend": storage_backend}),
            **overrides,
        }
        self.definitions = build_definitions(sensors_running=False, overrides=self.overrides)
        self.now = SystemClock().now()
        self.cursors: dict[str, str | None] = {}
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self.instance = self._opened.enter_context(dg.DagsterInstance.ephemeral())
        self.context = self._opened.enter_context(Context(load_settings(**self.overrides)))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def add_group(self, name: str, *, enabled: bool = True, **settings: object) -> GroupId:
        group = GroupId(name)
        (self.home / "landing" / name).mkdir(parents=True, exist_ok=True)
        values = parse_group(
            group, {"catalog": name, "schema": "main", "enabled": enabled, **settings}
        )
        self.context.group_configs.save(group, values, "tests")
        return group

    def add_table_group(self, group: str, engagement: str, cron: str = "0 3 * * *") -> TableGroup:
        return self.context.table_groups.ensure_default(
            GroupId(group),
            EngagementId(engagement),
            schema_name="main_bronze",
            now=self.now,
            cron=cron,
        )

    def table_groups(self, group: GroupId) -> list[TableGroup]:
        return self.context.table_groups.all(group, active_only=True)

    def switch_off(self, table_group: TableGroup) -> None:
        self.context.table_groups.save(table_group.group_id, replace(table_group, is_active=False))

    def changed(self, table_group: TableGroup, batch: str = "b1", *, ago: timedelta) -> None:
        self.context.table_groups.table_changed(
            table_group.group_id,
            table_group.table_group_id,
            schema_name="main_bronze",
            table_name="loans",
            batch_id=batch,
            at=self.now - ago,
        )

    def place(self, group: str, *, ago: timedelta = timedelta()) -> LandingPlace:
        """The group's landing place, as somebody sees it whose clock is behind by `ago`."""
        clock = FakeClock(self.now - ago)
        return LandingPlace(self.home, clock, GroupId(group), self.overrides["database_url"])

    def drop(self, group: str, path: str, content: str = "id\n1\n", *, age_s: float = 3600) -> Path:
        return self.place(group).drop(path, content, age_s=age_s)

    def lose_landing(self, group: str) -> None:
        """Put something in the folder's place that is none."""
        folder = self.home / "landing" / group
        shutil.rmtree(folder)
        folder.write_text("a file")

    def tick(self, name: str) -> dg.SensorResult:
        """One tick of a sensor; partition keys and the cursor are kept, runs are not started."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(name),
            definitions=self.definitions,
            resources=dict(self.definitions.resources or {}),
        )
        with context:
            result = self.definitions.resolve_sensor_def(name)(context)
        assert isinstance(result, dg.SensorResult)
        self.cursors[name] = result.cursor
        self.keep_partitions(result.dynamic_partitions_requests or [])
        return result

    def keep_partitions(self, requests: Iterable[PartitionRequest]) -> None:
        """What Dagster's daemon does with a tick's requests."""
        for request in requests:
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                keys = list(request.partition_keys)
                self.instance.add_dynamic_partitions(request.partitions_def_name, keys)
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)

    def keys(self, definition: dg.DynamicPartitionsDefinition) -> list[str]:
        return sorted(self.instance.get_dynamic_partitions(definition.name or ""))

    @property
    def today(self) -> date:
        return utc_day(self.now)

    def run_of(self, group: str, status: dg.DagsterRunStatus) -> None:
        """A run of the group's present day in this state."""
        tags = {"dagster/partition": str(day_key(group, self.today)), GROUP_TAG: group}
        run = dg.DagsterRun(job_name="__ASSET_JOB", run_id=str(uuid4()), status=status, tags=tags)
        self.instance.add_run(run)

    def past_run_of(
        self,
        group: str,
        status: dg.DagsterRunStatus,
        *,
        ago: timedelta,
        assets: Iterable[dg.AssetKey] = INTAKE,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """A run of these assets, over by now: for the group's present day, or with other tags."""
        run = dg.DagsterRun(
            job_name="__ASSET_JOB",
            run_id=str(uuid4()),
            status=status,
            tags=tags or {"dagster/partition": str(day_key(group, self.today)), GROUP_TAG: group},
            asset_selection=frozenset(assets),
        )
        self.instance.run_storage.add_historical_run(run, self.now - ago)

    def profile(self, table_group: TableGroup, *, ago: timedelta = timedelta()) -> ProfileRun:
        """A queued profile run of a table group."""
        began = self.now - ago
        run = ProfileRun(
            profile_run_id=str(uuid4()),
            group_id=table_group.group_id,
            table_group_id=TableGroupId(table_group.table_group_id),
            status=RunStatus.QUEUED,
            created_at=began,
            updated_at=began,
            deadline_at=self.now + timedelta(hours=2),
            timeout_seconds=3600,
            next_poll_at=self.now + timedelta(hours=1),
        )
        self.context.profile_runs.insert_queued(run.group_id, run)
        return run

    def end(self, run: ProfileRun, completion: Completion) -> None:
        """End a profile run as its job's callback does."""
        apply_completion(
            run.group_id,
            run.profile_run_id,
            completion,
            runs=self.context.profile_runs,
            by=Actor.CALLBACK,
            clock=self.context.clock,
        )


def run_keys(result: dg.SensorResult) -> list[str | None]:
    return [request.run_key for request in result.run_requests or []]


def skip_text(result: dg.SensorResult) -> str:
    reason = result.skip_reason
    assert isinstance(reason, dg.SkipReason)
    return reason.skip_message or ""
