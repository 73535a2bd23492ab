"""Catalog entries: those of a group's own tables, and those that stand in a file."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import yaml

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import ConfigurationError
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.catalog_entries import LAYERS, CatalogEntry, layer_schema
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES

_FIELDS = {one.name for one in fields(CatalogEntry)}
# Of a data catalog's record, what has nothing to do with the table.
_IGNORED = {
    *("id", "engagement_id", "dataset_type", "quality_sla", "row_count", "size_bytes"),
    *("delta_table_path", "created_at", "updated_at"),
}
_ABOUT = {(one.layer, one.name): one.comment for one in MEDALLION_TABLES}


def entries_of_group(lakehouse: Lakehouse, config: GroupConfig) -> list[CatalogEntry]:
    """An entry for each table of the group's three layers. Raises RemoteFault."""
    return [
        CatalogEntry(
            dataset_name=table.name,
            layer=layer,
            schema_definition={
                column.name: column.type for column in lakehouse.columns(table) or ()
            },
            description=_ABOUT.get((layer, table.name), "Evidence as a typed table"),
        )
        for layer in LAYERS
        for table in lakehouse.tables(layer_schema(config.schema, layer))
    ]


def read_entries(text: str) -> list[CatalogEntry]:
    """Entries of a YAML or JSON list, or of one below `entries`.

    Raises:
        ConfigurationError: it is no such list; an entry that lacks a name or layer, has a field
            nobody knows, or one of another kind is named by its number.
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError("the file is neither YAML nor JSON") from error
    if isinstance(found, dict):
        found = found.get("entries")
    if not isinstance(found, list):
        raise ConfigurationError("the file holds no list of entries", hint="entries: [...]")
    return [_entry(number, record) for number, record in enumerate(found, start=1)]


def _entry(number: int, record: object) -> CatalogEntry:
    if not isinstance(record, dict):
        raise ConfigurationError(f"entry {number} is no mapping")
    unknown = sorted(str(name) for name in record.keys() - _FIELDS - _IGNORED)
    if unknown:
        raise ConfigurationError(f"entry {number} has unknown fields: {', '.join(unknown)}")
    values: dict[str, Any] = {
        name: value for name, value in record.items() if name in _FIELDS and value is not None
    }
    wrong = [name for name, value in values.items() if not _fits(name, value)]
    wrong += [name for name in ("dataset_name", "layer") if name not in values]
    if wrong:
        raise ConfigurationError(f"entry {number}: wrong or missing: {', '.join(sorted(wrong))}")
    return CatalogEntry(**values)


def _fits(name: str, value: object) -> bool:
    if name == "schema_definition":
        return isinstance(value, dict) and all(
            isinstance(part, str) for pair in value.items() for part in pair
        )
    return isinstance(value, int if name.endswith("_days") else str)
