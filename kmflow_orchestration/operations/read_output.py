"""A task's stored output as the value it was."""

from __future__ import annotations

import hashlib
from typing import Any

from kmflow_orchestration.errors import OutputChanged, UnknownOutput
from kmflow_orchestration.metadata.output_files import OutputFile
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.outbox import Outbox
from kmflow_orchestration.outputs.encoding import decode
from kmflow_orchestration.outputs.shapes import Shape


def read_output(
    outbox: Outbox, task_key: str, *, partition_key: str = "", dagster_run_id: str = ""
) -> Any:
    """The newest output of a task and partition, of one run when asked so.

    One that could not be uploaded yet is read from where it is kept on this machine: an older one
    is never taken for it.

    Raises:
        UnknownOutput: none was written.
        OutputChanged: the file holds other bytes than were written.
        RemoteNotFound: the file was removed.
        AccessRefused, RemoteFault: it cannot be read.
    """
    which = {"partition_key": partition_key, "dagster_run_id": dagster_run_id}
    file = outbox.files.latest(outbox.group, task_key, **which)
    waiting = outbox.failures.open_of(outbox.group, task_key, **which)
    if waiting and (file is None or file.written_at <= waiting[-1].file.written_at):
        failure = waiting[-1]
        return _decoded(failure.file, outbox.spool.read(failure.failure_id))
    if file is None:
        of_partition = f" of partition {partition_key}" if partition_key else ""
        raise UnknownOutput(
            f"group {outbox.group} has no stored output of {task_key}{of_partition}",
            hint="run it first; what is not uploaded, or could not be, cannot be read",
        )
    return _decoded(file, outbox.store.read(VolumePath.parse(file.path)))


def _decoded(file: OutputFile, content: bytes) -> Any:
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise OutputChanged(
            f"{file.path} holds other bytes than {file.task_key} wrote", hint="run the task again"
        )
    return decode(content, file.file_format, Shape.from_json(file.shape))
