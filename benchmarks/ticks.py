"""A sensor's tick over very many known files, and a whole sweep beside `scandir` and `stat`.

The files are really there, empty, and known to the ledger as stored. Each case runs in a process
of its own, which does what a tick does for one group: the look, then what is due and what is late.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.intake_case import peak_mb
from benchmarks.report import Section, verdict

GROUP = "acme"
PER_FOLDER = 1_000
NEW_FILES = 10
# The ledger knows a hundred times what one partition of the intake benchmark has.
FACTOR = 100


@dataclass(frozen=True)
class Found:
    """Wall seconds of a case, the longest of its ticks, and the peak of its process's memory."""

    case: str
    files: int
    ticks: int
    seconds: float
    longest_s: float
    peak_mb: float


def run(options: argparse.Namespace) -> Section:
    files = FACTOR * int(options.files)
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        _write_tree(_landing(place), files)
        bare = _child("walk", place)
        first = _child("sweep", place)
        _mark_stored(place)
        cases = [bare, first, *(_child(case, place) for case in ("sweep", "sweep", "quick"))]
        _drop(_landing(place))
        cases += [_child(case, place) for case in ("quick", "why")]
    for found in cases:
        print(f"    {found}", flush=True)
    return _section(cases)


def _write_tree(root: Path, files: int) -> None:
    for number in range(files):
        folder = root / f"e{number // PER_FOLDER % 5}" / f"{number // PER_FOLDER:05}"
        if number % PER_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"evidence_{number:07}.pdf").touch()


def _landing(place: Path) -> Path:
    """Where the group's files are dropped, in the home of the process."""
    return place / "home" / "landing" / GROUP


def _drop(root: Path) -> None:
    """New files in one of the folders, as somebody drops them between two ticks."""
    folder = next(path for path in sorted((root / "e0").iterdir()) if path.is_dir())
    for number in range(NEW_FILES):
        (folder / f"new_{number}.pdf").write_bytes(b"%PDF-1.7\n")


def _child(case: str, place: Path) -> Found:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ticks", case, str(place)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Found(**json.loads(done.stdout.splitlines()[-1]))


def _context(place: Path) -> Any:
    from kmflow_orchestration.config.settings import load_settings
    from kmflow_orchestration.context import Context

    return Context(load_settings(home=str(place / "home"), quiet_period_s="0"))


def _mark_stored(place: Path) -> None:
    """What a run of each day leaves in the ledger about a landing file."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(place / "home" / "control.db")) as database, database:
        database.execute("UPDATE landing_files SET state = 'stored'")


def _walk(place: Path) -> tuple[int, list[float]]:
    """Every entry once by `os.scandir` and `stat`: what no sweep can do without."""
    begun = time.perf_counter()
    files = 0
    pending = [str(_landing(place))]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    entry.stat()
                    files += 1
    return files, [time.perf_counter() - begun]


def _sweep(place: Path) -> tuple[int, list[float]]:
    """A whole sweep, slice after slice, as ticks take it."""
    return _ticks(place, cursor=None)


def _quick(place: Path) -> tuple[int, list[float]]:
    """One tick between two sweeps."""
    from kmflow_orchestration.intake.arrivals import SweepCursor

    return _ticks(place, cursor=SweepCursor(due_at=time.time() + 300).text)


def _ticks(place: Path, cursor: str | None) -> tuple[int, list[float]]:
    from kmflow_orchestration.intake.arrivals import SweepCursor, look
    from kmflow_orchestration.names import GroupId

    group, seconds, files = GroupId(GROUP), list[float](), 0
    with _context(place) as context:
        context.migrate()
        while True:
            begun = time.perf_counter()
            seen = look(group, _landing(place), cursor, ledger=context.ledger, clock=context.clock)
            context.ledger.due_days(group)
            context.ledger.late_days(group, context.clock.now())
            seconds.append(time.perf_counter() - begun)
            files += seen.observation.seen
            cursor = seen.cursor
            if SweepCursor.parse(cursor).after is None:
                return files, seconds


def _why(place: Path) -> tuple[int, list[float]]:
    """What became of a stored file, of one that was just dropped, and of one that never was."""
    from kmflow_orchestration.access.caller import caller_of
    from kmflow_orchestration.access.roles import Role
    from kmflow_orchestration.config.group_input import parse_group
    from kmflow_orchestration.names import group_id
    from kmflow_orchestration.operations.explain_file import explain_file

    group = group_id(GROUP)
    caller = caller_of("benchmark", (group,), Role.VIEWER)
    asked = ("e3/00003/evidence_0003500.pdf", "e0/00000/new_0.pdf", "e4/never/was.pdf")
    seconds = []
    with _context(place) as context:
        context.group_configs.save(group, parse_group(group, {}), "benchmark")
        arguments = context.group(group).explaining()
        for path in asked:
            begun = time.perf_counter()
            explain_file(GROUP, path, caller=caller, **arguments)
            seconds.append(time.perf_counter() - begun)
    return len(asked), seconds


_CASES: dict[str, Callable[[Path], tuple[int, list[float]]]] = {
    "walk": _walk,
    "sweep": _sweep,
    "quick": _quick,
    "why": _why,
}


def _main(case: str, place: Path) -> None:
    files, seconds = _CASES[case](place)
    found = Found(case, files, len(seconds), sum(seconds), max(seconds), peak_mb())
    print(json.dumps(asdict(found)))


def _section(cases: list[Found]) -> Section:
    bare, first, _, again, quiet, dropped, why = cases
    names = (
        "`scandir` and `stat` alone",
        "first sweep (all files new)",
        "first sweep after all were stored",
        "every other sweep",
        "quick tick, nothing new",
        f"quick tick, {NEW_FILES} files dropped",
        "why this file? (a stored one, a new one, one never seen)",
    )
    rows = tuple(
        (
            name,
            str(found.files),
            str(found.ticks),
            f"{found.seconds:.2f}",
            f"{found.longest_s:.2f}",
            f"{found.peak_mb:.0f}",
        )
        for name, found in zip(names, cases, strict=True)
    )
    ratio = again.seconds / bare.seconds
    slowest = max(quiet.seconds, dropped.seconds)
    memory = max(quiet.peak_mb, dropped.peak_mb)
    return Section(
        title="A tick over very many known files",
        about=(
            f"{bare.files} empty files of one group in folders of {PER_FOLDER}, known to the "
            "ledger (SQLite) as stored. A tick here is the look at the landing place and asking "
            "what is due and what is late; Dagster's own part of a tick comes on top. A sweep goes "
            "in slices of two seconds. The last row asks what `kmflow files why` asks, in a "
            "process that runs already."
        ),
        command="make bench ARGS='ticks'",
        columns=("case", "files looked at", "calls", "seconds", "longest call s", "peak MB"),
        rows=rows,
        verdicts=(
            verdict("quick tick < 2 s", slowest < 2, f"{slowest:.2f} s"),
            verdict("quick tick < 200 MB", memory < 200, f"{memory:.0f} MB"),
            verdict("sweep ≤ 2 times scandir and stat", ratio <= 2, f"{ratio:.1f} times"),
            verdict("why this file? < 1 s", why.longest_s < 1, f"{why.longest_s:.2f} s"),
            f"the first sweep, which records every file, took {first.seconds:.0f} s",
        ),
    )


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
