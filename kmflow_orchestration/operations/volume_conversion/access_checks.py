"""Whether a group may write where its results shall go, tried before any work is done (row D8)."""

from __future__ import annotations

import io
from uuid import uuid4

from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.operations.volume_conversion.volumes import WRITE, Volumes, naming_grants

_PROBE = ".kmflow-probe-"


def check_access(volumes: Volumes, goal: VolumePath) -> None:
    """Write an empty file into the goal's Volume and remove it.

    Raises:
        AccessRefused: the hint is the grant that is missing.
        VolumeNotFoundError: there is no such Volume.
        RemoteFault: it cannot be reached.
    """
    root = goal.root
    probe = root.joined(f"{_PROBE}{uuid4().hex}")
    with naming_grants(root, WRITE):
        volumes.access.upload(probe, io.BytesIO)
        volumes.access.delete(probe)
