"""What is to be converted again, now and not with the next runs of its days (row G18)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import BackendUnreachable
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.operations.published_datasets import PublishedDatasets
from kmflow_orchestration.storage.evidence_stores import raise_first


def replay_datasets(
    group: str,
    *,
    caller: Caller,
    corrections: CorrectionStore,
    publish: Callable[[date], PublishedDatasets],
) -> list[PublishedDatasets]:
    """Write the tables of every batch that is not finished, day by day; a second call does nothing.

    `publish` is `publish_datasets` of the group. What a call that died had finished stays so, and
    the next goes on behind it; a run of the same day does no harm, for both write the same.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller is neither editor nor admin.
        BackendUnreachable: all else was written.
        StorageUnavailable, RemoteFault: as `publish_datasets`; days before that one are written.
    """
    own = caller.require(Role.EDITOR, group)
    done: list[PublishedDatasets] = []
    away: list[BackendUnreachable] = []
    for day in corrections.unwritten_days(own):
        try:
            done.append(publish(day))
        except BackendUnreachable as error:
            away.append(error)
    raise_first(away)
    return done
