"""What there must be: catalog, schemas, Volume, and tables with the columns we write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kmflow_orchestration.databricks_client.unity_catalog import UnityCatalog
from kmflow_orchestration.doctor.findings import Finding, failed, passed, skipped
from kmflow_orchestration.doctor.patient import Patient
from kmflow_orchestration.doctor.remedies import create_volume_sql, provision_line
from kmflow_orchestration.errors import RemoteNotFound
from kmflow_orchestration.names import TableName, quoted
from kmflow_orchestration.operations.provision import ALL_TABLES, table_name
from kmflow_orchestration.tables.definition import Column

_TOLD = 5
_MISSING = RemoteNotFound.exit_code


def objects_exist(patient: Patient) -> Finding:
    """Catalog, the five schemas, and the Volume for evidence."""
    if patient.is_local:
        return skipped("evidence and tables lie on this machine")
    config = patient.config
    unity, catalog = UnityCatalog(patient.calls), config.catalog
    if not unity.catalog_exists(catalog):
        sql = f"CREATE CATALOG IF NOT EXISTS {quoted(catalog)}"
        return _missing_object(
            patient, f"there is no catalog {catalog}, or it may not be seen", sql
        )
    found = unity.schemas(catalog)
    if lacking := [name for name in config.namespace.schemas if name not in found]:
        sql = "; ".join(
            f"CREATE SCHEMA IF NOT EXISTS {quoted(catalog)}.{quoted(name)}" for name in lacking
        )
        return _missing_object(patient, f"schemas missing in {catalog}: {', '.join(lacking)}", sql)
    volume = config.volume
    if volume.volume not in unity.volumes(catalog, config.schema):
        told = f"there is no Volume {volume.volume_name}, or it may not be seen"
        return _missing_object(patient, told, create_volume_sql(volume))
    return passed(f"{catalog}: {', '.join(config.namespace.schemas)}; {volume.text}")


def tables_have_their_columns(patient: Patient) -> Finding:
    """Every table of ours, and every dataset's that has rows, as we know it."""
    problems: list[str] = []
    misses = 0
    for table, columns, is_ours in _expected(patient):
        found = _present(patient, table)
        if found is None:
            misses += is_ours
            problems.append(f"{table.text} is missing")
        elif lacking := _lacking(columns, found):
            problems.append(f"{table.text} lacks {', '.join(lacking)}")
    if not problems:
        return passed(f"{sum(1 for _ in _expected(patient))} tables with all their columns")
    again = "materialize bronze_datasets in Dagster for the days whose tables lack something"
    fix = provision_line(patient) if misses else again
    return failed(shortened(problems), fix, exit_code=_MISSING, can_be_made=misses > 0)


def shortened(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return "; ".join(names[:_TOLD]) + more


def dataset_tables(patient: Patient) -> Mapping[TableName, tuple[str, ...]]:
    """Tables of datasets that have parts, with the columns of these."""
    return patient.once("dataset tables", lambda: dict(_of_datasets(patient)))


def _missing_object(patient: Patient, told: str, sql: str) -> Finding:
    fix = f"{provision_line(patient)}, or let who may do it run: {sql}"
    return failed(told, fix, exit_code=_MISSING, can_be_made=True)


def _of_datasets(patient: Patient) -> Iterator[tuple[TableName, tuple[str, ...]]]:
    registry, ledger = patient.ways.datasets(), patient.ways.ledger()
    for engagement in ledger.engagements(patient.group):
        for name in registry.tables(patient.group, engagement.engagement_id):
            parts = registry.of_table(patient.group, name)
            columns = dict.fromkeys(column.name for part in parts for column in part.columns)
            if parts:
                yield patient.config.namespace.bronze(name), tuple(columns)


def _expected(patient: Patient) -> Iterator[tuple[TableName, Sequence[Column], bool]]:
    for definition in ALL_TABLES:
        yield table_name(patient.config.namespace, definition), definition.columns, True
    for table, names in dataset_tables(patient).items():
        yield table, [Column(name, "") for name in names], False


def _present(patient: Patient, table: TableName) -> tuple[Column, ...] | None:
    names = patient.once(
        f"tables of {table.schema}", lambda: frozenset(patient.lakehouse.tables(table.schema))
    )
    return patient.lakehouse.columns(table) if table in names else None


def _lacking(wanted: Iterable[Column], found: Iterable[Column]) -> list[str]:
    """Columns that are not there, or of another type; an empty type is any."""
    types = {column.name.lower(): column.type.upper() for column in found}
    return [
        f"{column.name} {column.type}".strip()
        for column in wanted
        if column.name.lower() not in types
        or (column.type and types[column.name.lower()] != column.type.upper())
    ]
