"""What Dagster's daemon does, once and in this process: sensors, automation, runs.

For the demo and for end-to-end tests: it calls the sensors, evaluates the automation conditions
and executes what they request against the given instance, until nothing is requested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._serdes import deserialize_value, serialize_value

RUN_KEY_TAG = "dagster/run_key"
SENSOR_TAG = "dagster/sensor_name"
UNDER_WAY = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """One executed run."""

    run_id: str
    assets: tuple[str, ...]
    partition: str
    succeeded: bool
    failure: str = ""


@dataclass(slots=True)
class LocalDaemon:
    """Mutable because it remembers each sensor's cursor between rounds, as a daemon does.

    The automation cursor lies in `cursor_file` and is written only after what it requested was
    executed: a process killed in between evaluates the same again, and the runs are repeatable.
    """

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursor_file: Path
    on_run: Callable[[RunOutcome], None] = lambda _: None
    outcomes: list[RunOutcome] = field(default_factory=list)
    _cursors: dict[str, str | None] = field(default_factory=dict)

    def bury_dead_runs(self) -> int:
        """Mark runs that a killed process left under way as cancelled; how many there were.

        Not as failed: what failed waits before it is tried again. Only for an instance that nobody
        else executes runs in.
        """
        records = self.instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY))
        for record in records:
            self.instance.report_run_canceled(record.dagster_run, "its process is gone")
        return len(records)

    def settle(self, sensors: Sequence[str], *, rounds: int = 50) -> list[RunOutcome]:
        """Rounds of sensors and automation until one of them requests nothing.

        Raises:
            RuntimeError: still busy after `rounds`, which means that something requests for ever.
        """
        outcomes: list[RunOutcome] = []
        if not self.cursor_file.exists():
            self._automate()
        for _ in range(rounds):
            done = [outcome for name in sensors for outcome in self.tick(name)]
            done += self._automate()
            outcomes += done
            if not done:
                return outcomes
        raise RuntimeError(f"sensors still request runs after {rounds} rounds")

    def tick(self, name: str) -> list[RunOutcome]:
        """One tick of a sensor, and the runs it requests."""
        sensor = self.definitions.resolve_sensor_def(name)
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self._cursors.get(name),
            definitions=self.definitions,
            resources=dict(self.definitions.resources or {}),
        )
        with context:
            data = sensor(context)
        if not isinstance(data, dg.SensorResult):
            raise TypeError(f"sensor {name} returned {type(data).__name__}, not a SensorResult")
        if data.cursor is not None:
            self._cursors[name] = data.cursor
        for request in data.dynamic_partitions_requests or []:
            self._change_partitions(request)
        wanted = [request for request in data.run_requests or [] if self._is_new(name, request)]
        return [self._run(request, name) for request in wanted]

    def _change_partitions(
        self, request: dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest
    ) -> None:
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            keys = list(request.partition_keys)
            self.instance.add_dynamic_partitions(request.partitions_def_name, keys)
        else:
            for key in request.partition_keys:
                self.instance.delete_dynamic_partition(request.partitions_def_name, key)

    def materialize(self, assets: Sequence[dg.AssetKey], partition: str) -> RunOutcome:
        """What a person's click on "Materialize" does."""
        return self._execute(assets, partition, {})

    def _is_new(self, sensor: str, request: dg.RunRequest) -> bool:
        if not request.run_key:
            return True
        tags = {RUN_KEY_TAG: request.run_key, SENSOR_TAG: sensor}
        return self.instance.get_runs_count(dg.RunsFilter(tags=tags)) == 0

    def _run(self, request: dg.RunRequest, sensor: str) -> RunOutcome:
        tags = {**request.tags, SENSOR_TAG: sensor}
        if request.run_key:
            tags[RUN_KEY_TAG] = request.run_key
        return self._execute(request.asset_selection or [], request.partition_key or "", tags)

    def _automate(self) -> list[RunOutcome]:
        """Evaluate the automation conditions once and execute what they ask for."""
        cursor = None
        if self.cursor_file.exists():
            cursor = deserialize_value(
                self.cursor_file.read_text(encoding="utf-8"), AssetDaemonCursor
            )
        result = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=cursor)
        outcomes = [
            self._execute(keys, partition, {"dagster/from_automation_condition": "true"})
            for partition, keys in self._requested(result)
        ]
        self.cursor_file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.cursor_file.with_suffix(".new")
        scratch.write_text(serialize_value(result.cursor), encoding="utf-8")
        scratch.replace(self.cursor_file)
        return outcomes

    def _requested(
        self, result: dg.EvaluateAutomationConditionsResult
    ) -> Iterable[tuple[str, list[dg.AssetKey]]]:
        """Requested assets by partition, upstream layers first."""
        graph = self.definitions.resolve_asset_graph()
        by_partition: dict[str, list[dg.AssetKey]] = {}
        for key in graph.toposorted_asset_keys:
            for partition in sorted(str(one) for one in result.get_requested_partitions(key)):
                by_partition.setdefault(partition, []).append(key)
        return by_partition.items()

    def _execute(
        self, assets: Sequence[dg.AssetKey], partition: str, tags: Mapping[str, str]
    ) -> RunOutcome:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=self.instance,
            asset_selection=list(assets),
            partition_key=partition or None,
            tags={"kmflow/group": partition.split("|", maxsplit=1)[0], **tags},
            run_config=QUIET,
            raise_on_error=False,
        )
        failures = [event for event in result.all_events if event.is_step_failure]
        texts = [event.step_failure_data.error_display_string for event in failures]
        outcome = RunOutcome(
            result.run_id,
            tuple(key.path[-1] for key in assets),
            partition,
            result.success,
            "; ".join(texts)[:2000],
        )
        self.outcomes.append(outcome)
        self.on_run(outcome)
        return outcome
