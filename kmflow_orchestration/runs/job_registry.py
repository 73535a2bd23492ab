"""Exactly one Databricks job per table group, always with the settings we want (rows E6 to E9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kmflow_orchestration import __version__
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.jobs import JobsClient
from kmflow_orchestration.metadata.profile_records import TableGroup
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import VolumePath, short_hash
from kmflow_orchestration.runs.job_runner import EnsuredJob
from kmflow_orchestration.runs.job_settings import (
    JobOptions,
    job_name,
    job_settings,
    job_tags,
    settings_hash,
)
from kmflow_orchestration.runs.wheel import build_wheel, wheel_hash

# A creator that died is taken for dead after this; creating takes a second or two.
_CREATION_LEASE = timedelta(minutes=2)
_CREATION_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class WheelUpload:
    """Puts this package's wheel into a group's Volume, once per content."""

    files: VolumeFiles
    volume: VolumePath
    build: Callable[[Path], Path] = build_wheel

    def ensure(self) -> VolumePath:
        """Where the wheel lies: `.kmflow/wheels/<version>-<8 hex>/` below the Volume.

        A wheel of the right size under its own content's hash is complete, for a PUT is whole or
        absent.
        """
        with TemporaryDirectory(prefix="kmflow-wheel-") as folder:
            wheel = self.build(Path(folder))
            version = f"{__version__}-{wheel_hash(wheel)}"
            target = self.volume.joined(".kmflow", "wheels", version, wheel.name)
            if self.files.size(target) != wheel.stat().st_size:
                self.files.upload(target, lambda: wheel.open("rb"), overwrite=True)
        return target


@dataclass(frozen=True, slots=True)
class JobRegistry:
    """Registered jobs of one group's workspace."""

    jobs: JobsClient
    wheel: WheelUpload
    table_groups: TableGroups
    clock: Clock
    options: JobOptions

    def ensure(self, table_group: TableGroup) -> EnsuredJob:
        """The table group's job with the settings of today; writes nothing when all is well.

        Raises:
            RemoteNotFound: the job vanished while it was being changed.
            RemoteFault: the workspace refused; no run may be started with stale settings.
        """
        known = self.table_groups.get(table_group.group_id, table_group.table_group_id)
        name, wheel = job_name(known, self.options), self.wheel.ensure()
        settings = job_settings(known, self.options, name=name, wheel=wheel)
        if known.profiling_job_id is None:
            return self._first(known, settings)
        job = self.jobs.get(int(known.profiling_job_id))
        if job is None:
            return self._recreated(known, settings)
        if known.profiling_job_settings_hash != settings_hash(settings):
            own_name = _suffixed(known, name)
            kept = own_name if (job.get("settings") or {}).get("name") == own_name else name
            self.jobs.reset(int(known.profiling_job_id), {**settings, "name": kept})
            self._record(known, known.profiling_job_id, settings)
        return EnsuredJob(known.profiling_job_id)

    def _recreated(self, known: TableGroup, settings: dict[str, Any]) -> EnsuredJob:
        self._forget(known)
        made = self._first(known, settings)
        gone = f"job_recreated: job {known.profiling_job_id} is gone"
        return EnsuredJob(made.job_id, (*made.warnings, gone))

    def _first(self, known: TableGroup, settings: dict[str, Any]) -> EnsuredJob:
        """Create or adopt, as the only one who does; losers wait for the winner's id."""
        while not self._claim(known):
            self.clock.sleep(_CREATION_POLL_S)
            now = self.table_groups.get(known.group_id, known.table_group_id)
            if now.profiling_job_id is not None:
                return EnsuredJob(now.profiling_job_id)
        with ExitStack() as undo:
            # After a fault the next caller need not wait for our lease to run out.
            undo.callback(self._forget, known)
            ensured = self._adopted_or_created(known, settings)
            undo.pop_all()
        return ensured

    def _adopted_or_created(self, known: TableGroup, settings: dict[str, Any]) -> EnsuredJob:
        mine, others = self._named(known, settings["name"])
        if others:
            settings = {**settings, "name": _suffixed(known, settings["name"])}
            mine, _ = self._named(known, settings["name"])
        if not mine:
            job_id = str(self.jobs.create(settings))
            self._record(known, job_id, settings)
            return EnsuredJob(job_id)
        self.jobs.reset(mine[0], settings)
        self._record(known, str(mine[0]), settings)
        extra = f"orphan_jobs: {', '.join(map(str, mine[1:]))} have the same name and tags"
        return EnsuredJob(str(mine[0]), ("job_adopted", *((extra,) if mine[1:] else ())))

    def _named(self, known: TableGroup, name: str) -> tuple[list[int], list[int]]:
        """Jobs of this name that carry our tags, lowest id first, and those that do not."""
        mine: list[int] = []
        others: list[int] = []
        wanted = job_tags(known)
        for job_id in self.jobs.find_by_name(name):
            job = self.jobs.get(job_id)
            if job is None:
                continue
            tags = (job.get("settings") or {}).get("tags") or {}
            fits = all(tags.get(key) == value for key, value in wanted.items())
            (mine if fits else others).append(job_id)
        return mine, others

    def _claim(self, known: TableGroup) -> bool:
        return self.table_groups.claim_job_creation(
            known.group_id, known.table_group_id, now=self.clock.now(), lease=_CREATION_LEASE
        )

    def _record(self, known: TableGroup, job_id: str, settings: Mapping[str, Any]) -> None:
        self.table_groups.record_job(
            known.group_id,
            known.table_group_id,
            job_id=job_id,
            settings_hash=settings_hash(settings),
            now=self.clock.now(),
        )

    def _forget(self, known: TableGroup) -> None:
        self.table_groups.record_job(
            known.group_id, known.table_group_id, job_id=None, settings_hash=None, now=None
        )


def _suffixed(known: TableGroup, name: str) -> str:
    """A name of our own where somebody else's job has ours (row E8)."""
    return f"{name}-{short_hash(f'{known.group_id}/{known.table_group_id}', 8)}"
