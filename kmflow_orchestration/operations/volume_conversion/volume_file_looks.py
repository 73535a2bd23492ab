"""What a file of a Volume is, and whether it can be read; on a copy that is gone after (D14)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kmflow_orchestration.errors import DatabricksConversionError
from kmflow_orchestration.operations.convert.inspect_file import (
    FileFacts,
    Validity,
    inspect_file,
    validate_file,
)
from kmflow_orchestration.operations.convert.progress import Progress
from kmflow_orchestration.operations.volume_conversion.fetching import fetched
from kmflow_orchestration.operations.volume_conversion.volumes import Volumes


def inspect_volume_file(file: str, *, explain: bool = False, volumes: Volumes) -> FileFacts:
    """As `inspect_file`, here or in a Volume. Raises as it, and as `fetched`."""
    place = volumes.source(file)
    if isinstance(place, Path):
        return inspect_file(place, explain=explain)
    with fetched(volumes, place, Progress()) as copy:
        return replace(inspect_file(copy, explain=explain), file=place.text)


def validate_volume_file(file: str, *, deep: bool = False, volumes: Volumes) -> Validity:
    """As `validate_file`, here or in a Volume; a file that is not there is not valid.

    Raises:
        AccessRefused, RemoteFault: nobody can tell.
    """
    place = volumes.source(file)
    if isinstance(place, Path):
        return validate_file(place, deep=deep)
    try:
        with fetched(volumes, place, Progress()) as copy:
            return replace(validate_file(copy, deep=deep), file=place.text)
    except DatabricksConversionError as error:
        return Validity(place.text, False, code=error.code, message=error.message, hint=error.hint)
