"""One case of the intake benchmark, measured in a process of its own.

`run_case` is the parent's side. Run as a module it is the child: it prepares everything (control
database, tables, the sensor's look at the landing folder), then measures one way of taking the
files in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

READY = "ready"


@dataclass(frozen=True)
class Case:
    """What to measure; `way` is a key of `_WAYS`."""

    way: str
    group: str
    url: str
    token: str
    warehouse_id: str
    home: str
    landing: str
    files: int


@dataclass(frozen=True)
class Measured:
    """Wall and CPU seconds of the measured part, and the peak of the whole process's memory.

    `stages` are the wall seconds of its parts, where it has any.
    """

    files: int
    seconds: float
    cpu_s: float
    peak_mb: float
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def files_per_s(self) -> float:
        return self.files / self.seconds


def run_case(case: Case, on_ready: Callable[[], object]) -> Measured:
    """Measure in a fresh process; `on_ready` is called when it is prepared, just before.

    Raises:
        RuntimeError: the child failed; what it said stands on standard error.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.intake_case", json.dumps(asdict(case))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DAGSTER_HOME": str(Path(case.home, "dagster"))},
    )
    with child:
        assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018
        if child.stdout.readline().strip() == READY:
            on_ready()
            child.stdin.write("go\n")
            child.stdin.close()
        said = child.stdout.read()
    if child.returncode:
        raise RuntimeError(f"the case {case.way} failed with exit {child.returncode}")
    return Measured(**json.loads(said))


def _serial_sdk(case: Case) -> Callable[[], dict[str, float]]:
    """What everybody writes first: a loop over the SDK's own call, with its defaults."""
    from databricks.sdk import WorkspaceClient

    client = WorkspaceClient(host=case.url, token=case.token, auth_type="pat")
    target = f"/Volumes/{case.group}/evidence/raw_evidence/evidence_store/serial"
    files = sorted(path for path in Path(case.landing).rglob("*") if path.is_file())[: case.files]
    client.files.create_directory(target)

    def measured() -> dict[str, float]:
        for path in files:
            with path.open("rb") as content:
                client.files.upload(f"{target}/{path.name}", content)
        return {}

    return measured


def _operations(case: Case) -> Callable[[], dict[str, float]]:
    """Exactly what the two assets call, without Dagster around it."""
    from kmflow_orchestration.operations.publish_bronze import publish_bronze
    from kmflow_orchestration.operations.read_tables import first_rows
    from kmflow_orchestration.operations.reconcile_bronze import reconcile_bronze
    from kmflow_orchestration.operations.store_evidence import store_batch
    from kmflow_orchestration.tables.medallion import BRONZE_EVIDENCE_RAW

    day = _prepared(case)

    def measured() -> dict[str, float]:
        begun = time.perf_counter()
        with _context(case) as context:
            group = context.group(_group(case))
            while store_batch(group.id, day, **group.storing()):
                pass
            stored = time.perf_counter()
            published = publish_bronze(group.id, day, **group.recording())
            written = time.perf_counter()
            if not reconcile_bronze(group.id, day, **group.publishing()).agrees:
                raise RuntimeError("bronze and ledger disagree")
            table = group.config.namespace.bronze(BRONZE_EVIDENCE_RAW.name)
            first_rows(group.id, table, published.batches, lakehouse=group.lakehouse)
        if published.rows != case.files:
            raise RuntimeError(f"{published.rows} rows of {case.files} files")
        checked = time.perf_counter()
        return {"store": stored - begun, "bronze": written - stored, "check": checked - written}

    return measured


def _dagster(case: Case) -> Callable[[], dict[str, float]]:
    """A run of the two assets for one partition, on an instance in SQLite."""
    import dagster as dg

    from kmflow_orchestration.definitions import build_definitions
    from kmflow_orchestration.demo.local_daemon import QUIET
    from kmflow_orchestration.partitions.keys import GROUP_TAG, GROUPS, day_key
    from kmflow_orchestration.resources.asset_keys import BRONZE_EVIDENCE, EVIDENCE_FILES

    day = _prepared(case)
    definitions = build_definitions(sensors_running=False, overrides=_overrides(case))
    job = definitions.resolve_implicit_global_asset_job_def()
    instance = dg.DagsterInstance.get()
    instance.add_dynamic_partitions(str(GROUPS.name), [case.group])

    def measured() -> dict[str, float]:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[EVIDENCE_FILES, BRONZE_EVIDENCE],
            partition_key=day_key(case.group, day),
            tags={GROUP_TAG: case.group},
            run_config=QUIET,
        )
        checks = result.get_asset_check_evaluations()
        if len(checks) != 2 or not all(check.passed for check in checks):
            raise RuntimeError("a check of the run failed")
        return {}

    return measured


_WAYS = {"serial_sdk": _serial_sdk, "operations": _operations, "dagster": _dagster}


def _prepared(case: Case) -> date:
    """A group with a control database and tables of its own, its files known to the ledger."""
    from kmflow_orchestration.config.group_input import parse_group
    from kmflow_orchestration.demo.home import Home
    from kmflow_orchestration.intake.arrivals import sweep_all
    from kmflow_orchestration.operations.provision import provision

    Home.at(Path(case.home)).prepare_dagster()
    _token(case).touch(mode=0o600)
    _token(case).write_text(case.token, encoding="ascii")
    with _context(case) as context:
        context.migrate()
        values = parse_group(case.group, _settings(case))
        context.group_configs.save(_group(case), values, "benchmark")
        group = context.group(_group(case))
        provision(group.config, group.lakehouse, context.clients.get(group.config))
        sweep_all(group.id, group.landing_root, ledger=context.ledger, clock=context.clock)
        (due,) = context.ledger.due_days(group.id)
    if due.pending != case.files:
        raise RuntimeError(f"{due.pending} files are due, not {case.files}")
    return due.day


def _context(case: Case) -> Any:
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.context import Context

    return Context(load_settings(**_overrides(case)))


def _overrides(case: Case) -> dict[str, str]:
    return {"home": case.home, "storage_backend": "databricks", "quiet_period_s": "0"}


def _settings(case: Case) -> dict[str, Any]:
    return {
        "catalog": case.group,
        "schema": "evidence",
        "evidence_volume": "raw_evidence",
        "landing_path": case.landing,
        "workspace_url": case.url,
        "warehouse_id": case.warehouse_id,
        "token": f"file:{_token(case)}",
        "allow_insecure_loopback": True,
    }


def _token(case: Case) -> Path:
    return Path(case.home, "token")


def _group(case: Case) -> Any:
    from kmflow_orchestration.names import group_id

    return group_id(case.group)


def peak_mb() -> float:
    """Highest resident size of this very program; `getrusage` would include its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the kernel does not tell the peak of memory")


def main() -> None:
    case = Case(**json.loads(sys.argv[1]))
    measured = _WAYS[case.way](case)
    print(READY, flush=True)
    sys.stdin.readline()
    cpu, begun = time.process_time(), time.perf_counter()
    stages = measured()
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps(asdict(Measured(case.files, seconds, cpu_s, peak_mb(), stages))), flush=True)


if __name__ == "__main__":
    main()
