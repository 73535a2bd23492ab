"""Large files into a Volume: ours beside the SDK's own parallel upload, each in its own process.

Run as a module with a way and a place in JSON it is one of those processes.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from benchmarks.report import Section, verdict
from benchmarks.workspace_server import WorkspaceServer

FILES = 4
FILE_MB = 256
LATENCY_S = 0.05
RUNS = 3
PEER = "newest SDK, `upload_from`, in parallel"
PINNED = "SDK in our lock, `upload`"
OURS = "ours"
UNHASHED = "ours, not hashed"
ONCE = "ours, hashed and not looked at again"
GOAL_RATIO, GOAL_MB, GOAL_HASHING = 0.9, 400, 0.05
NEWEST = Path(".venv-newest-sdk/bin/python")
_PIECE = b"".join(bytes([n, 255 - n]) * 2048 for n in range(256))


@dataclass(frozen=True)
class Case:
    """What one process does, and where."""

    way: str
    url: str
    token: str
    sources: tuple[str, ...]
    folder: str


def run(_: argparse.Namespace) -> Section:
    if not NEWEST.exists():
        raise SystemExit("the peer is the newest SDK: make test-newest-sdk installs it")
    with tempfile.TemporaryDirectory(prefix="kmflow-bench-") as folder:
        place = Path(folder)
        sources = tuple(_source(place / f"{number}.bin") for number in range(FILES))
        found: dict[str, list[dict[str, float]]] = {
            way: [] for way in (PEER, PINNED, OURS, ONCE, UNHASHED)
        }
        with WorkspaceServer(place / "workspace") as server:
            token = server.add_group("acme")
            server.delay_everything(LATENCY_S)
            # In turns, so that a slow moment of the machine is everybody's.
            for turn in range(RUNS):
                for way, runs in found.items():
                    target = f"turn{turn}-{len(way)}"
                    runs.append(_measured(Case(way, server.url, token, sources, target)))
                    server.remove("acme", target)
    return _section({way: _medians(runs) for way, runs in found.items()})


def _section(found: dict[str, tuple[float, float]]) -> Section:
    peer_s, _ = found[PEER]
    seconds, peak_mb = found[OURS]
    ratio, hashing = peer_s / seconds, seconds / found[UNHASHED][0] - 1
    looking = seconds / found[ONCE][0] - 1
    return Section(
        title="Large files into a Volume",
        about=(
            f"{FILES} files of {FILE_MB} MB, all at once, every request {LATENCY_S * 1000:.0f} ms "
            f"away; median of {RUNS} processes each, in turns."
        ),
        command="make bench ARGS=large_files",
        columns=("way", "seconds", "MB/s", "speed, peer = 1", "peak memory"),
        rows=tuple(
            (
                way,
                f"{took:.1f}",
                f"{FILES * FILE_MB / took:.0f}",
                f"{peer_s / took:.2f}",
                f"{peak:.0f} MB",
            )
            for way, (took, peak) in found.items()
        ),
        verdicts=(
            verdict(f"≥ {GOAL_RATIO} of the SDK's speed", ratio >= GOAL_RATIO, f"{ratio:.2f}"),
            verdict(f"< {GOAL_MB} MB", peak_mb < GOAL_MB, f"{peak_mb:.0f} MB"),
            verdict(f"hashing < {GOAL_HASHING:.0%}", hashing < GOAL_HASHING, f"{hashing:.1%}"),
            verdict(
                f"of that, making sure that what is sent is what was hashed < {GOAL_HASHING:.0%}",
                looking < GOAL_HASHING,
                f"{looking:.1%}",
            ),
        ),
    )


def _source(path: Path) -> str:
    with path.open("wb") as file:
        for number in range(FILE_MB):
            file.write(number.to_bytes(8, "big") + _PIECE[8:])
    return str(path)


def _medians(runs: list[dict[str, float]]) -> tuple[float, float]:
    return (
        statistics.median(run["seconds"] for run in runs),
        statistics.median(run["peak_mb"] for run in runs),
    )


def _measured(case: Case) -> dict[str, float]:
    python = str(NEWEST) if case.way == PEER else sys.executable
    command = [python, "-m", "benchmarks.large_files", json.dumps(asdict(case))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(f"    {case.way}: {done.stdout.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    case = Case(**json.loads(sys.argv[1]))
    send = _by_the_sdk(case) if case.way in {PEER, PINNED} else _by_ours(case)
    began = time.perf_counter()
    with ThreadPoolExecutor(FILES) as pool:
        for sent in [pool.submit(send, Path(source)) for source in case.sources]:
            sent.result()
    seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb}))


def _by_the_sdk(case: Case) -> Callable[[Path], None]:
    from databricks.sdk import WorkspaceClient

    files = WorkspaceClient(host=case.url, token=case.token).files
    folder = f"/Volumes/acme/evidence/raw_evidence/{case.folder}"

    def send_in_parts(source: Path) -> None:
        files.upload_from(f"{folder}/{source.name}", str(source), overwrite=False)

    def send_at_once(source: Path) -> None:
        with source.open("rb") as stream:
            files.upload(f"{folder}/{source.name}", stream, overwrite=False)

    return send_in_parts if case.way == PEER else send_at_once


def _by_ours(case: Case) -> Callable[[Path], None]:
    from kmflow_orchestration.clock import SystemClock
    from kmflow_orchestration.config.group_config import GroupConfig
    from kmflow_orchestration.config.secret_refs import SecretRef
    from kmflow_orchestration.databricks_client.connect import ClientCache
    from kmflow_orchestration.databricks_client.files import VolumeFiles
    from kmflow_orchestration.storage.interfaces import EvidenceFile
    from kmflow_orchestration.storage.unchanged_files import settled_state
    from kmflow_orchestration.storage.verified_reading import VerifiedFile, hash_of

    config = GroupConfig(
        group_id="acme",
        version=1,
        catalog="acme",
        schema="evidence",
        workspace_url=case.url,
        token=SecretRef("env", "TOKEN"),
        allow_insecure_loopback=True,
    )
    files = VolumeFiles(ClientCache(SystemClock(), environment={"TOKEN": case.token}).get(config))

    def send(source: Path) -> None:
        target = config.volume.joined(case.folder, source.name)
        size = source.stat().st_size
        if case.way == UNHASHED:
            files.upload(target, lambda: source.open("rb"), size_bytes=size)
            return
        # As intake does: hashed once, and hashed again only where a change could go unseen.
        with source.open("rb") as stream:
            state = settled_state(stream.fileno(), datetime.now(UTC))
            digest = hash_of(stream)
        if case.way == ONCE:
            files.upload(target, lambda: source.open("rb"), size_bytes=size)
            return
        file = EvidenceFile(
            source, "e1", date(2026, 11, 20), "id", source.name, digest, size, state=state
        )
        files.upload(target, lambda: VerifiedFile(file), size_bytes=size)  # type: ignore[arg-type, return-value]

    return send


if __name__ == "__main__":
    main()
