"""Files of a batch that lie in a Volume, brought here one by one, and their results sent (D13)."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import RemoteNotFound
from kmflow_orchestration.names import VolumePath, is_volume_text
from kmflow_orchestration.operations.convert.convert_folder import FileTask, Run
from kmflow_orchestration.operations.convert.earlier_results import (
    EarlierResult,
    earlier_manifests,
)
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, Status
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan, PlannedFile
from kmflow_orchestration.operations.convert.layout import FOLDER_MANIFEST
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.volume_conversion.access_checks import check_access
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import (
    OUT,
    copied,
    recorded,
    refuse_extraction,
    refuse_lock,
)
from kmflow_orchestration.operations.volume_conversion.delivery import (
    Delivery,
    delivery_of,
)
from kmflow_orchestration.operations.volume_conversion.fetching import size_of
from kmflow_orchestration.operations.volume_conversion.remote_carrier import RemoteCarrier
from kmflow_orchestration.operations.volume_conversion.volume_folder_plan import (
    plan_volume_folder,
    read_manifest,
)
from kmflow_orchestration.operations.volume_conversion.volumes import (
    WRITE,
    Place,
    Volumes,
    naming_grants,
)


def plan_carried(
    source: str,
    output: str | None,
    *,
    volumes: Volumes,
    options: ConversionOptions | None = None,
    check: bool = False,
    **looking: Any,
) -> tuple[FolderPlan, VolumeCarrier]:
    """A plan, and who carries its files; `looking` is what `plan_volume_folder` takes besides.

    With `check` it is tried whether the results may be written.

    Raises:
        InvalidOptions: what is attached should be taken out, and the results go to a Volume; or
            a schema lock is asked for.
        KmflowError: one of its kinds, as `plan_volume_folder` and `check_access`.
    """
    refuse_lock(options or ConversionOptions())
    plan = plan_volume_folder(source, output, volumes=volumes, **looking)
    target = str(plan.output)
    if is_volume_text(target):
        refuse_extraction(options or ConversionOptions())
        if check and plan.files:
            check_access(volumes, VolumePath.parse(target))
    return plan, VolumeCarrier(volumes, plan)


@dataclass(frozen=True)
class VolumeCarrier(RemoteCarrier):
    """Of a plan whose folder, results or both lie in a Volume."""

    volumes: Volumes
    plan: FolderPlan
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listed: dict[VolumePath, frozenset[str]] = field(default_factory=dict)

    def _carried(self, task: FileTask, run: Run) -> FileOutcome:
        planned = task.planned
        origin, size = self._origin(planned)
        with self.volumes.work(size) as work:
            copy = copied(self.volumes, origin, size, work / "in", Progress())
            here = replace(planned, source=copy, recorded=recorded(origin))
            if not is_volume_text(str(self.plan.output)):
                return run(replace(task, planned=here))
            return self._sent(replace(task, planned=here), run, work, origin)

    def _origin(self, planned: PlannedFile) -> tuple[Place, int]:
        text = str(planned.source)
        if is_volume_text(text):
            path = VolumePath.parse(text)
            return path, size_of(self.volumes, path)
        size = planned.source.stat().st_size
        self.volumes.check_size(planned.path, size)
        return planned.source, size

    def _sent(self, task: FileTask, run: Run, work: Path, origin: Place) -> FileOutcome:
        planned, options = task.planned, task.options
        refuse_extraction(options)
        earlier = self._earlier(planned, options) if task.resume else None
        if earlier is not None and earlier.is_current(
            planned.source, options, size_of=self._size_there
        ):
            return FileOutcome.of_result(
                planned.path,
                Status.UNCHANGED,
                asdict(earlier.manifest),
                outputs=earlier.outputs,
                rows=earlier.rows,
                missed=earlier.manifest.missed,
            )
        made = work / OUT
        outcome = run(replace(task, planned=replace(planned, folder=made), resume=False))
        if outcome.status not in {Status.CONVERTED, Status.PLANNED}:
            return outcome
        force = options.force or earlier is not None
        folder = VolumePath.parse(str(planned.folder))
        delivery = delivery_of(
            self.volumes,
            [Path(one) for one in outcome.outputs],
            made,
            folder,
            source=origin if isinstance(origin, VolumePath) else None,
            force=force,
            keep_equal=task.resume and not force,
        )
        if task.dry_run:
            delivery.check()
        else:
            delivery.carry_out(work, Progress())
            if earlier is not None:
                self._remove_unless(earlier, delivery)
        return replace(outcome, outputs=delivery.outputs)

    def _earlier(self, planned: PlannedFile, options: ConversionOptions) -> EarlierResult | None:
        """As `find_earlier`, of a result in the Volume."""
        folder = VolumePath.parse(str(planned.folder))
        there = self._names(folder)
        for path in earlier_manifests(planned, options.format_type):
            # The manifest's own name, or that of the folder it lies in.
            if path.relative_to(planned.folder).parts[0] not in there:
                continue
            with naming_grants(folder, WRITE):
                try:
                    manifest = read_manifest(self.volumes, VolumePath.parse(str(path)))
                except RemoteNotFound:
                    continue
            if manifest is None:
                continue
            if not manifest.is_of(planned.source, path.parent, planned.recorded):
                continue
            if manifest.options.get("format_type") == options.format_type:
                return EarlierResult(path, manifest)
        return None

    def _names(self, folder: VolumePath) -> frozenset[str]:
        """What the folder held when this batch first looked; none of its files changes another."""
        with self._lock:
            if folder not in self._listed:
                with naming_grants(folder, WRITE):
                    names = {one.name for one in self.volumes.access.list_names(folder)}
                self._listed[folder] = frozenset(names)
            return self._listed[folder]

    def _size_there(self, path: Path) -> int | None:
        return self.volumes.access.size(VolumePath.parse(str(path)))

    def _remove_unless(self, earlier: EarlierResult, delivery: Delivery) -> None:
        """Take an earlier result away if the new one lies elsewhere."""
        old = VolumePath.parse(str(earlier.path))
        if old == delivery.manifest.place:
            return
        access, kept = self.volumes.access, {one.place for one in delivery.files}
        with naming_grants(old, WRITE):
            access.delete(old)
            for text in (*earlier.outputs, *earlier.rejects):
                place = VolumePath.parse(text)
                if place not in kept:
                    access.delete(place)
            if old.name == FOLDER_MANIFEST:
                access.remove_directory(old.parent)
