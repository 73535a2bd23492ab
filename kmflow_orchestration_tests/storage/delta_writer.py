"""What a process does that stores evidence beside others; imports no more than it needs."""

from __future__ import annotations

from pathlib import Path

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.interfaces import EvidenceFile


def write_all(bronze: Path, files: list[EvidenceFile]) -> None:
    store = DeltaStore("acme", bronze, clock=SystemClock())
    store.confirm([store.write_from(file) for file in files])
