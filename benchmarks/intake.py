"""Intake of one partition's files: a real Dagster run against a loop over the SDK.

The embedded workspace runs in a process of its own, each case in a fresh one, all on the same
files. A delay on every upload stands for the distance of a real workspace.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.intake_case import Case, Measured, run_case
from benchmarks.report import Section, verdict
from benchmarks.workspace_server import WorkspaceServer

FILE_BYTES = 50 * 1024
# Content that may enter (row B12).
_BEGIN = b"%PDF-1.7\n"
SERIAL_FILES = 500
CONNECTIONS = 32
LATENCIES_S = (0.0, 0.05)
ENGAGEMENTS = 5
UPLOAD = "PUT /api/2.0/fs/files/…/evidence_store"
STATEMENT = "POST /api/2.0/sql/statements"
COLUMNS = (
    "delay of an upload",
    "case",
    "files",
    "seconds",
    "files/s",
    "ratio to serial",
    "share of 32 connections",
    "CPU ms/file",
    "peak MB",
)


@dataclass(frozen=True)
class Outcome:
    """All cases at one latency, and the requests of each by endpoint."""

    latency_s: float
    cases: dict[str, Measured]
    requests: dict[str, dict[str, int]]

    def ratio(self, way: str) -> float:
        """How many times the files per second of the serial loop."""
        return self.cases[way].files_per_s / self.cases["serial_sdk"].files_per_s

    def share(self, way: str) -> float | None:
        """Of what so many connections could do if only the latency took time."""
        if not self.latency_s:
            return None
        return self.cases[way].files_per_s / (CONNECTIONS / self.latency_s)

    @property
    def storing_share(self) -> float:
        """The same of the storing stage alone, without the tables that follow."""
        bare = self.cases["operations"]
        return bare.files / bare.stages["store"] / (CONNECTIONS / self.latency_s)

    @property
    def orchestration_ms(self) -> float:
        """What Dagster adds, per file."""
        run, bare = self.cases["dagster"], self.cases["operations"]
        return (run.seconds - bare.seconds) * 1000 / run.files


def run(options: argparse.Namespace) -> Section:
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        _write_files(place / "landing", options.files)
        with WorkspaceServer(place / "workspace") as server:
            outcomes = [
                _measured(server, place, files=options.files, latency_s=latency_s)
                for latency_s in LATENCIES_S
            ]
    return _section(outcomes, options.files)


def _write_files(landing: Path, count: int) -> None:
    print(f"    {count} files of {FILE_BYTES // 1024} KB", flush=True)
    for number in range(count):
        folder = landing / f"engagement-{number % ENGAGEMENTS}"
        folder.mkdir(parents=True, exist_ok=True)
        # Random content, so that no two files are duplicates of each other.
        (folder / f"evidence-{number:06}.pdf").write_bytes(_content())


def _content() -> bytes:
    return _BEGIN + os.urandom(FILE_BYTES - len(_BEGIN))


def _measured(server: WorkspaceServer, place: Path, *, files: int, latency_s: float) -> Outcome:
    cases: dict[str, Measured] = {}
    requests: dict[str, dict[str, int]] = {}
    for way in ("operations", "dagster", "serial_sdk"):
        name = f"{way}_{latency_s * 1000:.0f}ms"
        case = Case(
            way=way,
            group=name,
            url=server.url,
            token=server.add_group(name),
            warehouse_id=server.warehouse_id,
            home=str(place / name),
            landing=str(place / "landing"),
            files=min(files, SERIAL_FILES) if way == "serial_sdk" else files,
        )
        server.delay_uploads(latency_s)
        cases[way] = run_case(case, on_ready=lambda name=name: server.requests(name))
        requests[way] = server.requests(name)
        print(f"    {latency_s * 1000:.0f} ms, {way}: {_told(cases[way])}", flush=True)
    return Outcome(latency_s, cases, requests)


def _told(measured: Measured) -> str:
    stages = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in measured.stages.items())
    told = f"{measured.seconds:.2f} s, {measured.files_per_s:.0f} files/s"
    return f"{told} ({stages})" if stages else told


def _section(outcomes: list[Outcome], files: int) -> Section:
    return Section(
        title="Intake of one partition",
        about=_ABOUT.format(files=files, kb=FILE_BYTES // 1024, serial=SERIAL_FILES),
        command=f"make bench ARGS='intake --files {files}'",
        columns=COLUMNS,
        rows=tuple(row for outcome in outcomes for row in _rows(outcome)),
        verdicts=(*_verdicts(outcomes), *_requests(outcomes), _load()),
    )


_ABOUT = (
    "{files} files of {kb} KB of one group and day in five engagements, from the landing folder to "
    "a stored, confirmed and recorded state and the rows of `evidence_metadata` and "
    "`bronze_evidence_raw`: a Dagster run of `evidence_files` and `bronze_evidence` (in-process "
    "executor, instance in SQLite, 32 upload threads), the same operations called without Dagster, "
    "and a loop over the SDK's `files.upload` ({serial} files), which stores and does nothing "
    "else. The embedded workspace is a process of its own on the same machine and shares its "
    "cores; the delay is injected into every upload. Our seconds are those of the whole run. "
    "The share is of what 32 connections could do if only the delay took time."
)


def _rows(outcome: Outcome) -> list[tuple[str, ...]]:
    names = {
        "serial_sdk": "serial SDK loop",
        "operations": "operations called directly",
        "dagster": "Dagster run",
    }
    rows = []
    for way, name in names.items():
        found, share = outcome.cases[way], outcome.share(way)
        rows.append(
            (
                f"{outcome.latency_s * 1000:.0f} ms",
                name,
                f"{found.files}",
                f"{found.seconds:.2f}",
                f"{found.files_per_s:.0f}",
                f"{outcome.ratio(way):.2f}",
                "" if share is None else f"{share:.0%}",
                f"{found.cpu_s * 1000 / found.files:.2f}",
                f"{found.peak_mb:.0f}",
            )
        )
    return rows


def _verdicts(outcomes: list[Outcome]) -> list[str]:
    near, far = outcomes
    peak = max(outcome.cases["dagster"].peak_mb for outcome in outcomes)
    statements = max(outcome.requests["dagster"].get(STATEMENT, 0) for outcome in outcomes)
    share = far.share("dagster") or 0.0
    orchestration = [outcome.orchestration_ms for outcome in outcomes]
    return [
        verdict(
            "at 50 ms ≥ 40 times the serial loop",
            far.ratio("dagster") >= 40,
            f"{far.ratio('dagster'):.1f} times",
        ),
        verdict(
            "at 50 ms ≥ 90 % of 32 connections",
            share >= 0.9,
            f"{share:.0%} over the whole run; {far.storing_share:.0%} while storing, which is "
            "reading, hashing, uploading, confirming and recording",
        ),
        f"at 0 ms (reported, no goal): {near.ratio('dagster'):.2f} times the serial loop",
        verdict(
            "orchestration ≤ 1 ms a file",
            max(orchestration) <= 1,
            ", ".join(f"{ms:.3f} ms" for ms in orchestration),
        ),
        verdict("our process < 500 MB", peak < 500, f"{peak:.0f} MB"),
        verdict("≤ 10 statements in all", statements <= 10, f"{statements}"),
    ]


def _requests(outcomes: list[Outcome]) -> list[str]:
    return [
        f"requests of the Dagster run at {outcome.latency_s * 1000:.0f} ms: "
        + ", ".join(
            f"{count} `{name}`" for name, count in sorted(outcome.requests["dagster"].items())
        )
        for outcome in outcomes
    ]


def _load() -> str:
    # Our client and server alone keep about one and a half cores busy.
    return (
        f"load average of the last five minutes: {os.getloadavg()[1]:.1f}, {os.cpu_count()} cores "
        "(about 1.5 is the benchmark's own; more means that it shared the machine)"
    )
