"""What going back from Databricks would leave behind, and how to bring it along (row B34)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import Clock, iso
from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.intake.evidence_register import BackendUse, EvidenceRegister, StoredPlace
from kmflow_orchestration.intake.ledger import Item
from kmflow_orchestration.metadata.mirror_files import MirrorUse
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.probes import Probe, probe_backends
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.interfaces import StorageBackend

DATABRICKS = "databricks"
# engagement store, engagement, day, file: the same below the root of every backend.
_PARTS = 4


@dataclass(frozen=True, slots=True)
class BackendState:
    """A backend that holds evidence of the group, and whether it can be read from here."""

    use: BackendUse
    probe: Probe


@dataclass(slots=True)
class Files:
    """Files of a kind: the first of them, and how many there are. Mutable while it is counted."""

    count: int = 0
    size_bytes: int = 0
    first_stored_at: datetime | None = None
    shown: list[StoredPlace] = field(default_factory=list)

    @classmethod
    def of(cls, places: Iterable[StoredPlace], limit: int) -> Files:
        """Count places, and keep the first `limit`."""
        found = cls()
        for place in places:
            found.count += 1
            found.size_bytes += place.size_bytes
            found.first_stored_at = min(found.first_stored_at or place.stored_at, place.stored_at)
            if len(found.shown) < limit:
                found.shown.append(place)
        return found


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What an operator must know before, or after, STORAGE_BACKEND leaves Databricks.

    `unreadable` are files that cannot be read from here; `since_switch` those that were stored on
    Databricks and lie nowhere on this machine. `command` brings these, '' when there are none.
    `mirrors` are backends with copies; what the active one has a copy of can be read.
    """

    group: GroupId
    active: str
    backends: tuple[BackendState, ...]
    unreadable: Files
    since_switch: Files
    command: str
    mirrors: tuple[MirrorUse, ...] = ()

    @property
    def is_readable(self) -> bool:
        return self.unreadable.count == 0


def plan_rollback(
    group: str,
    *,
    caller: Caller,
    register: EvidenceRegister,
    stores: EvidenceStores,
    config: GroupConfig,
    target_dir: Path,
    clock: Clock,
    limit: int = 100,
) -> RollbackPlan:
    """Look where a group's evidence lies and what of it is out of reach; nothing is changed.

    `target_dir` is the group's evidence folder on this machine; of each list the first `limit`
    files are named.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    own = caller.require(Role.VIEWER, group)
    uses = register.backends(own)
    probes = probe_backends(stores, {use.backend: True for use in uses}, clock=clock)
    away = [name for name, probe in probes.items() if not probe.is_up]
    unreadable = (
        place
        for place in chain.from_iterable(register.stored_in(own, name) for name in away)
        if stores.copy_here(place.backend, place.stored_path) is None
    )
    here = stores.active_name if stores.active_name != DATABRICKS else "local"
    since = Files.of(_only_there(register.stored_in(own, DATABRICKS), stores.of(here)), limit)
    return RollbackPlan(
        group=own,
        active=stores.active_name,
        backends=tuple(BackendState(use, probes[use.backend]) for use in uses),
        unreadable=Files.of(unreadable, limit),
        since_switch=since,
        command=_command(config, target_dir, since.first_stored_at),
        mirrors=tuple(register.mirrors.uses(own)),
    )


def unreachable_backends(
    group: str,
    items: Iterable[Item],
    *,
    caller: Caller,
    stores: EvidenceStores,
    clock: Clock,
) -> Mapping[str, Probe]:
    """Of the backends of some items, but the active one, those that cannot be read from.

    Raises:
        CallerRefused: the group is none of the caller's.
    """
    caller.require(Role.VIEWER, group)
    names = {item.backend for item in items if not item.is_gone} - {stores.active_name}
    probes = probe_backends(stores, dict.fromkeys(sorted(names), True), clock=clock)
    return {name: probe for name, probe in probes.items() if not probe.is_up}


def _only_there(places: Iterable[StoredPlace], here: StorageBackend) -> Iterator[StoredPlace]:
    """Files that are not on this machine as well, from before they were moved."""
    for place in places:
        if not here.exists("/".join(place.stored_path.split("/")[-_PARTS:])):
            yield place


def _command(config: GroupConfig, target_dir: Path, since: datetime | None) -> str:
    if since is None:
        return ""
    volume = config.volume
    words = {
        "--group": config.group_id,
        "--catalog": volume.catalog,
        "--schema": volume.schema,
        "--volume": volume.volume,
        "--target-dir": str(target_dir),
        "--since": iso(since),
    }
    told = " ".join(f"{name} {shlex.quote(value)}" for name, value in words.items())
    return f"kmflow migrate from-databricks {told}"
