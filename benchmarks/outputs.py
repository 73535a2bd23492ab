"""Outputs of tasks of many groups on several workspaces: where they land, and what they cost.

Each workspace is a process of its own; the writing process is this one. First all outputs are
written side by side and counted on the workspaces' disks, then each size is written alone, one
output after the other, and the time that is spent in HTTP calls is taken off.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Section, verdict
from benchmarks.workspace_server import WorkspaceServer

GROUPS = 50
HOSTS = 5
OUTPUTS = 2_000
THREADS = 32
SIZES = (500, 5_000, 50_000, 500_000)
ALONE = 200
GOAL_MS = 2.0
MOMENT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Landed:
    """What lies on the workspaces' disks after all outputs were written side by side."""

    seconds: float
    files: int
    in_another_groups_volume: int
    clients: int


@dataclass(frozen=True)
class Alone:
    """Medians of outputs of one size, written one after the other."""

    size_bytes: int
    http_ms: float
    own_ms: float


def run(_: argparse.Namespace) -> Section:
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder, ExitStack() as opened:
        place = Path(folder)
        servers = [
            opened.enter_context(WorkspaceServer(place / f"workspace-{number}"))
            for number in range(HOSTS)
        ]
        context = opened.enter_context(_context(place / "home", servers))
        landed = _side_by_side(context, servers)
        print(f"    {landed}", flush=True)
        alone = [_one_by_one(context, size) for size in SIZES]
        print(f"    {alone}", flush=True)
    return _section(landed, alone)


@contextmanager
def _context(home: Path, servers: list[WorkspaceServer]) -> Iterator[Any]:
    """A process's home in which every group is set up; the groups take turns at the workspaces."""
    from kmflow_orchestration.config.group_input import parse_group
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.context import Context
    from kmflow_orchestration.names import GroupId

    home.mkdir(parents=True)
    with Context(load_settings(home=str(home), storage_backend="databricks")) as context:
        context.migrate()
        for number in range(GROUPS):
            name, server = _group(number), servers[number % HOSTS]
            token = home / f"{name}.token"
            token.touch(mode=0o600)
            token.write_text(server.add_group(name), encoding="ascii")
            settings = {
                "catalog": name,
                "schema": "evidence",
                "workspace_url": server.url,
                "warehouse_id": server.warehouse_id,
                "token": f"file:{token}",
                "allow_insecure_loopback": True,
                "volume_enabled": True,
                "volume_path": f"{name}.evidence.outputs",
            }
            saved = parse_group(name, settings)
            context.group_configs.save(GroupId(name), saved, "benchmark")
        yield context


def _group(number: int) -> str:
    return f"group_{number % GROUPS:02}"


def _write(context: Any, group: str, number: int, size_bytes: int, run_id: str) -> None:
    from kmflow_orchestration.names import GroupId
    from kmflow_orchestration.operations.write_output import TaskOutput, write_output
    from kmflow_orchestration.outputs.layout import Execution

    value = {"of": group, "number": number, "filler": "x" * size_bytes}
    run = Execution(run_id, MOMENT)
    output = TaskOutput(value=value, task_key=f"task_{number}", execution=run)
    write_output(context.group(GroupId(group)).outbox, output)


def _side_by_side(context: Any, servers: list[WorkspaceServer]) -> Landed:
    begun = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as threads:
        writing = [
            threads.submit(_write, context, _group(n), n, SIZES[n % len(SIZES)], "side-by-side")
            for n in range(OUTPUTS)
        ]
        for one in writing:
            one.result()
    seconds = time.perf_counter() - begun
    owners = [owner for server in servers for owner in _owners(server.volumes)]
    foreign = sum(volume != owner for volume, owner in owners)
    return Landed(seconds, len(owners), foreign, context.clients.built)


def _owners(volumes: Path) -> Iterator[tuple[str, str]]:
    """Of each file in any Volume of a workspace: whose Volume it is, and whose output."""
    for path in sorted(volumes.rglob("*.json")):
        yield path.relative_to(volumes).parts[0], json.loads(path.read_bytes())["of"]


def _one_by_one(context: Any, size_bytes: int) -> Alone:
    http, own = list[float](), list[float]()
    with _http_seconds() as spent:
        for number in range(ALONE):
            spent.clear()
            begun = time.perf_counter()
            _write(context, _group(number), number, size_bytes, f"alone-{size_bytes}")
            whole = time.perf_counter() - begun
            http.append(sum(spent) * 1000)
            own.append((whole - sum(spent)) * 1000)
    return Alone(size_bytes, median(http), median(own))


@contextmanager
def _http_seconds() -> Iterator[list[float]]:
    """Seconds of each HTTP call of this process, as the session below the SDK makes it."""
    from kmflow_orchestration.databricks_client.transport import LeanSession

    spent, request = list[float](), LeanSession.request

    def timed(self: LeanSession, *args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return request(self, *args, **kwargs)
        finally:
            spent.append(time.perf_counter() - begun)

    LeanSession.request = timed
    try:
        yield spent
    finally:
        LeanSession.request = request


def _section(landed: Landed, alone: list[Alone]) -> Section:
    slowest = max(one.own_ms for one in alone)
    typical = sum(one.own_ms for one in alone) / len(alone)
    return Section(
        title="Outputs of tasks",
        about=(
            f"{OUTPUTS} outputs of mixed size of {GROUPS} groups on {HOSTS} workspaces, "
            f"{THREADS} at a time, JSON; then {ALONE} of each size alone, one after the other. Our "
            "own time is all of `write_output` but its HTTP calls: the rule, the encoding, the "
            "hash, and the record and audit entry in the control database (SQLite). The workspaces "
            "are processes of their own on the same machine."
        ),
        command="make bench ARGS=outputs",
        columns=("size of an output", "HTTP ms", "our own ms", "ratio"),
        rows=tuple(
            (
                f"{one.size_bytes / 1000:g} KB",
                f"{one.http_ms:.2f}",
                f"{one.own_ms:.2f}",
                f"{one.own_ms / one.http_ms:.2f}",
            )
            for one in alone
        ),
        verdicts=(
            f"side by side: {landed.seconds:.1f} s, {OUTPUTS / landed.seconds:.0f} outputs/s",
            verdict(
                "none outside its own Volume",
                landed.files == OUTPUTS and not landed.in_another_groups_volume,
                f"{landed.files} files, {landed.in_another_groups_volume} of them another group's",
            ),
            verdict(
                "one client per group and version",
                landed.clients == GROUPS,
                f"{landed.clients} clients",
            ),
            verdict(
                f"our own time ≤ {GOAL_MS:g} ms an output",
                typical <= GOAL_MS,
                f"mean of the sizes {typical:.2f} ms, the largest {slowest:.2f} ms",
            ),
        ),
    )
