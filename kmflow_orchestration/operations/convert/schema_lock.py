"""The file that says which tables, columns and types results keep to (row CD-N5).

    schema_lock: 1
    versions:
    - version: 1
      tables:
      - table: ''
        columns:
        - {name: amount, type: 'decimal128(18, 2)', seen: 'NUMBER(4,2,6)'}

The types are those of manifests, and may be edited; `seen` tells how many digits numbers had, so
that what holds them all need not be guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kmflow_orchestration.converters.type_lattice import (
    BOOLEAN,
    DATE,
    DOUBLE,
    EMPTY,
    STRING,
    TIMESTAMP,
    TIMESTAMP_NTZ,
    ColumnType,
    Kind,
    number,
)
from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.operations.convert.layout import LOCK_END
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.convert.output_tables import written_type
from kmflow_orchestration.operations.convert.type_schema import type_name

_FORM = 1
_LONG = 18
_ABOUT = "# Columns and types that `kmflow convert` keeps to; --on-drift says what moves them.\n"
_KINDS = {
    str(written_type(kind)): kind
    for kind in (STRING, BOOLEAN, number(_LONG), DOUBLE, DATE, TIMESTAMP_NTZ, TIMESTAMP)
}


@dataclass(frozen=True, slots=True)
class LockedColumn:
    """A column; one that `is_optional` was not in every file."""

    name: str
    kind: ColumnType
    is_optional: bool = False

    @property
    def type(self) -> str:
        """As manifests name it."""
        return str(written_type(self.kind))


@dataclass(frozen=True, slots=True)
class LockedTable:
    """A table; with `any_order` files had its columns in more than one order."""

    columns: tuple[LockedColumn, ...]
    is_optional: bool = False
    any_order: bool = False

    @property
    def by_name(self) -> dict[str, LockedColumn]:
        """In their order."""
        return {one.name: one for one in self.columns}


Tables = Mapping[str, LockedTable]
"""Tables of one source by part, '' for the only one."""


@dataclass(frozen=True, slots=True)
class LockedVersion:
    """What results of one version keep to, since when, and from which source."""

    number: int
    tables: Tables
    since: str
    source: str


@dataclass(frozen=True, slots=True)
class SchemaLock:
    """Versions in their order; there is at least one."""

    versions: tuple[LockedVersion, ...]

    @property
    def newest(self) -> LockedVersion:
        return self.versions[-1]

    def put(self, version: LockedVersion) -> Self:
        """With a version in the place of the one of its number, or as the newest."""
        others = [one for one in self.versions if one.number != version.number]
        return type(self)(tuple(sorted((*others, version), key=lambda one: one.number)))

    def as_text(self, path: Path) -> str:
        """JSON for a file that is named so, else YAML."""
        value = {"schema_lock": _FORM, "versions": [_told(one) for one in self.versions]}
        if path.suffix.lower() == ".json":
            return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        import yaml

        return _ABOUT + yaml.safe_dump(
            value, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000
        )

    @classmethod
    def of_text(cls, content: bytes, path: Path) -> Self:
        """The lock in a file. Raises InvalidOptions for what is none."""
        try:
            value = _loaded(content.decode("utf-8"), path)
            versions = tuple(_version(one) for one in value["versions"])
            _check(value["schema_lock"], versions)
        # A missing key, a number for a list: whatever a person may write.
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _no_lock(path, error) from error
        return cls(versions)


def lock_file_of(options: ConversionOptions, base: Path) -> Path | None:
    """Where the lock of a result lies that begins as `base`; None if it has none."""
    if options.schema_lock:
        return Path(options.schema_lock)
    return base.with_name(base.name + LOCK_END) if options.on_drift else None


def read_lock(path: Path) -> SchemaLock | None:
    """The lock there; None without a file. Raises OSError, and InvalidOptions for no lock."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except IsADirectoryError as error:
        raise InvalidOptions(f"{path} is a folder", hint="--schema-lock names a file") from error
    return SchemaLock.of_text(content, path)


def kind_of(name: str, column: str) -> ColumnType:
    """The widest type of the lattice that is written as `name`.

    Raises:
        InvalidOptions: nothing that we infer is written so.
    """
    known = type_name(name, column)
    if known.startswith("decimal128("):
        precision, scale = (int(one) for one in known[len("decimal128(") : -1].split(","))
        return number(precision - scale, scale, beyond_long=not scale)
    if known not in _KINDS:
        raise InvalidOptions(
            f"column {column}: no column is of type {known} by itself",
            hint="a lock holds types that conversions find; --schema demands others",
        )
    return _KINDS[known]


def _loaded(text: str, path: Path) -> Any:
    if not text.strip():
        raise ValueError("it is empty")
    if path.suffix.lower() == ".json":
        return json.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _no_lock(path: Path, error: Exception) -> InvalidOptions:
    return InvalidOptions(
        f"{path} is no schema lock: {error}", hint="mend it, or remove it to begin a new one"
    )


def _check(form: object, versions: Sequence[LockedVersion]) -> None:
    if form != _FORM:
        raise ValueError(f"form {form} is not known")
    if not versions or [one.number for one in versions] != list(range(1, len(versions) + 1)):
        raise ValueError("there must be versions 1, 2 and so on")


def _told(version: LockedVersion) -> dict[str, Any]:
    tables = [
        {
            "table": part,
            **({"optional": True} if table.is_optional else {}),
            **({"any_order": True} if table.any_order else {}),
            "columns": [_told_column(one) for one in table.columns],
        }
        for part, table in version.tables.items()
    ]
    return {
        "version": version.number,
        "since": version.since,
        "source": version.source,
        "tables": tables,
    }


def _told_column(column: LockedColumn) -> dict[str, Any]:
    told: dict[str, Any] = {"name": column.name, "type": column.type}
    if column.kind.kind in {Kind.NUMBER, Kind.EMPTY}:
        told["seen"] = column.kind.text
    return {**told, **({"optional": True} if column.is_optional else {})}


def _version(value: Mapping[str, Any]) -> LockedVersion:
    tables = {str(one["table"]): _table(one) for one in value["tables"]}
    if len(tables) != len(value["tables"]):
        raise ValueError("a table is in it twice")
    return LockedVersion(
        int(value["version"]), tables, str(value.get("since", "")), str(value.get("source", ""))
    )


def _table(value: Mapping[str, Any]) -> LockedTable:
    columns: Sequence[LockedColumn] = [_column(one) for one in value["columns"]]
    if len({one.name for one in columns}) != len(columns):
        raise ValueError(f"a column of table {value['table']!r} is in it twice")
    return LockedTable(tuple(columns), bool(value.get("optional")), bool(value.get("any_order")))


def _column(value: Mapping[str, Any]) -> LockedColumn:
    name, told = str(value["name"]), str(value["type"])
    kind = kind_of(told, name)
    seen = ColumnType.parse(value["seen"]) if "seen" in value else EMPTY
    # Of a type that somebody has edited the digits are not known.
    is_seen = "seen" in value and str(written_type(seen)) == str(written_type(kind))
    return LockedColumn(name, seen if is_seen else kind, bool(value.get("optional")))
