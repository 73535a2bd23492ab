"""The demo's story: files fall, travel, are profiled; more fall, one changes; all travels again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager

from kmflow_orchestration.context import Context
from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.demo.evidence import first_drop, second_drop
from kmflow_orchestration.demo.groups import landing_root
from kmflow_orchestration.demo.home import Home
from kmflow_orchestration.demo.local_daemon import LocalDaemon, RunOutcome
from kmflow_orchestration.demo.report import GroupReport, evidence_items, report_group
from kmflow_orchestration.demo.sandbox import Sandbox
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.partitions.keys import TABLE_GROUPS, table_group_key
from kmflow_orchestration.resources.asset_keys import PROFILE_RUN
from kmflow_orchestration.sensors.all_sensors import SENSOR_NAMES

# A file that failed is tried again within a minute; a job has this long for everything.
PATIENCE_S = 600.0
# Lays files of a group below its landing place; repeatable.
Lay = Callable[[Path, str], object]
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did: seconds it took, and where each group stands.

    Not `settled`: something was still under way when patience was over; a repeat goes on with it.
    """

    seconds: float
    groups: tuple[GroupReport, ...]
    runs: tuple[RunOutcome, ...]
    settled: bool = True

    @property
    def failed_runs(self) -> list[RunOutcome]:
        return [run for run in self.runs if not run.succeeded]

    def as_json(self) -> dict[str, object]:
        return {
            "seconds": round(self.seconds, 2),
            "dagster_runs": len(self.runs),
            "failed_runs": [run.failure for run in self.failed_runs],
            "settled": self.settled,
            "groups": {group.group: group.as_json() for group in self.groups},
        }


@dataclass(slots=True)
class Listener:
    """Who is told what happens; the command line shows it, tests ignore it."""

    stage: Callable[[str], None] = lambda _: None
    run: Callable[[RunOutcome], None] = lambda _: None


@dataclass(slots=True)
class _Demo:
    """Mutable: it collects the runs it has seen."""

    sandbox: Sandbox
    daemon: LocalDaemon
    listener: Listener
    runs: list[RunOutcome] = field(default_factory=list)

    @property
    def context(self) -> Context:
        return self.sandbox.context

    def drop(self, lay: Lay) -> None:
        for group in self.sandbox.groups:
            lay(landing_root(self.sandbox.home, group), group)

    def settle(self) -> bool:
        """Until sensors and automation request nothing and no profile or file is outstanding.

        Whether that came in time; a profile that ends while the sensors tick gets a round more.
        """
        asked: set[str] = set()
        give_up_at = self.context.clock.monotonic() + PATIENCE_S
        while self.context.clock.monotonic() < give_up_at:
            waited = self._outstanding()
            self.daemon.settle(SENSOR_NAMES)
            if self._profile_changed(asked):
                continue
            if not waited and not self._outstanding():
                return True
            self.context.clock.sleep(POLL_S if waited else 0)
        return False

    def _profile_changed(self, asked: set[str]) -> bool:
        """Ask for a profile of what changed since its last one, as a person would; once a drop."""
        stale = [
            str(table_group_key(group, one.table_group_id))
            for group in self.sandbox.groups
            for one in self.context.table_groups.stale(group)
        ]
        wanted = [key for key in stale if key not in asked]
        asked.update(wanted)
        for key in wanted:
            self.daemon.materialize([PROFILE_RUN], key)
        return bool(wanted)

    def _outstanding(self) -> bool:
        return any(self._waits(group) for group in self.sandbox.groups)

    def _waits(self, group: GroupId) -> bool:
        summary = self.context.ledger.summary(group)
        if summary.waiting or summary.pending:
            return True
        return any(
            self.context.profile_runs.outstanding(group, one.table_group_id)
            for one in self.context.table_groups.all(group)
        )


def run_demo(
    sandbox: Sandbox, listener: Listener, *, drops: Sequence[Lay] = (first_drop, second_drop)
) -> DemoReport:
    """Run the demo in an opened sandbox; a repeat stores nothing new and changes no table."""
    clock = sandbox.context.clock
    begun = clock.monotonic()
    with open_instance(sandbox.home) as instance:
        demo = _Demo(sandbox, _daemon(sandbox, instance, listener), listener)
        demo.daemon.bury_dead_runs()
        before = {group: evidence_items(sandbox.context, group) for group in sandbox.groups}
        listener.stage("making catalogs, schemas, Volumes and tables")
        sandbox.provision()
        settled = True
        for number, lay in enumerate(drops, start=1):
            listener.stage(f"drop {number}: files fall into the landing folders")
            demo.drop(lay)
            listener.stage(f"drop {number}: intake, conversion, profiles")
            settled &= demo.settle()
        groups = _reports(sandbox, before)
    seconds = clock.monotonic() - begun
    return DemoReport(seconds, tuple(groups), tuple(demo.daemon.outcomes), settled)


def open_instance(home: Home) -> dg.DagsterInstance:
    """The home's Dagster instance, without capture of what steps print.

    Capturing takes over this process's own output, which the progress is written to, and costs two
    processes for each run.
    """
    quiet = {"module": NoOpComputeLogManager.__module__, "class": NoOpComputeLogManager.__name__}
    ref = InstanceRef.from_dir(str(home.dagster), overrides={"compute_logs": quiet})
    return dg.DagsterInstance.from_ref(ref)


def _daemon(sandbox: Sandbox, instance: dg.DagsterInstance, listener: Listener) -> LocalDaemon:
    return LocalDaemon(
        build_definitions(sensors_running=False, overrides=sandbox.overrides),
        instance,
        sandbox.home.dagster / "kmflow_automation_cursor.json",
        on_run=listener.run,
    )


def _reports(sandbox: Sandbox, before: dict[GroupId, int]) -> Iterable[GroupReport]:
    for group in sandbox.groups:
        yield report_group(sandbox.context, group, items_before=before[group])


__all__ = ["TABLE_GROUPS", "DemoReport", "Listener", "run_demo"]
