"""Conversion of large files to typed Parquet, beside the fastest reader of each format.

Ours proves each type on every row and hashes the file; the peers do neither. Ours and each peer run
alternately, each time in a new process, the peers from an environment of their own; the fastest of
the runs counts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import conversion_files
from benchmarks.report import Section, verdict

RUNS = 3
_HERE = Path(__file__).parent
PEERS = _HERE.parent / ".venv-peers" / "bin" / "python"


@dataclass(frozen=True)
class Format:
    """A file to make, who else reads it, and the most we may take of the peer's time and memory."""

    name: str
    file_name: str
    write: Callable[[Path, int], None]
    rows: int
    peer: str
    peer_is: str
    times: float
    most_mb: float | None = None


FORMATS = (
    Format(
        *("CSV, 10 mixed columns", "mix.csv", conversion_files.csv, 3_300_000, "duckdb_csv"),
        *("DuckDB COPY", 1.1, 700),
    ),
    Format(
        *("dirty CSV", "dirty.csv", conversion_files.dirty_csv, 2_000_000, "duckdb_csv_kind"),
        *("DuckDB COPY, told how to read it", 3.0),
    ),
    Format(
        *("XLSX, 10 columns", "book.xlsx", conversion_files.workbook, 200_000, "polars_xlsx"),
        *("polars with calamine", 1.15, 350),
    ),
    Format(
        *("XML, flat records", "flat.xml", conversion_files.xml, 770_000, "xml2arrow_xml"),
        *("xml2arrow, given the schema", 4.0),
    ),
    Format(
        *("XML, nested records", "nested.xml", conversion_files.nested_xml, 250_000),
        *("xml2arrow_nested_xml", "xml2arrow, given the schema", 8.0),
    ),
    Format(
        *("JSON lines", "lines.jsonl", conversion_files.json_lines, 1_200_000, "duckdb_json"),
        *("DuckDB COPY", 1.15),
    ),
    Format(
        *("DBF, 10 columns", "table.dbf", conversion_files.dbf, 200_000, "gdal_dbf"),
        *("GDAL", 2.5),
    ),
)


@dataclass(frozen=True)
class Measured:
    """Of one run: rows, wall and CPU seconds, peak of the process's memory."""

    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True)
class Pair:
    format: Format
    size_mb: float
    ours: Measured
    peer: Measured

    @property
    def ratio(self) -> float:
        return self.ours.seconds / self.peer.seconds


def run(_: argparse.Namespace) -> Section:
    if not PEERS.exists():
        raise SystemExit("the peers are not installed: make bench does it")
    pairs = []
    for kind in FORMATS:
        with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
            pairs.append(_pair(kind, Path(folder)))
        print(f"    {pairs[-1]}", flush=True)
    return _section(pairs)


def _pair(kind: Format, place: Path) -> Pair:
    source = place / kind.file_name
    kind.write(source, kind.rows)
    ours, peers = list[Measured](), list[Measured]()
    for _ in range(RUNS):
        ours.append(_ours(source, place / "ours"))
        peers.append(_peer(kind.peer, source, place / "peer.parquet"))
    fastest = [min(runs, key=lambda found: found.seconds) for runs in (ours, peers)]
    return Pair(kind, source.stat().st_size / 1e6, *fastest)


def _ours(source: Path, target: Path) -> Measured:
    found = _child([sys.executable, "-m", "benchmarks.conversion_case", str(source), str(target)])
    shutil.rmtree(target)
    return found


def _peer(name: str, source: Path, target: Path) -> Measured:
    return _child([str(PEERS), str(_HERE / "conversion_peers.py"), name, str(source), str(target)])


def _child(command: list[str]) -> Measured:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _section(pairs: list[Pair]) -> Section:
    rows, verdicts = [], []
    for pair in pairs:
        kind, ours = pair.format, pair.ours
        for who, found in (("ours", ours), (kind.peer_is, pair.peer)):
            rows.append(
                (
                    f"{kind.name}, {pair.size_mb:.0f} MB",
                    who,
                    str(found.rows),
                    f"{found.seconds:.2f}",
                    f"{found.seconds / pair.peer.seconds:.2f}",
                    f"{found.cpu_s:.1f}",
                    f"{found.peak_mb:.0f}",
                )
            )
        goal = f"{kind.name} ≤ {kind.times} times {kind.peer_is}"
        verdicts.append(verdict(goal, pair.ratio <= kind.times, f"{pair.ratio:.2f} times"))
        if kind.most_mb is not None:
            goal = f"{kind.name} < {kind.most_mb:.0f} MB"
            verdicts.append(verdict(goal, ours.peak_mb < kind.most_mb, f"{ours.peak_mb:.0f} MB"))
    return Section(
        title="Conversion to typed Parquet",
        about=(
            "One file each, to Parquet with zstd at level 1. Ours is what a step does with a file: "
            "find out what it is and how it is written, hash it, prove the type of each column on "
            f"every row, write. The fastest of {RUNS} runs, each in a new process; peers come from "
            "an environment of their own (benchmarks/peers.lock)."
        ),
        command="make bench ARGS='conversion'",
        columns=("file", "reader", "rows", "seconds", "ratio", "CPU s", "peak MB"),
        rows=tuple(rows),
        verdicts=tuple(verdicts),
    )
