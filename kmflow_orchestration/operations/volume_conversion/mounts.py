"""Whether this runs inside Databricks, where Volumes are folders already (row D9, CD-S18)."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.operations.volume_conversion.volumes import (
    Volumes,
    most_bytes,
)
from kmflow_orchestration.storage.volume_access import MOUNT, MountedVolumes

logger = logging.getLogger(__name__)
# Before 11.3 nothing of Volumes is there; before 13.3 they are a preview.
_OLDEST, _SOUND = (11, 3), (13, 3)


@dataclass(frozen=True, slots=True)
class DatabricksEnvironment:
    """What this process runs in; `runtime_version` is '' where serverless compute tells none."""

    runtime_version: str
    is_serverless: bool
    has_volumes: bool

    @property
    def told(self) -> str:
        """The same for people."""
        kind = "serverless" if self.is_serverless else "a cluster"
        runtime = f", runtime {self.runtime_version}" if self.runtime_version else ""
        return f"{kind}{runtime}, /Volumes {'mounted' if self.has_volumes else 'not mounted'}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def check(self) -> None:
        """Refuse a runtime that has no Volumes; a warning for one where they are new.

        Raises:
            ConfigurationError: before 11.3.
        """
        found = re.match(r"(\d+)\.(\d+)", self.runtime_version)
        if self.is_serverless or found is None:
            return
        version = (int(found[1]), int(found[2]))
        if version < _OLDEST:
            raise ConfigurationError(
                f"Databricks Runtime {self.runtime_version} is too old for Volumes",
                fields=("DATABRICKS_RUNTIME_VERSION",),
                hint="use 13.3 or newer",
            )
        if version < _SOUND:
            logger.warning(
                "Databricks Runtime %s: Volumes are complete from 13.3 on", self.runtime_version
            )


def databricks_environment(
    environment: Mapping[str, str] | None = None, *, mount: Path = MOUNT
) -> DatabricksEnvironment | None:
    """What runs this process inside Databricks; None outside."""
    variables = os.environ if environment is None else environment
    if not is_databricks_environment(variables):
        return None
    runtime = variables.get("DATABRICKS_RUNTIME_VERSION", "")
    return DatabricksEnvironment(runtime, _is_serverless(variables), mount.is_dir())


def is_databricks_environment(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the runtime says so; a host or token in the environment says nothing of it."""
    variables = os.environ if environment is None else environment
    if variables.get("DATABRICKS_RUNTIME_VERSION"):
        return True
    return _is_serverless(variables)


def _is_serverless(variables: Mapping[str, str]) -> bool:
    return variables.get("IS_SERVERLESS", "").upper() == "TRUE"


def mounted_volumes(
    *,
    max_size_mb: int | None = None,
    environment: Mapping[str, str] | None = None,
    mount: Path = MOUNT,
) -> Volumes | None:
    """Volumes as this cluster mounts them; None outside of one, or without the mount.

    Which of them may be used is what the cluster's own identity was granted.

    Raises:
        ConfigurationError: the cluster's runtime is too old.
    """
    here = databricks_environment(environment, mount=mount)
    if here is None:
        return None
    here.check()
    if not here.has_volumes:
        return None
    limit = most_bytes(max_size_mb)
    return Volumes(MountedVolumes(mount), most_bytes=limit)
