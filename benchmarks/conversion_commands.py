"""Conversion from the shell: a small file, a thousand of them, and a large one through a Volume."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import conversion_files
from benchmarks.command_start import BIN
from benchmarks.report import Section, verdict
from benchmarks.workspace_server import WorkspaceServer

GROUP = "acme"
RUNS = 9
LARGE_RUNS = 3
FILES = 1_000
LARGE_ROWS = 870_000
_WRITERS = {
    "csv": conversion_files.csv,
    "jsonl": conversion_files.json_lines,
    "xml": conversion_files.xml,
    "dbf": conversion_files.dbf,
    "xlsx": conversion_files.workbook,
}
_SMALL_ROWS = 20


def run(_: argparse.Namespace) -> Section:
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        environment = {"PATH": os.environ["PATH"], "KMFLOW_HOME": str(place / "home")}
        small = _small_file(place, environment)
        alone, together = _batches(place, environment)
        with WorkspaceServer(place / "workspace") as server:
            here, there, size_mb = _large_file(place, environment, server)
    cores = os.cpu_count() or 1
    own_ms = alone["own_s"] / FILES * 1000
    speed_up = alone["seconds"] / together["seconds"]
    rows = (
        ("a file of 20 rows", f"{small:.2f}", "", ""),
        (
            f"{FILES} small mixed files, one at a time",
            *(f"{alone['seconds']:.1f}", "1.00", f"{own_ms:.1f}"),
        ),
        (
            f"the same, {cores} at a time",
            *(f"{together['seconds']:.1f}", f"{speed_up:.2f}", ""),
        ),
        (f"CSV of {size_mb:.0f} MB on this machine", f"{here:.2f}", "1.00", ""),
        ("the same, from a Volume into a Volume", f"{there:.2f}", f"{there / here:.2f}", ""),
    )
    return Section(
        title="Conversion from the shell",
        about=(
            f"Whole commands: the median of {RUNS} runs for the small file, of {LARGE_RUNS} in "
            "turns for the large one. The mixed files are CSV, JSON lines, XML, DBF and XLSX; our "
            "own milliseconds are what the batch takes beyond its files. The embedded workspace is "
            "a process of its own on the same machine and shares its cores."
        ),
        command="make bench ARGS=conversion_commands",
        columns=("what", "seconds", "ratio", "own ms a file"),
        rows=rows,
        verdicts=(
            verdict("small file < 0.7 s", small < 0.7, f"{small:.2f} s"),
            verdict(
                f"speed-up ≥ 0.85 times {cores} cores",
                speed_up >= 0.85 * cores,
                f"{speed_up:.2f}",
            ),
            verdict("our own overhead < 3 ms a file", own_ms < 3, f"{own_ms:.1f} ms"),
            verdict(
                "through a Volume ≤ 1.5 times local", there <= 1.5 * here, f"{there / here:.2f}"
            ),
        ),
    )


def _kmflow(environment: Mapping[str, str], *arguments: str) -> tuple[float, dict[str, Any]]:
    """Seconds of a command, and the object it prints."""
    begun = time.perf_counter()
    done = subprocess.run(
        [str(BIN / "kmflow"), *arguments], env=environment, check=True, stdout=subprocess.PIPE
    )
    seconds = time.perf_counter() - begun
    return seconds, json.loads(done.stdout) if "--json" in arguments else {}


def _small_file(place: Path, environment: Mapping[str, str]) -> float:
    source = place / "small.csv"
    conversion_files.csv(source, _SMALL_ROWS)
    command = ("convert", str(source), str(place / "small.parquet"), "--force", "--json")
    return statistics.median(_kmflow(environment, *command)[0] for _ in range(RUNS))


def _batches(
    place: Path, environment: Mapping[str, str]
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    inbox = place / "inbox"
    inbox.mkdir()
    for number in range(FILES):
        suffix = list(_WRITERS)[number % len(_WRITERS)]
        _WRITERS[suffix](inbox / f"file_{number:04}.{suffix}", _SMALL_ROWS)
    found = []
    for parallel in (1, os.cpu_count() or 1):
        target = place / f"converted_{parallel}"
        seconds, told = _kmflow(
            environment,
            *("batch-convert", str(inbox), str(target), "--parallel", str(parallel), "--json"),
        )
        if len(told["files"]) != FILES or any(one["code"] for one in told["files"]):
            raise RuntimeError("not every file was converted")
        own_s = seconds - sum(one["seconds"] for one in told["files"])
        print(f"    {parallel} at a time: {seconds:.1f} s", flush=True)
        found.append({"seconds": seconds, "own_s": own_s})
    return found[0], found[-1]


def _large_file(
    place: Path, environment: Mapping[str, str], server: WorkspaceServer
) -> tuple[float, float, float]:
    """Median seconds here and through a Volume, and the size in MB."""
    source = place / "large.csv"
    conversion_files.csv(source, LARGE_ROWS)
    _add_group(place, environment, server)
    volume = f"/Volumes/{GROUP}/evidence"
    inside = server.volumes / GROUP / "evidence" / "raw_evidence" / "large.csv"
    inside.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, inside)
    ways = {
        "here": (str(source), str(place / "large.parquet")),
        "there": (
            f"{volume}/raw_evidence/large.csv",
            f"{volume}/outputs/large.parquet",
            "--group",
            GROUP,
        ),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(LARGE_RUNS):
        for way, arguments in ways.items():
            seconds[way].append(_kmflow(environment, "convert", *arguments, "--force", "--json")[0])
    print(f"    {seconds}", flush=True)
    here, there = (statistics.median(found) for found in seconds.values())
    return here, there, source.stat().st_size / 1e6


def _add_group(place: Path, environment: Mapping[str, str], server: WorkspaceServer) -> None:
    token = place / "token"
    token.touch(mode=0o600)
    token.write_text(server.add_group(GROUP), encoding="ascii")
    file = place / "groups.yaml"
    file.write_text(
        f"groups:\n  {GROUP}:\n    catalog: {GROUP}\n    schema: evidence\n"
        f"    evidence_volume: raw_evidence\n    workspace_url: {server.url}\n"
        f"    warehouse_id: {server.warehouse_id}\n    token: file:{token}\n"
        "    allow_insecure_loopback: true\n",
        encoding="utf-8",
    )
    _kmflow(environment, "group", "import", str(file))
