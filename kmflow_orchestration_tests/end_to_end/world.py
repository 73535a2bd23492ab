"""A complete set-up of two groups, driven as Dagster's daemon and a person would drive it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context, GroupContext
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.demo.groups import landing_root
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.local_daemon import LocalDaemon
from kmflow_orchestration.demo.sandbox import Backend, Sandbox
from kmflow_orchestration.intake.arrivals import look
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.read_tables import row_counts
from kmflow_orchestration.partitions.keys import GROUPS, day_key
from kmflow_orchestration.resources.asset_keys import PROFILE_RUN
from kmflow_orchestration.sensors.all_sensors import SENSOR_NAMES
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.fakes import FakeClock

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
PATIENCE_S = 60.0


class World:
    """Groups `acme` and `globex` on one backend, with an instance of Dagster of their own."""

    def __init__(self, sandbox: Sandbox, instance: dg.DagsterInstance) -> None:
        self.sandbox = sandbox
        self.instance = instance
        self.definitions = build_definitions(sensors_running=False, overrides=sandbox.overrides)
        cursor = sandbox.home.dagster / "cursor.json"
        self.daemon = LocalDaemon(self.definitions, instance, cursor)
        instance.add_dynamic_partitions(GROUPS.name or "", ["acme", "globex"])

    @property
    def context(self) -> Context:
        return self.sandbox.context

    def group(self, name: str) -> GroupContext:
        return self.context.group(GroupId(name))

    def drop(self, group: str, files: Mapping[str, bytes]) -> None:
        """Lay files into a group's landing folder, by path below it."""
        for name, content in files.items():
            path = landing_root(self.sandbox.home, group) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def seen_on(self, day: date, group: str) -> None:
        """Look at a group's landing folder as of another day; what is new was received then."""
        clock = FakeClock(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
        settings = load_settings(**self.sandbox.overrides)
        with Context(settings, clock=clock) as past:
            root = landing_root(self.sandbox.home, group)
            look(GroupId(group), root, None, ledger=past.ledger, clock=clock)

    def settle(self) -> None:
        """Sensors, automation and their runs until no profile is outstanding either."""
        clock = self.context.clock
        give_up_at = clock.monotonic() + PATIENCE_S
        self.daemon.settle(SENSOR_NAMES)
        while self._profiles_are_outstanding():
            assert clock.monotonic() < give_up_at, "a profile did not end"
            clock.sleep(0.1)
        self.daemon.settle(SENSOR_NAMES)
        failed = [one.failure for one in self.daemon.outcomes if not one.succeeded]
        assert failed == []

    def profile(self, group: str, table_group: str) -> None:
        self.daemon.materialize([PROFILE_RUN], f"{group}|{table_group}")
        self.settle()

    def _profiles_are_outstanding(self) -> bool:
        return any(
            self.context.profile_runs.outstanding(group, one.table_group_id)
            for group in self.sandbox.groups
            for one in self.context.table_groups.all(group)
        )

    def run(
        self,
        assets: Sequence[dg.AssetKey],
        *,
        partition: str | None = None,
        days: tuple[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets for one partition, or for a range of days from key to key."""
        wanted = dict(tags or {})
        if days is not None:
            wanted |= {RANGE_START: days[0], RANGE_END: days[1]}
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=list(assets),
            partition_key=partition,
            tags=wanted,
            raise_on_error=False,
        )

    def table_rows(self, group: str) -> dict[str, list[str]]:
        """Every table of a group but the profile results, as sorted rows without the batch."""
        one = self.group(group)
        tables = row_counts(one.id, lakehouse=one.lakehouse, config=one.config)
        catalog = one.config.catalog
        return {
            name: sorted(
                repr({key: value for key, value in row.items() if key != "_batch_id"})
                for row in one.lakehouse.query(
                    f"SELECT * FROM `{catalog}`.`{name.replace('.', '`.`')}`"
                ).to_pylist()
            )
            for name in tables
        }

    def query(self, group: str, sql: str) -> list[dict[str, Any]]:
        """Rows of a query of a group; `{base}` stands for its catalog and first schema."""
        one = self.group(group)
        base = f"{one.config.catalog}.{one.config.schema}"
        return one.lakehouse.query(sql.format(base=base)).to_pylist()  # type: ignore[no-any-return]

    def materializations(self, key: dg.AssetKey) -> dict[str, dg.AssetMaterialization]:
        """Newest materialization of each partition of an asset."""
        records = self.instance.fetch_materializations(key, limit=500).records
        newest: dict[str, dg.AssetMaterialization] = {}
        for record in records:
            if record.asset_materialization is not None:
                newest.setdefault(record.partition_key or "", record.asset_materialization)
        return newest

    def checks(self, key: dg.AssetKey) -> dict[str, dg.AssetCheckEvaluation]:
        """Newest evaluation of each check of an asset."""
        found: dict[str, dg.AssetCheckEvaluation] = {}
        for run in self.instance.get_runs():
            for entry in self.instance.all_logs(run.run_id):
                event = entry.dagster_event
                if event is not None and event.event_type_value == "ASSET_CHECK_EVALUATION":
                    one = event.asset_check_evaluation_data
                    if one.asset_key == key:
                        found.setdefault(one.check_name, one)
        return found

    def event_log(self) -> str:
        """All that Dagster wrote down, as text."""
        return "\n".join(
            entry.to_json()
            for run in self.instance.get_runs()
            for entry in self.instance.all_logs(run.run_id)
        )


def today_key(group: str) -> str:
    return str(day_key(group, datetime.now(UTC).date()))


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What the failed steps of a run say."""
    texts = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            told = data.user_failure_data
            texts.append(f"{told.description if told else ''} {data.error_display_string}")
    return "\n".join(texts)


def retries_of(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.is_step_up_for_retry for event in result.all_events)


@contextmanager
def opened_world(root: Path, backend: Backend, databases: ControlDatabases) -> Iterator[World]:
    """A world on a fresh home, provisioned."""
    sandbox = Sandbox(Home.at(root), backend)
    sandbox.overrides |= databases.settings(databases.unmigrated(root / "control.db"))
    sandbox.overrides |= {"quiet_period_s": "0", "conversion_workers": "1"}
    with sandbox, dg.DagsterInstance.ephemeral() as instance:
        sandbox.provision()
        yield World(sandbox, instance)
