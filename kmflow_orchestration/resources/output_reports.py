"""What a materialization says about the upload of its output."""

from typing import Any

import dagster as dg

from kmflow_orchestration.clock import iso
from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.metadata.upload_failures import UploadFailure
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.outbox import UploadedOutput
from kmflow_orchestration.operations.write_output import OutputOutcome

Metadata = dict[str, dg.MetadataValue | str | int | float | bool]


def reported(outcome: OutputOutcome, group: GroupContext) -> Metadata:
    """Where the output went, in what form, and where each setting of its upload comes from."""
    shown: Metadata = {
        "kmflow/group": group.id,
        "kmflow/resolved": dg.MetadataValue.json(outcome.resolved.shown()),
        **{f"kmflow/{name}": count for name, count in outcome.counts.items()},
    }
    if outcome.uploaded is not None:
        return {**shown, "kmflow/upload": "done", **_uploaded(outcome.uploaded, group)}
    if outcome.failure is not None:
        return {**shown, **failed_upload(outcome.failure)}
    return {**shown, "kmflow/upload": "not wanted"}


def failed_upload(failure: UploadFailure) -> Metadata:
    """What failed, why, and how it is tried again."""
    command = f"kmflow output retry --group {failure.file.group_id} --id {failure.failure_id}"
    return {
        "kmflow/upload": "failed",
        "kmflow/path": failure.file.path,
        "kmflow/size_bytes": failure.file.size_bytes,
        "kmflow/error_code": failure.error_code,
        "kmflow/error": failure.error_message,
        "kmflow/retry": dg.MetadataValue.md(f"`{command}`"),
    }


def _uploaded(uploaded: UploadedOutput, group: GroupContext) -> dict[str, Any]:
    file, store = uploaded.file, group.outbox.store
    view = store.view(VolumePath.parse(file.path))
    is_remote = store.backend == "databricks"
    return {
        "kmflow/path": file.path,
        "kmflow/size_bytes": file.size_bytes,
        "kmflow/size_mb": uploaded.size_mb,
        "kmflow/sha256": file.sha256,
        "kmflow/format": file.file_format,
        "kmflow/uploaded_at": iso(file.written_at),
        "kmflow/view": dg.MetadataValue.url(view) if is_remote else dg.MetadataValue.path(view),
        **({"kmflow/replaced": uploaded.earlier_sha256} if uploaded.earlier_sha256 else {}),
    }
