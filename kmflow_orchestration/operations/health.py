"""Whether storage and control database answer: a word for everybody, more for callers (B27)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kmflow_orchestration import __version__
from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.connections import PROBE_LIMIT_S
from kmflow_orchestration.errors import BackendUnreachable, ConfigurationError
from kmflow_orchestration.intake.evidence_register import BackendUse, EvidenceRegister
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.probes import Probe, probe_all
from kmflow_orchestration.storage.evidence_stores import EvidenceStores

BACKENDS = ("local", "delta", "databricks")
_DATABASE, _STORAGE, _SETTINGS = "control_database", "storage", "settings"
_KEPT_S = 10.0


class HealthStatus(StrEnum):
    """All services are up, some, or none."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class OpenHealth:
    """What anybody may know: the process is there, and the kind of storage it works on."""

    storage: str
    timestamp: datetime
    status: str = "ok"


@dataclass(frozen=True, slots=True)
class StorageHealth:
    """A group's storage.

    `configured_for` are the backends that the group's settings open, whatever STORAGE_BACKEND
    says. `latency_ms` is None where no answer came in time; `metadata_pending` (stored items
    without rows yet) and `last_write_at` are None where the control database is down, the latter
    also before the first write. `mirror_owed` are copies that mirrors wait for.
    """

    backend: str
    configured_for: tuple[str, ...]
    reachable: bool
    latency_ms: int | None
    metadata_pending: int | None
    last_write_at: datetime | None
    mirror_owed: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """One look at everything. `services` says of each whether it is up."""

    status: HealthStatus
    services: Mapping[str, bool]
    storage: StorageHealth
    timestamp: datetime
    version: str = __version__


@dataclass(slots=True)
class KeptHealth:
    """A group's last look, for ten seconds; mutable for that. Who comes meanwhile waits for it."""

    clock: Clock
    _health: Health | None = None
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, look: Callable[[], Health]) -> Health:
        """The last look, or another when that is too old."""
        with self._lock:
            if self._health is None or self.clock.monotonic() >= self._until:
                self._health = look()
                self._until = self.clock.monotonic() + _KEPT_S
            return self._health


def open_health(backend: str, clock: Clock) -> OpenHealth:
    """What is told without asking who calls; asks nobody."""
    return OpenHealth(backend, clock.now())


def health_detail(
    group: str,
    *,
    caller: Caller,
    register: EvidenceRegister,
    stores: EvidenceStores,
    clock: Clock,
    kept: KeptHealth,
    limit_s: float = PROBE_LIMIT_S,
) -> Health:
    """How a group's services are, side by side, each within `limit_s` seconds; kept for ten.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    own = caller.require(Role.VIEWER, group)

    def look() -> Health:
        told = _Told()
        probes = probe_all(
            {
                _DATABASE: lambda: told.ask(register, own),
                _STORAGE: lambda: stores.active.probe(has_files=False),
                _SETTINGS: lambda: told.find_opened(stores),
            },
            clock=clock,
            limit_s=limit_s,
        )
        return _health(stores.active_name, probes, told, clock.now())

    return kept.get(look)


@dataclass(slots=True)
class _Told:
    """What the looks found besides that somebody answers; each writes its own."""

    uses: tuple[BackendUse, ...] = ()
    pending: int | None = None
    owed: int | None = None
    opened: tuple[str, ...] = ()

    def ask(self, register: EvidenceRegister, group: GroupId) -> None:
        self.uses, self.pending = (
            tuple(register.backends(group)),
            register.without_metadata(group),
        )
        self.owed = sum(use.owed for use in register.mirrors.uses(group))

    def find_opened(self, stores: EvidenceStores) -> None:
        for backend in BACKENDS:
            try:
                stores.of(backend)
            except (BackendUnreachable, ConfigurationError):
                continue
            self.opened += (backend,)


def _health(backend: str, probes: Mapping[str, Probe], told: _Told, now: datetime) -> Health:
    services = {name: probes[name].is_up for name in (_DATABASE, _STORAGE)}
    storage = StorageHealth(
        backend=backend,
        configured_for=told.opened,
        reachable=services[_STORAGE],
        latency_ms=probes[_STORAGE].latency_ms,
        metadata_pending=told.pending,
        mirror_owed=told.owed,
        last_write_at=next((u.last_stored_at for u in told.uses if u.backend == backend), None),
    )
    return Health(_status(services), services, storage, now)


def _status(services: Mapping[str, bool]) -> HealthStatus:
    if all(services.values()):
        return HealthStatus.HEALTHY
    return HealthStatus.DEGRADED if any(services.values()) else HealthStatus.UNHEALTHY
