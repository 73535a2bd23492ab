"""Unity Catalog DDL from catalog entries: pure functions, no catalog in sight (rows B18, B19)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.names import TableName, literal, quoted
from kmflow_orchestration.tables.definition import Column

LAYERS = ("bronze", "silver", "gold")
CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
_TYPES = {
    **dict.fromkeys(("str", "string", "text", "uuid", "json"), "STRING"),
    **dict.fromkeys(("int", "integer", "bigint", "long"), "BIGINT"),
    **dict.fromkeys(("float", "double"), "DOUBLE"),
    **dict.fromkeys(("bool", "boolean"), "BOOLEAN"),
    **dict.fromkeys(("bytes", "binary"), "BINARY"),
    "date": "DATE",
    **dict.fromkeys(("datetime", "timestamp"), "TIMESTAMP"),
}
_DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*(?:,\s*(\d{1,2})\s*)?\)")
_LONGEST = 255
_WITHOUT_SCHEMA = (Column("id", "STRING", nullable=False), Column("created_at", "TIMESTAMP"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """A dataset as the data catalog describes it; `schema_definition` maps columns to types.

    `retention_days` is how long files that no version needs any more are kept, `history_days` how
    long versions can be told of: neither ever deletes a row (AB-S16).
    """

    dataset_name: str
    layer: str
    schema_definition: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    owner: str = ""
    classification: str = "internal"
    retention_days: int | None = None
    history_days: int | None = None

    @property
    def key(self) -> str:
        """`layer.dataset`, as results name it."""
        return f"{self.layer.lower()}.{self.dataset_name}"


@dataclass(frozen=True, slots=True)
class EntryDdl:
    """The statement that makes an entry's table; `warnings` say what had to be decided."""

    table: TableName
    statement: str
    columns: tuple[Column, ...]
    warnings: tuple[str, ...] = ()


def layer_schema(schema: str, layer: str) -> str:
    """`{schema}_{layer}`; the layer's case does not matter. Raises ValueError for no layer."""
    if layer.lower() not in LAYERS:
        raise ValueError(f"{layer!r} is no layer: one of {', '.join(LAYERS)}")
    return f"{schema}_{layer.lower()}"


def clean_identifier(text: str) -> str:
    """A name every tool takes: spaces and `-` become `_`, other signs go, 255 at most."""
    return re.sub(r"[^0-9A-Za-z_]", "", re.sub(r"[ -]", "_", text))[:_LONGEST]


def column_type(text: str) -> str | None:
    """The SQL type for a type's name in a catalog entry, None for one nobody knows."""
    name = text.strip().lower()
    if found := _DECIMAL.fullmatch(name):
        precision, scale = int(found[1]), int(found[2] or 0)
        return f"DECIMAL({precision},{scale})" if scale <= precision <= 38 and precision else None
    return _TYPES.get(name)


def entry_ddl(entry: CatalogEntry, catalog: str, schema: str) -> EntryDdl:
    """`CREATE TABLE IF NOT EXISTS` for an entry.

    Raises:
        InvalidSettings: no such layer or classification, days that are no positive number, a name
            of which cleaning leaves nothing, or columns it makes equal.
    """
    _check(entry)
    table = TableName(catalog, layer_schema(schema, entry.layer), _cleaned(entry.dataset_name))
    columns, warnings = _columns(entry)
    lines = ",\n  ".join(column.ddl for column in columns)
    statement = f"CREATE TABLE IF NOT EXISTS {table.sql} (\n  {lines}\n) USING DELTA"
    statement += f"\nCOMMENT {literal(table_comment(entry))}"
    if properties := _properties(entry):
        statement += f"\nTBLPROPERTIES ({properties})"
    return EntryDdl(table, statement, columns, warnings)


def tags_sql(entry: CatalogEntry, table: TableName) -> str:
    """The statement that tags a table with its classification."""
    return f"ALTER TABLE {table.sql} SET TAGS ('classification' = {literal(entry.classification)})"


def owner_sql(entry: CatalogEntry, table: TableName) -> str:
    """The statement that gives a table to its entry's owner."""
    return f"ALTER TABLE {table.sql} SET OWNER TO {quoted(entry.owner)}"


def table_comment(entry: CatalogEntry) -> str:
    """What people read about a table in the catalog."""
    parts = (
        entry.description.strip(),
        f"Owner: {entry.owner}" if entry.owner else "",
        f"Classification: {entry.classification}" if entry.classification else "",
    )
    return " | ".join(part for part in parts if part) or f"Dataset of layer {entry.layer.lower()}"


def _check(entry: CatalogEntry) -> None:
    problems = []
    if entry.layer.lower() not in LAYERS:
        problems.append(("layer", f"one of {', '.join(LAYERS)}"))
    if entry.classification and entry.classification not in CLASSIFICATIONS:
        problems.append(("classification", f"one of {', '.join(CLASSIFICATIONS)}"))
    for name in ("retention_days", "history_days"):
        days = getattr(entry, name)
        if days is not None and (not isinstance(days, int) or isinstance(days, bool) or days < 1):
            problems.append((name, "a number of days, 1 or more"))
    if problems:
        raise InvalidSettings.of(problems)


def _cleaned(name: str, field_name: str = "dataset_name") -> str:
    cleaned = clean_identifier(name)
    if not cleaned:
        raise InvalidSettings(f"nothing of {name!r} can stand in a name", fields=(field_name,))
    return cleaned


def _columns(entry: CatalogEntry) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    if not entry.schema_definition:
        return _WITHOUT_SCHEMA, ()
    columns: dict[str, Column] = {}
    origins: dict[str, str] = {}
    warnings = []
    for name, given in entry.schema_definition.items():
        cleaned = _cleaned(name, "schema_definition")
        folded = cleaned.lower()
        if folded in columns:
            raise InvalidSettings(
                f"columns {origins[folded]!r} and {name!r} would both be {cleaned!r}",
                fields=("schema_definition",),
            )
        kind = column_type(given)
        if kind is None:
            kind = "STRING"
            warnings.append(f"column {name!r}: type {given!r} is not known, STRING is used")
        columns[folded], origins[folded] = Column(cleaned, kind), name
    return tuple(columns.values()), tuple(warnings)


def _properties(entry: CatalogEntry) -> str:
    days = {
        "delta.deletedFileRetentionDuration": entry.retention_days,
        "delta.logRetentionDuration": entry.history_days,
    }
    return ", ".join(
        f"'{name}' = 'interval {count} days'" for name, count in days.items() if count is not None
    )
