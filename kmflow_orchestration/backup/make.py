"""Taking a backup while everything runs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from kmflow_orchestration import __version__
from kmflow_orchestration.backup import archive
from kmflow_orchestration.backup.databases import (
    copy_sqlite,
    dump_postgres,
    is_sqlite,
    sqlite_file,
    sqlite_revision,
)
from kmflow_orchestration.clock import Clock, iso
from kmflow_orchestration.config.secret_refs import Secret
from kmflow_orchestration.config.settings import Settings
from kmflow_orchestration.errors import BackupError
from kmflow_orchestration.metadata.revision import wanted_revision

DAGSTER_SETTINGS = "dagster.yaml"
_DATABASES = ("*.db",)


@dataclass(frozen=True, slots=True)
class Places:
    """Where control database and Dagster storage are; `dagster` is DAGSTER_HOME."""

    settings: Settings
    dagster: Path

    @property
    def control_url(self) -> str:
        return self.settings.control_database_url

    @property
    def dagster_url(self) -> str:
        """Dagster's PostgreSQL, '' for SQLite files below its home."""
        return self.settings.dagster_postgres_url

    @property
    def control_secret(self) -> Secret | None:
        """The control database's password, where its address has none."""
        reference = self.settings.database_password
        return None if reference is None else reference.resolve()

    @property
    def control_password(self) -> str | None:
        secret = self.control_secret
        return None if secret is None else secret.reveal()


def back_up(target: Path, places: Places, *, clock: Clock) -> archive.Manifest:
    """Write one file with all that is needed to go on elsewhere, beside lakehouse and evidence.

    Dagster's storage is copied first: the control database then knows of every run that it knows.
    Secrets are in it as far as they stand in these databases (references and ciphertext); keys
    and `.env` are not.

    Raises:
        BackupError: the target is there, or there is nothing to back up.
        MissingDependency: PostgreSQL without its client programs.
    """
    if target.exists():
        raise BackupError(
            f"{target} is there already", hint="give it another name: a backup replaces none"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: what is copied first must not fill another disk.
    with tempfile.TemporaryDirectory(prefix=".kmflow-backup-", dir=target.parent) as scratch:
        folder = Path(scratch) / "members"
        folder.mkdir(mode=0o700)
        _copy_dagster(places, folder)
        revision = _copy_control(places, folder)
        return archive.write_archive(
            target,
            folder,
            made_at=iso(clock.now()),
            made_by=f"kmflow_orchestration {__version__}",
            revision=revision,
        )


def _copy_control(places: Places, folder: Path) -> str:
    """Copy the control database; its revision."""
    if not is_sqlite(places.control_url):
        target = folder / archive.CONTROL_POSTGRES
        dump_postgres(places.control_url, target, password=places.control_password)
        return wanted_revision()
    source = sqlite_file(places.control_url)
    if not source.is_file():
        raise BackupError(
            f"there is no control database {source}", hint="set KMFLOW_HOME to the right folder"
        )
    copy_sqlite(source, folder / archive.CONTROL_SQLITE)
    return sqlite_revision(folder / archive.CONTROL_SQLITE)


def _copy_dagster(places: Places, folder: Path) -> None:
    """Runs, events, schedules and the instance's settings; not what steps printed."""
    if places.dagster_url:
        dump_postgres(places.dagster_url, folder / archive.DAGSTER_POSTGRES)
    if not places.dagster.is_dir():
        return
    settings = places.dagster / DAGSTER_SETTINGS
    if settings.is_file():
        copy = folder / archive.DAGSTER / DAGSTER_SETTINGS
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy.write_bytes(settings.read_bytes())
    for pattern in _DATABASES:
        for path in sorted(places.dagster.rglob(pattern)):
            copy_sqlite(path, folder / archive.DAGSTER / path.relative_to(places.dagster))
