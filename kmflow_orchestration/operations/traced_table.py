"""Which table and which of its rows somebody means who wants to know where they came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.converters.interface import SOURCE_ROW
from kmflow_orchestration.converters.type_lattice import MAX_DIGITS
from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.names import LAYERS, Namespace, TableName, quoted
from kmflow_orchestration.operations.table_names import BASE
from kmflow_orchestration.storage.interfaces import Lakehouse
from kmflow_orchestration.tables.definition import Column
from kmflow_orchestration.tables.medallion import (
    DATASET_EVIDENCE_COLUMN,
    EVIDENCE_COLUMN,
    EVIDENCE_METADATA,
)

PART_COLUMN, ROW_COLUMN = "_source_part", SOURCE_ROW
# Profile results are about tables: no row of them came from a file.
_TRACED = (BASE, *LAYERS[:-1])
_PLACE = re.compile(r"(?P<item>[0-9A-Za-z-]+):(?P<part>.*):(?P<row>[0-9]{1,18})", re.DOTALL)
_BEYOND_LONG = 1 << 63
_HOW = "COLUMN=VALUE, or EVIDENCE_ID:PART:ROW as the provenance columns have them"


@dataclass(frozen=True, slots=True)
class TracedTable:
    """A table of a group; `evidence_column` holds the item that each row came from."""

    name: TableName
    columns: tuple[Column, ...]
    evidence_column: str

    @property
    def is_dataset(self) -> bool:
        return self.evidence_column == DATASET_EVIDENCE_COLUMN

    def query(self, keys: Sequence[str], limit: int) -> tuple[str, Mapping[str, Any]]:
        """Rows that all keys fit, in the order of their sources. Raises InvalidSettings."""
        conditions, parameters = list[str](), dict[str, Any]()
        for key in keys:
            for column, value in self._meant(key):
                name = f"key_{len(parameters)}"
                sql, parameters[name] = _condition(column, value, name)
                conditions.append(sql)
        order = [self.evidence_column]
        order += [PART_COLUMN, ROW_COLUMN] if self.is_dataset else []
        text = (
            f"SELECT * FROM {self.name.sql}"
            f" WHERE group_id = :group_id AND {' AND '.join(conditions)}"
            f" ORDER BY {', '.join(map(quoted, order))} LIMIT {int(limit)}"
        )
        return text, parameters

    def _meant(self, key: str) -> list[tuple[Column, str]]:
        place = _PLACE.fullmatch(key)
        if self.is_dataset and place is not None:
            found = (place["item"], place["part"], place["row"])
            names = (self.evidence_column, PART_COLUMN, ROW_COLUMN)
            return [(self._column(name), text) for name, text in zip(names, found, strict=True)]
        name, is_pair, value = key.partition("=")
        if not is_pair or not name:
            raise InvalidSettings(f"{key!r} names no row", fields=("key",), hint=_HOW)
        return [(self._column(name), value)]

    def _column(self, name: str) -> Column:
        by_name = {column.name: column for column in self.columns}
        found = by_name.get(name) or next(
            (one for one in self.columns if one.name.casefold() == name.casefold()), None
        )
        if found is None:
            raise InvalidSettings(
                f"{self.name} has no column {name!r}{nearest(name, by_name)}",
                fields=("key",),
                hint=f"its columns: {', '.join(by_name)}",
            )
        return found


def traced_table(text: str, namespace: Namespace, lakehouse: Lakehouse) -> TracedTable:
    """A table by its name, with or without layer, or schema and catalog.

    Raises:
        InvalidSettings: the group has no such table, or none of its rows came from one file.
    """
    known = {
        table: layer for layer in _TRACED for table in lakehouse.tables(_schema(namespace, layer))
    }
    table = next((one for one, layer in known.items() if text in _names(one, layer)), None)
    if table is None:
        short = nearest(text.rpartition(".")[2], [one.name for one in known])
        raise InvalidSettings(
            f"there is no table {text!r}{short}",
            fields=("table",),
            hint="TABLE or LAYER.TABLE, where LAYER is one of " + ", ".join(_TRACED),
        )
    columns = lakehouse.columns(table) or ()
    names = {column.name for column in columns}
    for candidate in (DATASET_EVIDENCE_COLUMN, EVIDENCE_COLUMN):
        if candidate in names:
            return TracedTable(table, columns, candidate)
    if table == namespace.base(EVIDENCE_METADATA.name):
        return TracedTable(table, columns, EVIDENCE_METADATA.key[0])
    raise InvalidSettings(
        f"rows of {table} did not come from one file each",
        fields=("table",),
        hint=f"a table with {DATASET_EVIDENCE_COLUMN} or {EVIDENCE_COLUMN} can be traced",
    )


def _schema(namespace: Namespace, layer: str) -> str:
    return namespace.base("").schema if layer == BASE else namespace.layer(layer, "").schema


def _names(table: TableName, layer: str) -> set[str]:
    short = f"{layer}.{table.name}"
    return {table.name, short, f"{table.schema}.{table.name}", table.text}


def _condition(column: Column, value: str, name: str) -> tuple[str, Any]:
    """What is compared, and the parameter's value. Raises InvalidSettings for another type's."""
    kind = column.type.upper()
    if column.name == PART_COLUMN:
        return f"COALESCE({quoted(column.name)}, '') = :{name}", value
    if kind == "STRING":
        return f"{quoted(column.name)} = :{name}", value
    try:
        kind, typed = _typed(value, kind)
    except (ValueError, InvalidOperation) as error:
        raise InvalidSettings(
            f"{value!r} is no {kind}, as column {column.name} is",
            fields=("key",),
            hint="give the value as the table has it",
        ) from error
    # As text: no parameter has the type of a decimal, and each engine reads its own text.
    return f"{quoted(column.name)} = CAST(:{name} AS {kind})", typed


def _typed(value: str, kind: str) -> tuple[str, str]:
    """The type to compare as, and the value as a cast to it takes it.

    Raises:
        ValueError, InvalidOperation: no value of that type.
    """
    if kind in {"BIGINT", "INT", "SMALLINT", "TINYINT"}:
        number = int(value)
        if not -_BEYOND_LONG <= number < _BEYOND_LONG:
            raise ValueError(value)
        return "BIGINT", str(number)
    if kind == "BOOLEAN":
        if value.casefold() not in {"true", "false"}:
            raise ValueError(value)
        return kind, value.casefold()
    if kind == "DATE":
        return kind, date.fromisoformat(value).isoformat()
    if kind.startswith("TIMESTAMP"):
        return kind, datetime.fromisoformat(value).isoformat(sep=" ")
    if kind.startswith("DECIMAL"):
        return _decimal(Decimal(value))
    return kind, repr(float(value))


def _decimal(number: Decimal) -> tuple[str, str]:
    """In its own scale: a cast to the column's would round it to another number."""
    text = f"{number:f}"
    scale = len(text.partition(".")[2])
    if not number.is_finite() or len(text.strip("-").replace(".", "")) > MAX_DIGITS:
        raise ValueError(text)
    return f"DECIMAL({MAX_DIGITS}, {scale})", text
