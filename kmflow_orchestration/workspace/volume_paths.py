"""From a path of the Files API to a place on disk, with privileges and containment checked."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.errors import UnsafePath
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration.workspace.catalog_services import CatalogServices
from kmflow_orchestration.workspace.wire import Caller, WireError

READ = "READ_VOLUME"
WRITE = "WRITE_VOLUME"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a Volume: how clients call it, where it is, and the Volume's own directory."""

    volume_path: VolumePath
    disk: Path
    root: Path


def volume_place(services: CatalogServices, caller: Caller, path: str, privilege: str) -> Place:
    """Where a `/Volumes/…` path lies on disk, for a caller who holds the privilege.

    Raises:
        WireError: 400 a path that is none or leaves its Volume, 403 without the privilege,
            404 for an unknown Volume.
    """
    try:
        parsed = VolumePath.parse("/" + path.lstrip("/"))
    except UnsafePath as error:
        raise _invalid(str(error)) from error
    names = (parsed.catalog.lower(), parsed.schema.lower(), parsed.volume.lower())
    root = services.allowed_volumes.root(caller, names, privilege)
    return Place(VolumePath(*names, parsed.parts), _contained(root, parsed.parts), root)


def _contained(root: Path, parts: tuple[str, ...]) -> Path:
    """The place below root, whatever symbolic links lie on the way."""
    place = os.path.join(root, *parts)  # noqa: PTH118 - hot path
    if not _has_links(str(root), parts):
        return Path(place)
    real_root, target = os.path.realpath(root), os.path.realpath(place)
    if target != real_root and not target.startswith(real_root + os.sep):
        raise _invalid("The path leaves its Volume.")
    return Path(target)


def _has_links(root: str, parts: tuple[str, ...]) -> bool:
    """Whether a symbolic link lies between the root and the place; below what is absent, none."""
    for part in parts:
        root = f"{root}{os.sep}{part}"
        try:
            if stat.S_ISLNK(os.lstat(root).st_mode):
                return True
        except (FileNotFoundError, NotADirectoryError):
            return False
    return False


def _invalid(message: str) -> WireError:
    return WireError(
        400, "INVALID_PARAMETER_VALUE", f"Invalid path: {message}", reason="FILES_API_INVALID_PATH"
    )
