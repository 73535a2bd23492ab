"""Looks whether something answers, side by side and each within a limit (row B27)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.connections import PROBE_LIMIT_S
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.storage.evidence_stores import EvidenceStores


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of one look; `latency_ms` is None where no answer came in time."""

    is_up: bool
    latency_ms: int | None
    problem: str = ""
    hint: str = ""


def probe_backends(
    stores: EvidenceStores,
    backends: Mapping[str, bool],
    *,
    clock: Clock,
    limit_s: float = PROBE_LIMIT_S,
) -> dict[str, Probe]:
    """Look at some of a group's stores; `backends` says of each whether files are known to be
    there.
    """

    def look_at(backend: str) -> Callable[[], None]:
        return lambda: stores.of(backend).probe(has_files=backends[backend])

    looks = {backend: look_at(backend) for backend in backends}
    return probe_all(looks, clock=clock, limit_s=limit_s)


def probe_all(
    looks: Mapping[str, Callable[[], object]], *, clock: Clock, limit_s: float = PROBE_LIMIT_S
) -> dict[str, Probe]:
    """Do every look at the same time; one that takes longer than `limit_s` seconds counts as down.

    It is not waited for any longer: its thread ends by itself.
    """
    probes: dict[str, Probe] = {}
    lock, done = threading.Lock(), threading.Event()

    def look(name: str) -> None:
        found = _probed(looks[name], clock)
        with lock:
            probes[name] = found
            if len(probes) == len(looks):
                done.set()

    for name in looks:
        threading.Thread(target=look, args=(name,), name=f"probe-{name}", daemon=True).start()
    if looks:
        done.wait(limit_s)
    late = Probe(is_up=False, latency_ms=None, problem=f"no answer within {limit_s:g} s")
    with lock:
        return {name: probes.get(name, late) for name in looks}


def _probed(look: Callable[[], object], clock: Clock) -> Probe:
    begun = clock.monotonic()
    problem = hint = ""
    try:
        look()
    except KmflowError as error:
        problem, hint = error.message, error.hint
    except OSError as error:
        problem = error.strerror or type(error).__name__
    return Probe(not problem, int((clock.monotonic() - begun) * 1000), problem, hint)
