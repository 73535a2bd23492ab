"""What a conversion may do with Volumes: places, sizes, and a private folder for its copies."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kmflow_orchestration.clock import Clock, SystemClock
from kmflow_orchestration.errors import (
    AccessRefused,
    CredentialRefused,
    FileTooLargeError,
    RemoteNotFound,
    ScopeMissing,
    TokenExpired,
    UnsafePath,
    VolumeNotFoundError,
)
from kmflow_orchestration.names import VolumePath, is_elsewhere
from kmflow_orchestration.operations.convert.work_folder import work_folder
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces
from kmflow_orchestration.storage.volume_access import VolumeAccess

READ, WRITE = "READ VOLUME", "WRITE VOLUME"
_MEGABYTE = 1 << 20
# Megabytes that a file from or to a Volume may have, by default (row D3).
_MOST_MEGABYTES = 1000
Place = Path | VolumePath
# What is wrong with who we are, not with what we may do in one place.
_NOT_ABOUT_A_PLACE = (TokenExpired, CredentialRefused, ScopeMissing)


def most_bytes(max_size_mb: int | None) -> int:
    """The limit that somebody asked for in megabytes, or the usual one."""
    return (max_size_mb or _MOST_MEGABYTES) * _MEGABYTE


@dataclass(frozen=True)
class Volumes:
    """Volumes as one group may use them; without `places` whoever mounted them has decided that.

    `most_bytes` is the size of the largest file that is moved. Copies lie below `temporary`.
    `vol:…` is completed from `catalog` and `schema`, where they are empty from the group's.
    """

    access: VolumeAccess
    places: GroupPlaces | None = None
    most_bytes: int = _MOST_MEGABYTES * _MEGABYTE
    clock: Clock = field(default_factory=SystemClock)
    temporary: Path | None = None
    catalog: str = ""
    schema: str = ""

    def source(self, text: str) -> Place:
        """What somebody typed as INPUT. Raises UnsafePath, PlaceNotAllowed and GroupMismatch."""
        place = self._place(text)
        if isinstance(place, VolumePath) and self.places is not None:
            self.places.check_source(place)
        return place

    def target(self, text: str) -> Place:
        """What somebody typed as OUTPUT. Raises as `source`."""
        place = self._place(text)
        if isinstance(place, VolumePath):
            self.check_target(place)
        return place

    def check_target(self, place: VolumePath) -> None:
        """Whether results may go there. Raises PlaceNotAllowed and GroupMismatch."""
        if self.places is not None:
            self.places.check_target(place)

    def _place(self, text: str) -> Place:
        if not is_elsewhere(text):
            return Path(text)
        catalog, schema = self.catalog, self.schema
        if self.places is not None:
            config = self.places.config
            catalog, schema = catalog or config.catalog, schema or config.schema
        return VolumePath.given(text, catalog=catalog, schema=schema)

    def check_size(self, name: str, size_bytes: int) -> None:
        """Raises FileTooLargeError for more than may be moved."""
        if size_bytes > self.most_bytes:
            raise FileTooLargeError(
                f"{name} has {size_bytes} bytes, the limit is {self.most_bytes}",
                hint="--max-size-mb allows more",
            )

    @contextmanager
    def work(self, source_bytes: int) -> Iterator[Path]:
        """A folder for copies that only its owner sees, gone at the end (row D5).

        Raises:
            UnsafePath: where it should lie, others could put links in its way.
            FileTooLargeError: the disk has no room for twice the source.
        """
        parent = self.temporary or Path(tempfile.gettempdir())
        _check_private(parent)
        with work_folder(
            parent, source_bytes, self.clock.now(), hint="make room, or set TMPDIR to another disk"
        ) as folder:
            yield folder


def _check_private(parent: Path) -> None:
    if not parent.exists():
        return
    found = parent.stat()
    is_shared = bool(found.st_mode & stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    if is_shared or found.st_uid not in {0, os.getuid()}:
        raise UnsafePath(
            f"{parent} is no place for copies: others may change what lies there",
            hint="set TMPDIR to a folder of your own",
        )


@contextmanager
def naming_grants(path: VolumePath, privilege: str) -> Iterator[None]:
    """What the workspace refuses, with the grant that may be missing.

    Raises:
        AccessRefused: this is refused; the hint is the statement that allows it.
        VolumeNotFoundError: what was asked for is not there.
    """
    try:
        yield
    except _NOT_ABOUT_A_PLACE:
        raise
    except AccessRefused as error:
        raise AccessRefused(
            f"{path.text}: {error.message}",
            hint=f"GRANT {privilege} ON VOLUME {path.volume_sql},"
            " with USE CATALOG and USE SCHEMA around it",
        ) from error
    except RemoteNotFound as error:
        raise VolumeNotFoundError(
            f"{path.text}: {error.message}", hint="kmflow group discover lists Volumes"
        ) from error
