"""Whether this runs inside Databricks, where Volumes are folders already (row D9, CD-S18)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kmflow_orchestration.operations.volume_conversion.volumes import (
    Volumes,
    most_bytes,
)
from kmflow_orchestration.storage.volume_access import MOUNT, MountedVolumes


def is_databricks_environment(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the runtime says so; a host or token in the environment says nothing of it."""
    variables = os.environ if environment is None else environment
    if variables.get("DATABRICKS_RUNTIME_VERSION"):
        return True
    return variables.get("IS_SERVERLESS", "").upper() == "TRUE"


def mounted_volumes(
    *,
    max_size_mb: int | None = None,
    environment: Mapping[str, str] | None = None,
    mount: Path = MOUNT,
) -> Volumes | None:
    """Volumes as this cluster mounts them; None outside of one, or without the mount.

    Which of them may be used is what the cluster's own identity was granted.
    """
    if not is_databricks_environment(environment) or not mount.is_dir():
        return None
    limit = most_bytes(max_size_mb)
    return Volumes(MountedVolumes(mount), most_bytes=limit)
