"""What a file of a Volume is, and whether it can be read; on a copy that is gone after (D14)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kmflow_orchestration.errors import DatabricksConversionError
from kmflow_orchestration.operations.convert.apart import not_valid
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.volume_conversion.fetching import fetched
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes

Look = Callable[[Path], dict[str, Any]]


def inspect_volume_file(file: str, *, volumes: Volumes, run: Look) -> dict[str, Any]:
    """What `run` tells of a file, here or in a Volume. Raises as it, and as `fetched`."""
    place = volumes.source(file)
    if isinstance(place, Path):
        return run(place)
    with fetched(volumes, place, Progress()) as copy:
        return {**run(copy), "file": place.text}


def validate_volume_file(file: str, *, volumes: Volumes, run: Look) -> dict[str, Any]:
    """The same of `validate_file`; a file that is not there is not valid.

    Raises:
        AccessRefused, RemoteFault: nobody can tell.
    """
    try:
        return inspect_volume_file(file, volumes=volumes, run=run)
    except DatabricksConversionError as error:
        return not_valid(file, error)
