"""Files of a batch, each into tables of a group that are named by it (rows D12, D13)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from kmflow_orchestration.errors import DataLossError
from kmflow_orchestration.file_hash import sha256_of
from kmflow_orchestration.names import TableName, VolumePath, is_elsewhere, is_volume_text
from kmflow_orchestration.operations.convert.convert_folder import FileTask, Run
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, Status
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan, PlannedFile, plan_folder
from kmflow_orchestration.operations.convert.manifest import Manifest, find_manifest
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.table_conversion.group_tables import GroupTables
from kmflow_orchestration.operations.table_conversion.loading import Loading, loads_of
from kmflow_orchestration.operations.table_conversion.targets import (
    file_tables,
    folder_of,
    parquet_options,
)
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import (
    OUT,
    copied,
    recorded,
    source_size,
)
from kmflow_orchestration.operations.volume_conversion.remote_carrier import RemoteCarrier
from kmflow_orchestration.operations.volume_conversion.volume_folder_plan import plan_volume_folder


def plan_tables(
    source: str,
    options: ConversionOptions,
    *,
    tables: GroupTables,
    max_files: int | None = None,
    **looking: Any,
) -> tuple[FolderPlan, ConversionOptions, TableCarrier]:
    """A plan for the files of a folder, the options for each, and who makes their tables.

    `looking` is what `plan_folder` takes besides.

    Raises:
        InvalidOptions, GroupMismatch, PlaceNotAllowed: as `parquet_options` and `folder_of`.
        KmflowError: one of its kinds, as `plan_volume_folder`.
    """
    named, chosen = parquet_options(options)
    schema = folder_of(named, tables.places)
    if is_elsewhere(source):
        # Nothing lies there, ever: the results are no files.
        nowhere = str(Path(tempfile.gettempdir(), f"kmflow-{uuid4().hex}"))
        plan = plan_volume_folder(source, nowhere, volumes=tables.volumes, **looking)
    else:
        plan = plan_folder(Path(source), None, **looking)
    # Of all that match, so that a name does not hang on a limit.
    names = file_tables(schema, plan.files)
    plan = replace(plan, output=Path(".".join(schema)), files=plan.files[:max_files], clashes=())
    return plan, chosen, TableCarrier(tables, names)


@dataclass(frozen=True)
class TableCarrier(RemoteCarrier):
    """Makes the tables of each file."""

    tables: GroupTables
    names: Mapping[str, TableName]

    def _carried(self, task: FileTask, run: Run) -> FileOutcome:
        planned, volumes = task.planned, self.tables.volumes
        text = str(planned.source)
        origin = VolumePath.parse(text) if is_volume_text(text) else planned.source
        size = source_size(volumes, origin)
        with volumes.work(size) as work:
            copy = copied(volumes, origin, size, work / "in", Progress())
            here = replace(planned, source=copy, folder=work / OUT, recorded=recorded(origin))
            outcome = run(replace(task, planned=here, resume=False))
            if outcome.status not in {Status.CONVERTED, Status.PLANNED}:
                return outcome
            files = [Path(one) for one in outcome.outputs]
            manifest = _planned(here, outcome) if task.dry_run else _made(files[0])
            loads = loads_of(manifest, files, self.names[planned.path])
            loading = Loading(
                self.tables,
                loads,
                force=task.options.force,
                by_place=task.resume,
                rewrites=not task.resume,
            )
            status: Status = outcome.status
            if task.dry_run:
                loading.check()
            elif not loading.carry_out(Progress()):
                status = Status.UNCHANGED
            made = tuple(one.table.text for one in loads)
            return replace(outcome, status=status, outputs=made)


def _made(file: Path) -> dict[str, Any]:
    """The manifest of a result. Raises DataLossError without one."""
    found = find_manifest(file)
    if found is None:
        raise DataLossError(f"{file.name} was converted, and nothing tells how")
    return asdict(Manifest.read(found))


def _planned(planned: PlannedFile, outcome: FileOutcome) -> dict[str, Any]:
    """As much of the manifest of a dry run as says of which source its tables would be."""
    told: dict[str, Any] = {"columns": (), "receipt": {}}
    return {
        "source_name": planned.source.name,
        "source_path": planned.recorded,
        "source_sha256": sha256_of(planned.source),
        **dict.fromkeys(("options", "converter", "converter_version"), ""),
        "outputs": [
            {"part": one["part"], "rows": one["rows_out"], **told} for one in outcome.tables
        ],
    }
