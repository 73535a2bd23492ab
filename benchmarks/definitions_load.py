"""How long the code location takes to load, in a fresh process with an empty environment."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.report import Section, verdict

LOAD = "from kmflow_orchestration.definitions import defs; defs().get_repository_def()"
PEER = "import dagster"
RUNS = 5


def _seconds(code: str) -> float:
    with tempfile.TemporaryDirectory() as empty:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code], env={"PATH": os.environ["PATH"]}, cwd=empty, check=True
        )
        return time.perf_counter() - started


def run(_options: argparse.Namespace) -> Section:
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(RUNS):
        bare.append(_seconds(PEER))
        ours.append(_seconds(LOAD))
    load, peer = statistics.median(ours), statistics.median(bare)
    return Section(
        title="Definitions load",
        about=f"Median of {RUNS} fresh processes, interpreter start included, nothing set.",
        command="make bench ARGS=definitions",
        columns=("case", "seconds", "ratio"),
        rows=(
            ("`import dagster` alone", f"{peer:.2f}", "1.00"),
            ("our definitions", f"{load:.2f}", f"{load / peer:.2f}"),
        ),
        verdicts=(verdict("< 3 s", load < 3, f"{load:.2f} s"),),
    )
