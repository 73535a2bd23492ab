"""How long a command takes from the shell, beside what people start in the same place."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.report import Section, verdict

GROUPS = 50
RUNS = 9
GOAL_S = 0.5
BIN = Path(sys.executable).parent


def run(_: argparse.Namespace) -> Section:
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        environment = {"PATH": os.environ["PATH"], "KMFLOW_HOME": str(place / "home")}
        _import_groups(place, environment)
        commands = {
            "`kmflow group list`": [str(BIN / "kmflow"), "group", "list"],
            "`dagster --version`": [str(BIN / "dagster"), "--version"],
            "`import sqlalchemy.orm` alone": [sys.executable, "-c", "import sqlalchemy.orm"],
            "`python -c pass`": [sys.executable, "-c", "pass"],
        }
        # In turns, so that a slow moment of the machine is everybody's.
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _turn in range(RUNS):
            for name, command in commands.items():
                seconds[name].append(_seconds(command, place, environment))
    found = {name: statistics.median(some) for name, some in seconds.items()}
    ours = next(iter(found.values()))
    return Section(
        title="From the shell",
        about=f"Median of {RUNS} processes each, in turns; {GROUPS} groups in SQLite.",
        command="make bench ARGS=commands",
        columns=("command", "seconds", "ratio"),
        rows=tuple((name, f"{s:.2f}", f"{s / ours:.2f}") for name, s in found.items()),
        verdicts=(verdict(f"< {GOAL_S} s", ours < GOAL_S, f"{ours:.2f} s"),),
    )


def _import_groups(place: Path, environment: Mapping[str, str]) -> None:
    groups = "".join(
        f"  client-{number}:\n    catalog: kmflow\n    schema: client_{number}\n"
        for number in range(GROUPS)
    )
    file = place / "groups.yaml"
    file.write_text(f"groups:\n{groups}", encoding="utf-8")
    _seconds([str(BIN / "kmflow"), "group", "import", str(file)], place, environment)


def _seconds(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - started
