"""A folder's files shared out among the tasks of a Spark engine: the way beyond one machine.

The very function that converts a folder on one machine runs in each task over its share, so that
what comes out is the same (row H12). Every worker must have this package, and see source and
output under the same paths, as a cluster sees a Volume.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.operations.convert.convert_folder import convert_folder
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, FolderOutcome, Status
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan, PlannedFile
from kmflow_orchestration.operations.convert.one_process import Limits
from kmflow_orchestration.operations.convert.options import ConversionOptions

# Enough that one long file does not keep the others waiting, and few enough to begin quickly.
FILES_PER_TASK = 16
_ASKED = "at long, path string, source string, folder string, stem string, problem string"
_ANSWERED = "at long, outcome string"


def convert_on_spark(
    plan: FolderPlan,
    spark: Any,
    options: ConversionOptions | None = None,
    *,
    files_per_task: int = FILES_PER_TASK,
    resume: bool = True,
    limits: Limits | None = None,
) -> FolderOutcome:
    """`convert_folder` on a session's workers, each file in a process that may die for it alone.

    Raises:
        InvalidOptions: all files were to keep to one schema lock.
        Exception: what the session raises when the engine itself fails. What was converted until
            then stays, and with `resume` the next call goes on.
    """
    if options is not None and options.schema_lock:
        raise InvalidOptions(
            "workers that convert at the same time cannot share one schema lock",
            hint="leave out schema_lock: on_drift alone gives each result its own",
        )
    if not plan.files:
        return FolderOutcome.of(plan, ())
    rows = [
        (at, one.path, str(one.source), str(one.folder), one.stem, one.problem)
        for at, one in enumerate(plan.files)
    ]
    tasks = -(-len(rows) // files_per_task)
    share = _converting(replace(plan, files=()), options, resume=resume, limits=limits)
    frame = spark.createDataFrame(rows, _ASKED).repartition(tasks)
    answers = frame.mapInArrow(share, _ANSWERED).collect()
    told = {int(row["at"]): _outcome(row["outcome"]) for row in answers}
    return FolderOutcome.of(plan, (told[at] for at in range(len(plan.files))))


_Batches = Iterator[pa.RecordBatch]


def _converting(
    plan: FolderPlan, options: ConversionOptions | None, *, resume: bool, limits: Limits | None
) -> Callable[[_Batches], _Batches]:
    """What a task does with the files it is given."""

    def convert(batches: _Batches) -> _Batches:
        for batch in batches:
            rows = batch.to_pylist()
            share = replace(plan, files=tuple(map(_planned, rows)))
            done = convert_folder(share, options, parallel=1, resume=resume, limits=limits)
            answers = [
                {"at": row["at"], "outcome": json.dumps(asdict(one))}
                for row, one in zip(rows, done.files, strict=True)
            ]
            yield pa.RecordBatch.from_pylist(answers)

    return convert


def _planned(row: dict[str, Any]) -> PlannedFile:
    source, folder = Path(row["source"]), Path(row["folder"])
    return PlannedFile(row["path"], source, folder, row["stem"], row["problem"])


def _outcome(text: str) -> FileOutcome:
    told = json.loads(text)
    names = ("outputs", "warnings", "missed", "drift", "tables")
    lists = {name: tuple(told[name]) for name in names}
    return FileOutcome(**{**told, **lists, "status": Status(told["status"])})
