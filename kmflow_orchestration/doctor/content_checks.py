"""Whether files and rows agree, each row stands once, and silver says something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kmflow_orchestration.doctor.catalog_checks import shortened
from kmflow_orchestration.doctor.findings import Finding, failed, passed, warned
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.doctor.probe_checks import PROBE_ENGAGEMENT
from kmflow_orchestration.names import EngagementId, TableName, literal, quoted
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.medallion import EVIDENCE_METADATA, MEDALLION_TABLES

# Columns that a step of ours fills for every row, besides those that cannot be NULL.
_ALWAYS_FILLED = frozenset({"content"})
_DEFINED = {(one.layer, one.name): one for one in MEDALLION_TABLES}


@dataclass(frozen=True, slots=True)
class FilesAndRows:
    """Stored paths that only the store knows, and those that only the table knows, sorted.

    `in_flight` counts files whose rows a step of theirs is still to write.
    """

    without_rows: tuple[str, ...]
    without_files: tuple[str, ...]
    matched: int
    in_flight: int


def files_and_rows(patient: Patient) -> FilesAndRows:
    """Compare the store's listing with the metadata rows; a listing and a query, no file is read.

    Files that a run is just bringing in are none of the missing.
    """
    rows = _paths_by_engagement(patient)
    known = {one.engagement_id for one in patient.ways.ledger().engagements(patient.group)}
    files = {
        path
        for engagement in sorted(known | set(rows))
        for path in patient.store.list_files(EngagementId(engagement))
    }
    told = {path for paths in rows.values() for path in paths}
    alone = files - told
    arriving = _in_flight(patient, alone)
    return FilesAndRows(
        tuple(sorted(alone - arriving)),
        tuple(sorted(told - files)),
        len(files & told),
        len(arriving),
    )


def files_have_rows(patient: Patient) -> Finding:
    """Files without rows, and rows without files."""
    found = files_and_rows(patient)
    moving = f"; {found.in_flight} on their way" if found.in_flight else ""
    if found.without_files:
        return failed(
            f"{len(found.without_files)} row(s) without file: {shortened(found.without_files)}",
            "put the files back into landing, or remove what is meant to be gone: "
            f"kmflow evidence delete ID --group {patient.group}",
        )
    if found.without_rows:
        return failed(
            f"{len(found.without_rows)} file(s) without row: {shortened(found.without_rows)}",
            f"kmflow backfill-metadata --group {patient.group}",
        )
    return passed(f"{found.matched} file(s), each with its row{moving}")


def rows_stand_once(patient: Patient) -> Finding:
    """Metadata rows that say the same file twice."""
    table = patient.config.namespace.base(EVIDENCE_METADATA.name).sql
    names = "engagement_id, volume_path, file_name, content_hash"
    found = patient.lakehouse.query(
        f"SELECT COUNT(*) AS files, COALESCE(SUM(n - 1), 0) AS extra FROM (SELECT {names}, "
        f"COUNT(*) AS n FROM {table} GROUP BY {names} HAVING COUNT(*) > 1) AS repeated"
    ).to_pylist()[0]
    if found["files"]:
        return failed(
            f"{found['files']} file(s) have {found['extra']} row(s) too many",
            f"kmflow dedupe-metadata --group {patient.group}",
        )
    return passed("each file has one row")


def silver_says_something(patient: Patient) -> Finding:
    """Columns of silver tables that are blank in every row."""
    blank: list[str] = []
    tables = patient.lakehouse.tables(patient.config.namespace.silver("").schema)
    for table in tables:
        columns = patient.lakehouse.columns(table) or ()
        blank += [
            f"{table.text}.{name}" for name in _blank(patient, table, _filled(table, columns))
        ]
    if blank:
        return warned(
            f"blank in every row: {shortened(blank)}",
            "materialize silver_evidence_fragments and silver_quality_events in Dagster for the "
            "days in question; if they stay blank, look at the files themselves",
        )
    return passed(f"{len(tables)} tables, no column that should say something is blank")


def _filled(table: TableName, columns: Sequence[Column]) -> list[Column]:
    """Columns that must say something: of a table of ours those we fill, of others all."""
    ours = _DEFINED.get(("silver", table.name))
    if ours is None:
        return list(columns)
    never_null = {one.name for one in ours.columns if not one.nullable} | _ALWAYS_FILLED
    return [one for one in columns if one.name in never_null]


def _blank(patient: Patient, table: TableName, columns: Sequence[Column]) -> Iterator[str]:
    scalar = [one for one in columns if not one.type.upper().startswith(("ARRAY", "MAP", "STRUCT"))]
    if not scalar:
        return
    counts = ", ".join(
        f"COUNT(NULLIF(TRIM(CAST({quoted(one.name)} AS STRING)), '')) AS c{number}"
        for number, one in enumerate(scalar)
    )
    found = patient.lakehouse.query(f"SELECT COUNT(*) AS n, {counts} FROM {table.sql}")
    row = found.to_pylist()[0]
    if row["n"]:
        yield from (one.name for number, one in enumerate(scalar) if not row[f"c{number}"])


def _paths_by_engagement(patient: Patient) -> dict[str, set[str]]:
    table = patient.config.namespace.base(EVIDENCE_METADATA.name).sql
    rows = patient.lakehouse.query(
        f"SELECT DISTINCT engagement_id, volume_path FROM {table} "
        f"WHERE engagement_id <> {literal(PROBE_ENGAGEMENT)}"
    )
    found: dict[str, set[str]] = {}
    for row in rows.to_pylist():
        found.setdefault(str(row["engagement_id"]), set()).add(str(row["volume_path"]))
    return found


def _in_flight(patient: Patient, paths: set[str]) -> set[str]:
    """Those of days with a batch that has not come through: its rows are still to be written."""
    days = {
        due.day.isoformat()
        for due in patient.ways.ledger().due_days(patient.group)
        if due.unfinished
    }
    return {path for path in paths if days & set(path.split("/"))}
