"""Failed uploads of outputs, tried again alone (row A16)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from dataclasses import dataclass

from kmflow_orchestration.errors import KmflowError, OutputChanged, UnknownOutput
from kmflow_orchestration.metadata.upload_failures import UploadFailure
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.outbox import Outbox
from kmflow_orchestration.outputs.places import check_own, refuse_neighbours
from kmflow_orchestration.storage.output_store import Tell

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetriedOutput:
    """What became of one failed upload; `problem` is '' when it arrived."""

    failure_id: str
    path: str
    size_bytes: int
    problem: str = ""

    @property
    def arrived(self) -> bool:
        return not self.problem


def retry_outputs(
    outbox: Outbox, ids: Collection[str] = (), *, tell: Tell = logger.warning
) -> list[RetriedOutput]:
    """Upload what failed before, oldest first: all of the group's, or those of these ids.

    The same bytes go to the same path; one that fails again stays for the next time.

    Raises:
        UnknownOutput: an id is no open failure of this group; nothing was sent.
    """
    failures = outbox.failures.open(outbox.group, ids)
    unknown = set(ids) - {failure.failure_id for failure in failures}
    if unknown:
        raise UnknownOutput(
            f"group {outbox.group} has no failed upload {', '.join(sorted(unknown))}",
            hint="kmflow output retry without --id takes all there are",
        )
    return [_tried(outbox, failure, tell) for failure in failures]


def _tried(outbox: Outbox, failure: UploadFailure, tell: Tell) -> RetriedOutput:
    file = failure.file
    done = RetriedOutput(failure.failure_id, file.path, file.size_bytes)
    try:
        _check_place(outbox, failure)
        outbox.send(file, _kept_bytes(outbox, failure), failure.verify, tell=tell)
    except KmflowError as error:
        outbox.failures.tried(outbox.group, failure.failure_id, error, at=outbox.clock.now())
        return RetriedOutput(done.failure_id, done.path, done.size_bytes, f"[{error.code}] {error}")
    return done


def _check_place(outbox: Outbox, failure: UploadFailure) -> None:
    """Settings may have changed since: today's decide."""
    path, place = VolumePath.parse(failure.file.path), VolumePath.parse(failure.file.place)
    check_own(path, [place], outbox.config)
    refuse_neighbours(path, outbox.config, outbox.neighbours())


def _kept_bytes(outbox: Outbox, failure: UploadFailure) -> bytes:
    content = outbox.spool.read(failure.failure_id)
    if hashlib.sha256(content).hexdigest() != failure.file.sha256:
        raise OutputChanged(
            f"the kept bytes of failed upload {failure.failure_id} were changed",
            hint="run the task again",
        )
    return content
