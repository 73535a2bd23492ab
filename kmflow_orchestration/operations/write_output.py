"""A task's value goes to the group's Volume, by the group's rule (rows A13 to A17)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from kmflow_orchestration.errors import (
    AccessRefused,
    KmflowError,
    OutputTooLarge,
    RemoteFault,
    StorageUnavailable,
)
from kmflow_orchestration.metadata.output_files import OutputFile
from kmflow_orchestration.metadata.upload_failures import UploadFailure
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.outbox import Outbox, UploadedOutput
from kmflow_orchestration.outputs.encoding import EncodedOutput, encode
from kmflow_orchestration.outputs.layout import Execution, output_path
from kmflow_orchestration.outputs.places import refuse_neighbours
from kmflow_orchestration.outputs.resolve import ResolvedUpload, resolve_upload
from kmflow_orchestration.storage.output_store import Tell

logger = logging.getLogger(__name__)
UPLOAD_FAULTS = (AccessRefused, RemoteFault)
"""What ends an upload that may be tried again alone; anything else is wrong before it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutput:
    """A value that a task returned, and which run of which task returned it."""

    value: Any
    task_key: str
    execution: Execution
    override: Mapping[str, Any] | None = None
    """The task's own settings, by the names of `outputs.resolve`."""
    partition_key: str = ""


@dataclass(frozen=True, slots=True)
class OutputOutcome:
    """What became of an output: uploaded, failed and kept, or neither because nobody wants it."""

    resolved: ResolvedUpload
    uploaded: UploadedOutput | None = None
    failure: UploadFailure | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def write_output(
    outbox: Outbox, output: TaskOutput, *, tell: Tell = logger.warning
) -> OutputOutcome:
    """Upload a task's value, unless group or task say no.

    An upload that fails in the end is kept, so that it can be tried again alone; then it fails the
    call, or is part of the outcome where `on_upload_error` is `warn`. The same value from the same
    run writes the same bytes to the same path.

    Raises:
        ConfigurationError, PlaceNotAllowed, UnsafePath: as `resolve_upload` and `output_path`.
        GroupMismatch: the task's own path is another group's.
        OutputNotWritable: the format does not hold the value.
        OutputTooLarge: more bytes than the limit; nothing was sent.
        AccessRefused, RemoteFault: the upload failed.
    """
    resolved = resolve_upload(outbox.config, output.override)
    if not resolved.enabled:
        return OutputOutcome(resolved)
    if resolved.origins["volume_path"] == "task":
        refuse_neighbours(resolved.checked_place, outbox.config, outbox.neighbours())
    encoded = encode(
        output.value,
        resolved.file_format,
        task_key=output.task_key,
        moment=output.execution.moment,
    )
    _refuse_large(encoded, resolved)
    file = _described(outbox, output, encoded, resolved)
    try:
        uploaded = outbox.send(file, encoded.content, resolved.verify, tell=tell)
    except UPLOAD_FAULTS as error:
        failure = _kept(outbox, file, encoded.content, resolved, error)
        if resolved.on_upload_error == "fail":
            raise
        tell(f"[{error.code}] {error}; kept as failed upload {failure.failure_id}")
        return OutputOutcome(resolved, failure=failure, counts=encoded.counts)
    return OutputOutcome(resolved, uploaded, counts=encoded.counts)


def _refuse_large(encoded: EncodedOutput, resolved: ResolvedUpload) -> None:
    actual, limit = len(encoded.content), resolved.max_bytes
    if actual > limit:
        raise OutputTooLarge(
            f"the output has {actual} bytes, the limit is {limit}",
            actual_bytes=actual,
            limit_bytes=limit,
            hint="raise max_file_size_mb for the task or the group",
        )


def _described(
    outbox: Outbox, output: TaskOutput, encoded: EncodedOutput, resolved: ResolvedUpload
) -> OutputFile:
    now = outbox.clock.now()
    path: VolumePath = output_path(resolved, output.execution, output.task_key, written_at=now)
    return OutputFile(
        group_id=outbox.group,
        path=path.text,
        place=resolved.checked_place.text,
        task_key=output.task_key,
        partition_key=output.partition_key,
        file_format=resolved.file_format,
        shape=encoded.shape.to_json(),
        sha256=hashlib.sha256(encoded.content).hexdigest(),
        size_bytes=len(encoded.content),
        dagster_run_id=output.execution.run_id,
        written_at=now,
    )


def _kept(
    outbox: Outbox, file: OutputFile, content: bytes, resolved: ResolvedUpload, error: KmflowError
) -> UploadFailure:
    """Keep bytes and failure for another try.

    Raises:
        StorageUnavailable: they cannot be kept; it also names the upload's own error.
    """
    failure = UploadFailure(
        failure_id=str(uuid4()),
        file=file,
        verify=resolved.verify,
        tries=1,
        last_tried_at=outbox.clock.now(),
        error_code=error.code,
        error_message=str(error),
    )
    try:
        outbox.spool.keep(failure.failure_id, content)
        outbox.failures.add(outbox.group, failure)
    except KmflowError as other:
        outbox.spool.drop(failure.failure_id)
        raise StorageUnavailable(
            f"{error.message}; nor could the output be kept for another try: {other.message}",
            hint=error.hint,
        ) from error
    return failure
