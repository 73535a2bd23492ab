"""How the bytes of an output leave: written, confirmed, recorded and entered in the audit trail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kmflow_orchestration.clock import Clock
from kmflow_orchestration.config.group_config import GroupConfig, VerifyMode
from kmflow_orchestration.metadata.config_audit import AuditAction, Deed
from kmflow_orchestration.metadata.output_files import OutputFile, OutputFiles
from kmflow_orchestration.metadata.upload_failures import UploadFailures
from kmflow_orchestration.names import GroupId, VolumePath
from kmflow_orchestration.storage.output_store import OutputStore, Tell
from kmflow_orchestration.storage.upload_spool import UploadSpool


@dataclass(frozen=True, slots=True)
class UploadedOutput:
    """An output that is where it belongs.

    `earlier_sha256` is the hash of other bytes that it replaced, None when there were none.
    """

    file: OutputFile
    config_version: int
    earlier_sha256: str | None = None

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def size_mb(self) -> float:
        return self.file.size_bytes / (1024 * 1024)

    @property
    def at(self) -> datetime:
        return self.file.written_at


def _upload_deed(uploaded: UploadedOutput, actor: str) -> Deed:
    """An upload as the audit trail keeps it: what now lies where, and what it replaced."""
    file, earlier = uploaded.file, uploaded.earlier_sha256
    return Deed(
        action=AuditAction.UPLOAD,
        actor_email=actor,
        before=None if earlier is None else {"sha256": earlier},
        after={
            "what": "output",
            "path": file.path,
            "task": file.task_key,
            "partition": file.partition_key,
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
            "config_version": uploaded.config_version,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What every operation on a group's outputs needs.

    `neighbours` gives the settings of all groups; `actor` is who the audit trail says it was.
    """

    config: GroupConfig
    store: OutputStore
    files: OutputFiles
    failures: UploadFailures
    spool: UploadSpool
    clock: Clock
    neighbours: Callable[[], Sequence[GroupConfig]]
    actor: str

    @property
    def group(self) -> GroupId:
        return self.config.group_id

    def send(
        self, file: OutputFile, content: bytes, verify: VerifyMode, *, tell: Tell
    ) -> UploadedOutput:
        """Write an output's bytes and record them; failed uploads to the same path are made good.

        Raises:
            AccessRefused, RemoteFault: after all attempts; the next call begins anew.
        """
        replaced = self.store.write(
            VolumePath.parse(file.path),
            content,
            known=lambda: self.files.hash_at(self.group, file.path),
            verify=verify,
            tell=tell,
        )
        written = replace(file, written_at=self.clock.now())
        uploaded = UploadedOutput(written, self.config.version, replaced)
        deed = _upload_deed(uploaded, self.actor)
        for failure_id in self.files.written(self.group, written, deed):
            self.spool.drop(failure_id)
        return uploaded
