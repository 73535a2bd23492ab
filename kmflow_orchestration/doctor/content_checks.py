"""Whether files and rows agree, each row stands once, and silver says something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kmflow_orchestration.doctor.catalog_checks import shortened
from kmflow_orchestration.doctor.findings import Finding, failed, passed, warned
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.operations.reconcile_metadata import (
    MetadataReconciliation,
    reconcile_metadata,
)
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES

# Columns that a step of ours fills for every row, besides those that cannot be NULL.
_ALWAYS_FILLED = frozenset({"content", "entity_type", "entity_name", "fragment_silver_id"})
_WORKERS = 8
_DEFINED = {(one.layer, one.name): one for one in MEDALLION_TABLES}


def files_have_rows(patient: Patient) -> Finding:
    """Files without rows, and rows without files."""
    found = _compared(patient)
    lost = sorted(one.row.path for one in found.without_file)
    if lost:
        return failed(
            f"{len(lost)} row(s) without file: {shortened(lost)}",
            "put the files back into landing, or remove what is meant to be gone: "
            f"kmflow evidence delete ID --group {patient.group}",
        )
    if found.without_row:
        paths = [one.file.path for one in found.without_row]
        return failed(
            f"{len(paths)} file(s) without row: {shortened(paths)}",
            f"kmflow backfill-metadata --group {patient.group}",
        )
    moving = f"; {found.pending} on their way" if found.pending else ""
    matched = found.files - found.pending - len(found.foreign)
    return passed(f"{matched} file(s), each with its row{moving}")


def rows_stand_once(patient: Patient) -> Finding:
    """Metadata rows that are there a second time."""
    surplus = _compared(patient).surplus
    if surplus:
        files = {row.path for row in surplus}
        return failed(
            f"{len(files)} file(s) have {len(surplus)} row(s) too many",
            f"kmflow dedupe-metadata --group {patient.group}",
        )
    return passed("each file has one row")


def _compared(patient: Patient) -> MetadataReconciliation:
    """As the reconciliation sees it: a listing and a query, no file is read."""
    return patient.once(
        "files and rows",
        lambda: reconcile_metadata(
            patient.group,
            ledger=patient.ways.ledger(),
            store=patient.store,
            lakehouse=patient.lakehouse,
            config=patient.config,
            verify="size",
            workers=_WORKERS,
        ),
    )


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
