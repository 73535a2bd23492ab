"""`kmflow convert` beside the `pyforge convert` that users come from: speed, and what is lost."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import conversion_files
from benchmarks.command_start import BIN
from benchmarks.pyforge_probes import PROBES, Probe
from benchmarks.report import Section, verdict

PYFORGE = Path(__file__).parent.parent / ".venv-pyforge" / "bin"
_READER = Path(__file__).parent / "pyforge_reader.py"
_SIZES: Mapping[str, tuple[Callable[[Path, int], None], int]] = {
    "CSV": (conversion_files.csv, 1_000_000),
    "XML": (conversion_files.xml, 200_000),
    "DBF": (conversion_files.dbf, 200_000),
}
GOAL = 15.0


@dataclass(frozen=True)
class Tool:
    """A command that converts one file into a Parquet file or folder."""

    name: str
    command: Callable[[Path, Path], Sequence[str]]
    python: str


_OURS = Tool(
    "kmflow",
    lambda source, target: (str(BIN / "kmflow"), "convert", str(source), f"{target}/"),
    sys.executable,
)
# Its own option for exact text, so that values can be compared with those of a file as they stand.
_OURS_AS_TEXT = Tool(
    "kmflow", lambda *places: (*_OURS.command(*places), "--types", "string"), sys.executable
)
_PEER = Tool(
    "pyforge",
    lambda source, target: (
        *(str(PYFORGE / "pyforge"), "convert", str(source), str(target / "out.parquet")),
        *("--format", "parquet", "--force"),
    ),
    str(PYFORGE / "python"),
)


def run(_: argparse.Namespace) -> Section:
    if not (PYFORGE / "pyforge").exists():
        raise SystemExit("its peer is not installed: make bench does it")
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        speeds = {name: _speeds(name, place) for name in _SIZES}
        losses = [(probe, *_lost(probe, place)) for probe in PROBES]
    rows = [
        (f"{name}, {size:.0f} MB", f"{ours:.1f} s", f"{peer:.1f} s", f"{peer / ours:.1f} times")
        for name, (size, ours, peer) in speeds.items()
    ]
    rows += [(probe.what, ours, peer, probe.how) for probe, ours, peer in losses]
    slowest = min(peer / ours for _, ours, peer in speeds.values())
    wrong = sum(ours != _NOTHING for _, ours, _ in losses)
    return Section(
        title="Beside the command that users come from",
        about=(
            "pyforge-cli 1.0.9 with pandas 1.5.3 and pyarrow 12.0.1 (the pyarrow it pins does not "
            "install here). Whole commands, one run each; ours types and proves what it writes, "
            "the peer writes text. Below, small files of which every value is known: what of it is "
            "not in the result."
        ),
        command="make bench ARGS=conversion_pyforge",
        columns=("file", "kmflow", "pyforge", ""),
        rows=tuple(rows),
        verdicts=(
            verdict(f"≥ {GOAL:.0f} times faster", slowest >= GOAL, f"{slowest:.1f} at least"),
            verdict("nothing lost", not wrong, f"{wrong} of {len(losses)} files"),
        ),
    )


def _speeds(name: str, place: Path) -> tuple[float, float, float]:
    write, rows = _SIZES[name]
    source = place / f"speed.{name.lower()}"
    write(source, rows)
    found = []
    for tool in (_OURS, _PEER):
        with _converted(tool, source, place) as (seconds, code, _):
            if code:
                raise RuntimeError(f"{tool.name} did not convert {source.name}: exit {code}")
        found.append(seconds)
        print(f"    {name}, {tool.name}: {seconds:.1f} s", flush=True)
    size_mb = source.stat().st_size / 1e6
    source.unlink()
    return size_mb, found[0], found[1]


_NOTHING = "nothing"


def _lost(probe: Probe, place: Path) -> tuple[str, str]:
    source = place / probe.file_name
    source.write_bytes(probe.content)
    return _told(_OURS_AS_TEXT, probe, source, place), _told(_PEER, probe, source, place)


def _told(tool: Tool, probe: Probe, source: Path, place: Path) -> str:
    with _converted(tool, source, place) as (_, code, target):
        reader = [tool.python, str(_READER), str(target)]
        read = subprocess.run(reader, stdout=subprocess.PIPE, check=True)
    lost = Counter(probe.values) - Counter(json.loads(read.stdout))
    if not lost:
        return _NOTHING
    shown = ", ".join("NULL" if value is None else repr(value) for value in list(lost)[:4])
    return f"{lost.total()} of {len(probe.values)} values ({shown}), exit {code}"


@contextmanager
def _converted(tool: Tool, source: Path, place: Path) -> Iterator[tuple[float, int, Path]]:
    """Seconds, exit code and the folder of the result, which is gone after the block."""
    target = place / "made"
    target.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(place)}
    try:
        begun = time.perf_counter()
        done = subprocess.run(
            tool.command(source, target), env=environment, capture_output=True, check=False
        )
        yield time.perf_counter() - begun, done.returncode, target
    finally:
        shutil.rmtree(target)
