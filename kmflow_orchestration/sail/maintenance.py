"""Care of Delta tables as directories: compaction, old files, versions; by `deltalake`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deltalake import DeltaTable

# Below this a reader or writer that is at work could lose its files.
LEAST_RETAINED_HOURS = 168


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table."""

    version: int
    at: datetime
    operation: str


def compact(directory: Path) -> None:
    """Few large files out of many small ones; rows stay as they are."""
    DeltaTable(str(directory)).optimize.compact()


def vacuum(directory: Path, *, retain_hours: int, dry_run: bool) -> list[str]:
    """Remove files that no version of the last hours needs; their names. A dry run removes none."""
    return sorted(DeltaTable(str(directory)).vacuum(retain_hours, dry_run=dry_run))


def history(directory: Path, limit: int) -> list[Commit]:
    """The newest versions, newest first."""
    return [
        Commit(
            int(entry["version"]),
            datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
            str(entry.get("operation", "")),
        )
        for entry in DeltaTable(str(directory)).history(limit)
    ]


def restore(directory: Path, version: int) -> bool:
    """Make a version the newest once more; False when the table has no such version.

    Raises:
        deltalake.exceptions.DeltaError: files of it are gone.
    """
    table = DeltaTable(str(directory))
    if not 0 <= version <= table.version():
        return False
    table.restore(version)
    return True
