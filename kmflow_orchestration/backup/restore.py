"""Putting a backup in place: on this machine or on another, whole or not at all."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration.backup import archive
from kmflow_orchestration.backup.databases import is_sqlite, restore_postgres, sqlite_file
from kmflow_orchestration.backup.make import Places
from kmflow_orchestration.clock import Clock
from kmflow_orchestration.errors import BackupError, ConfigurationError
from kmflow_orchestration.metadata.engine import open_engine
from kmflow_orchestration.metadata.revision import (
    has_any_table,
    known_revisions,
    wanted_revision,
)

# Belong to the file whose name they begin with, and would be taken for the new one's.
_BESIDE_SQLITE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore put in place, or would; `kept` are former files, under their new names."""

    manifest: archive.Manifest
    places: tuple[str, ...]
    kept: tuple[Path, ...]
    is_dry_run: bool


def restore(
    source: Path, places: Places, *, clock: Clock, dry_run: bool = False, overwrite: bool = False
) -> Restored:
    """Put control database and Dagster storage back; the next command migrates an older one.

    Every member is checked before anything is changed. With `overwrite` what is there is moved
    aside, never removed (a PostgreSQL database is replaced in one transaction). Nothing may work
    with either of them meanwhile.

    Raises:
        BackupError: it is no backup, damaged, or something is there and `overwrite` is false.
        ConfigurationError: it was made on another kind of database, or by a newer version.
        MissingDependency: PostgreSQL without its client programs.
    """
    manifest = archive.read_manifest(source)
    _check_kind(manifest, places)
    _check_revision(manifest)
    occupied = _occupied(places)
    if occupied and not overwrite and not dry_run:
        raise BackupError(
            f"{' and '.join(occupied)} would be overwritten",
            hint="restore into an empty KMFLOW_HOME, or give --overwrite: what is there is moved "
            "aside",
        )
    targets = tuple(_targets(manifest, places))
    if dry_run:
        with _unpacked(source, None):
            return Restored(manifest, targets, (), is_dry_run=True)
    with _unpacked(source, places.settings.home) as folder:
        return Restored(manifest, targets, _put(folder, places, clock), is_dry_run=False)


def _check_kind(manifest: archive.Manifest, places: Places) -> None:
    wanted = archive.CONTROL_SQLITE if is_sqlite(places.control_url) else archive.CONTROL_POSTGRES
    if wanted not in manifest.names:
        kind = "PostgreSQL" if archive.CONTROL_POSTGRES in manifest.names else "SQLite"
        raise ConfigurationError(
            f"the backup is of a control database on {kind}",
            fields=("KMFLOW_DATABASE_URL",),
            hint=f"set KMFLOW_DATABASE_URL to a {kind} database for the restore",
        )
    if (archive.DAGSTER_POSTGRES in manifest.names) is not bool(places.dagster_url):
        raise ConfigurationError(
            "the backup is of a Dagster storage of another kind",
            fields=("KMFLOW_DAGSTER_POSTGRES_URL",),
            hint="set, or unset, KMFLOW_DAGSTER_POSTGRES_URL as it was where the backup was made",
        )


def _check_revision(manifest: archive.Manifest) -> None:
    if manifest.revision and manifest.revision not in known_revisions():
        raise ConfigurationError(
            f"the backup is at revision {manifest.revision}, and this version knows those up to "
            f"{wanted_revision()}",
            hint="restore it with the version that made it, or a newer one: " + manifest.made_by,
        )


def _occupied(places: Places) -> list[str]:
    """What a restore would overwrite, in words."""
    found = []
    if is_sqlite(places.control_url):
        if sqlite_file(places.control_url).exists():
            found.append(f"the control database {sqlite_file(places.control_url)}")
    else:
        engine = open_engine(places.control_url, password=places.control_secret)
        found += ["the control database's tables"] if has_any_table(engine) else []
    if places.dagster_url:
        engine = open_engine(places.dagster_url)
        found += ["the tables of Dagster's database"] if has_any_table(engine) else []
    if places.dagster.is_dir() and any(places.dagster.rglob("*.db")):
        found.append(f"the Dagster storage {places.dagster}")
    return found


def _targets(manifest: archive.Manifest, places: Places) -> Iterator[str]:
    sqlite = is_sqlite(places.control_url)
    yield str(sqlite_file(places.control_url)) if sqlite else "the control database's server"
    if archive.DAGSTER_POSTGRES in manifest.names:
        yield "Dagster's database server"
    if any(name.startswith(f"{archive.DAGSTER}/") for name in manifest.names):
        yield str(places.dagster)


@contextmanager
def _unpacked(source: Path, home: Path | None) -> Iterator[Path]:
    """All members, checked, on the disk they go to; without a home only to be looked at."""
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".kmflow-restore-", dir=home) as scratch:
        folder = Path(scratch) / "members"
        folder.mkdir(mode=0o700)
        archive.unpack(source, folder)
        yield folder


def _put(folder: Path, places: Places, clock: Clock) -> tuple[Path, ...]:
    """Move everything into place, the control database last: without it nothing begins."""
    if (dump := folder / archive.DAGSTER_POSTGRES).is_file():
        restore_postgres(places.dagster_url, dump)
    if (dump := folder / archive.CONTROL_POSTGRES).is_file():
        restore_postgres(places.control_url, dump, password=places.control_password)
    moves: list[tuple[Path, Path]] = []
    if (dagster := folder / archive.DAGSTER).is_dir():
        moves.append((dagster, places.dagster))
    if (control := folder / archive.CONTROL_SQLITE).is_file():
        moves.append((control, sqlite_file(places.control_url)))
    stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
    done: list[tuple[Path, Path]] = []
    try:
        for origin, goal in _steps(moves, stamp):
            done.append((origin, _moved(origin, goal)))
    except OSError as error:
        for origin, moved in reversed(done):
            _moved(moved, origin)
        raise BackupError(f"nothing was restored: {error.strerror}: {error.filename}") from error
    return tuple(moved for origin, moved in done if not origin.is_relative_to(folder))


def _steps(moves: Sequence[tuple[Path, Path]], stamp: str) -> Iterator[tuple[Path, Path]]:
    """What is there goes aside, then the new comes in its place."""
    for new, place in moves:
        for old in (place, *(place.with_name(place.name + end) for end in _BESIDE_SQLITE)):
            if old.exists():
                yield old, old.with_name(f"{old.name}.before-{stamp}")
        yield new, place


def _moved(source: Path, target: Path) -> Path:
    """Rename, also onto another disk. Raises FileExistsError: nothing is ever replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise FileExistsError(errno.EEXIST, "there is such a file already", str(target))
    try:
        return source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    whole = target.with_name(f".{target.name}.part")
    if source.is_dir():
        shutil.copytree(source, whole)
    else:
        shutil.copy2(source, whole)
    return whole.rename(target)
