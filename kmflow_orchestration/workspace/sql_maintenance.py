"""OPTIMIZE, VACUUM, DESCRIBE HISTORY and RESTORE: read by their words, done by `deltalake`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake.exceptions import DeltaError

from kmflow_orchestration.sail import maintenance
from kmflow_orchestration.workspace.securables import Securable
from kmflow_orchestration.workspace.sql_errors import SqlError

_PART = r"(?:`(?:[^`]|``)+`|\w+)"
_NAME = rf"(?P<name>{_PART}(?:\s*\.\s*{_PART}){{0,2}})"
_FORMS = {
    "OPTIMIZE": re.compile(rf"OPTIMIZE\s+{_NAME}", re.IGNORECASE),
    "VACUUM": re.compile(
        rf"VACUUM\s+{_NAME}(?:\s+RETAIN\s+(?P<number>\d+)\s+HOURS)?(?P<dry>\s+DRY\s+RUN)?",
        re.IGNORECASE,
    ),
    "HISTORY": re.compile(
        rf"(?:DESCRIBE|DESC)\s+HISTORY\s+{_NAME}(?:\s+LIMIT\s+(?P<number>\d+))?", re.IGNORECASE
    ),
    "RESTORE": re.compile(
        rf"RESTORE\s+(?:TABLE\s+)?{_NAME}\s+TO\s+VERSION\s+AS\s+OF\s+(?P<number>\d+)",
        re.IGNORECASE,
    ),
}
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class MaintenanceText:
    """What a statement says; `number` are hours, a limit or a version."""

    verb: str
    name: tuple[str, ...]
    number: int | None = None
    dry_run: bool = False

    @property
    def privileges(self) -> tuple[str, ...]:
        """What the caller needs on the table."""
        return ("SELECT",) if self.verb == "HISTORY" else ("SELECT", "MODIFY")


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Such a statement on a table that the caller may care for."""

    text: MaintenanceText
    target: Securable


def read_maintenance(statement: str) -> MaintenanceText | None:
    """The statement, None when it is of another sort."""
    bare = statement.strip().removesuffix(";").strip()
    for verb, form in _FORMS.items():
        found = form.fullmatch(bare)
        if found is not None:
            parts = re.findall(_PART, found["name"])
            name = tuple(part.strip("`").replace("``", "`") for part in parts)
            groups = found.groupdict()
            number = None if groups.get("number") is None else int(groups["number"])
            return MaintenanceText(verb, name, number, dry_run=bool(groups.get("dry")))
    return None


def maintain(plan: Maintenance, directory: Path) -> pa.Table:
    """Do it; the rows it answers. Raises SqlError."""
    text, place = plan.text, f"kmflow://{plan.target.workspace_id}/tables/{plan.target.id}"
    try:
        if text.verb == "OPTIMIZE":
            maintenance.compact(directory)
            return pa.table({"path": [place]})
        if text.verb == "VACUUM":
            return pa.table({"path": pa.array(_vacuum(text, directory, place), pa.string())})
        if text.verb == "RESTORE":
            return _restored(text, directory)
    except DeltaError as error:
        raise SqlError("DELTA_FILE_NOT_FOUND_DETAILED", str(error)) from error
    commits = maintenance.history(directory, text.number or _ALL)
    return pa.table(
        {
            "version": pa.array([commit.version for commit in commits], pa.int64()),
            "timestamp": pa.array([commit.at for commit in commits], pa.timestamp("us", "UTC")),
            "operation": pa.array([commit.operation for commit in commits], pa.string()),
        }
    )


def _vacuum(text: MaintenanceText, directory: Path, place: str) -> list[str]:
    hours = maintenance.LEAST_RETAINED_HOURS if text.number is None else text.number
    if hours < maintenance.LEAST_RETAINED_HOURS:
        raise SqlError(
            "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT",
            f"The retention period of {hours} hours is below the configured minimum of"
            f" {maintenance.LEAST_RETAINED_HOURS} hours.",
        )
    gone = maintenance.vacuum(directory, retain_hours=hours, dry_run=text.dry_run)
    return [f"{place}/{name}" for name in gone] if text.dry_run else [place]


def _restored(text: MaintenanceText, directory: Path) -> pa.Table:
    version = text.number or 0
    if not maintenance.restore(directory, version):
        newest = maintenance.history(directory, 1)[0].version
        raise SqlError(
            "DELTA_VERSION_NOT_FOUND",
            f"Cannot time travel Delta table to version {version}. Available versions: [0,"
            f" {newest}].",
        )
    return pa.table({"restored_version": pa.array([version], pa.int64())})
