"""A migration of many small files that is killed with SIGKILL again and again, and resumed.

`kmflow migrate to-databricks` runs as a process of its own against a workspace that is another.
Each time a quarter of what is left has arrived it is killed. What counts is how many uploads were
begun beyond one for each file, and how often rows were written.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Section, verdict
from benchmarks.workspace_server import WorkspaceServer

GROUP = "acme"
WORKERS = 8
KILLS = 4
SIZE = 2_000
PER_ENGAGEMENT = 1_000
_UPLOADS = "PUT /api/2.0/fs/files/…/evidence_store"
_STATEMENTS = "POST /api/2.0/sql/statements"
_MAIN = "from kmflow_orchestration.cli.main import run; run()"
_LONGEST_S = 1800


@dataclass(frozen=True)
class Found:
    """What one migration cost, with its kills, and a second run of it."""

    files: int
    seconds: float
    uploads: int
    statements: int
    again_s: float
    sent_again: int
    is_equal: bool


def run(options: argparse.Namespace) -> Section:
    files = 2 * int(options.files)
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        with WorkspaceServer(place / "workspace") as server:
            found = _measured(place, server, files)
    print(f"    {found}", flush=True)
    return _section(found)


def _measured(place: Path, server: WorkspaceServer, files: int) -> Found:
    kmflow = _Kmflow(place / "home", server)
    kmflow.set_up()
    source = _tree(place / "tree", files)
    words = ("migrate", "to-databricks", "--group", GROUP, "--source-dir", str(source))
    words = (*words, "--workers", str(WORKERS), "--resume", "--json")
    counts = Counter[str]()
    server.requests(GROUP)
    begun = time.perf_counter()
    for _ in range(KILLS):
        there = _stored(server)
        _killed_at(kmflow, words, server, there + (files - there) // 4)
        counts.update(server.requests(GROUP))
    kmflow.run(*words)
    seconds = time.perf_counter() - begun
    counts.update(server.requests(GROUP))
    begun = time.perf_counter()
    again = kmflow.run(*words)
    again_s = time.perf_counter() - begun
    verifying = ("verify", "migration", "--group", GROUP, "--source-dir", str(source), "--json")
    equal = bool(kmflow.run(*verifying)["equal"])
    return Found(
        files,
        seconds,
        counts[_UPLOADS],
        counts[_STATEMENTS],
        again_s,
        int(again["sent"]["files"]),
        equal,
    )


class _Kmflow:
    """The command in processes of its own, with a home of its own."""

    def __init__(self, home: Path, server: WorkspaceServer) -> None:
        self._server = server
        token = server.add_group(GROUP)
        self._environment = {**os.environ, "KMFLOW_HOME": str(home), "ACME_TOKEN": token}

    def set_up(self) -> None:
        settings = {
            "catalog": GROUP,
            "schema": "evidence",
            "workspace_url": self._server.url,
            "warehouse_id": self._server.warehouse_id,
            "token": "env:ACME_TOKEN",
            "allow_insecure_loopback": "true",
        }
        words = [f"{name}={value}" for name, value in settings.items()]
        self.run("group", "create", GROUP, *words, "--json")
        self._environment["STORAGE_BACKEND"] = "databricks"
        self.run("provision", "--group", GROUP, "--json")

    def run(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", _MAIN, *words],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=_LONGEST_S,
        )
        return dict(json.loads(done.stdout))

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _MAIN, *words],
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )


def _tree(root: Path, files: int) -> Path:
    for number in range(files):
        folder = root / f"e{number // PER_ENGAGEMENT:03}"
        if number % PER_ENGAGEMENT == 0:
            folder.mkdir(parents=True)
        text = f"{number},".ljust(SIZE, "x")
        (folder / f"{number:08x}_{number}.csv").write_text(text, encoding="ascii")
    return root


def _killed_at(
    kmflow: _Kmflow, words: tuple[str, ...], server: WorkspaceServer, wanted: int
) -> None:
    """Run a migration until so many files are stored, and kill it there."""
    child = kmflow.start(*words)
    give_up = time.monotonic() + _LONGEST_S
    while _stored(server) < wanted and child.poll() is None and time.monotonic() < give_up:
        time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    if child.wait(60) != -signal.SIGKILL:
        raise RuntimeError("the migration ended before it could be killed")


def _stored(server: WorkspaceServer) -> int:
    return sum(
        1
        for path in (server.volumes / GROUP).rglob("evidence_store/*/*/*")
        if not path.name.startswith(".")
    )


def _section(found: Found) -> Section:
    over = found.uploads - found.files
    in_flight = KILLS * WORKERS
    per_10_000 = found.statements * 10_000 / found.files
    return Section(
        title="Migration, killed and resumed",
        about=(
            f"{found.files} files of {SIZE} bytes into a Volume, {WORKERS} at once, killed with "
            f"SIGKILL {KILLS} times and resumed; then the same once more, and compared by content."
        ),
        command=f"make bench ARGS='migration --files {found.files // 2}'",
        columns=("files", "seconds", "uploads begun", "statements", "second run, s", "sent again"),
        rows=(
            (
                str(found.files),
                f"{found.seconds:.1f}",
                str(found.uploads),
                str(found.statements),
                f"{found.again_s:.1f}",
                str(found.sent_again),
            ),
        ),
        verdicts=(
            verdict(
                f"only the files in flight are sent again, at most {in_flight}",
                0 <= over <= in_flight,
                f"{over}",
            ),
            verdict(
                "at most 10 statements for 10 000 files, resumptions included",
                per_10_000 <= 10,
                f"{per_10_000:.1f}",
            ),
            verdict("a second run sends nothing", found.sent_again == 0, str(found.sent_again)),
            verdict("equal by content", found.is_equal, str(found.is_equal).lower()),
        ),
    )
