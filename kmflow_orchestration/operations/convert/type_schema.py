"""Types that somebody demands of columns: a file of them, read and checked (row D18).

    columns: {id: int64, amount: "decimal128(18, 2)"}     # of every table that has them
    tables: {Loans: {id: int64}}                          # of one table or sheet

The type names are those of manifests and of `kmflow info`, and a manifest or what `kmflow info
--format json` prints is such a file, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kmflow_orchestration.config.nearest import nearest_or_all
from kmflow_orchestration.errors import InvalidOptions

ANY_TABLE = "*"
_NAMES = (
    *("string", "bool", "int8", "int16", "int32", "int64", "double"),
    *("date32[day]", "timestamp[us]", "timestamp[us, tz=UTC]"),
)
_ALIASES = {
    "text": "string",
    "boolean": "bool",
    "bigint": "int64",
    "float64": "double",
    "date": "date32[day]",
    "date32": "date32[day]",
    "timestamp": "timestamp[us]",
}
_DECIMAL = re.compile(r"decimal(?:128)?\((\d{1,2}),(\d{1,2})\)")
_MOST_DIGITS = 38

TypeSchema = Mapping[str, Mapping[str, str]]
"""Type names by column, by table; those of `*` hold for every table that has the column."""


def read_schema(given: object) -> dict[str, dict[str, str]]:
    """The types in a file, or in a mapping like one.

    Raises:
        InvalidOptions: the file cannot be read, has another form, or names an unknown type.
    """
    if isinstance(given, str | Path):
        where, value = str(given), _loaded(Path(given))
    else:
        where, value = "schema", given
    if not isinstance(value, Mapping):
        raise _wrong(where)
    found: dict[str, dict[str, str]] = {}
    for table, columns in _tables(value, where):
        known = found.setdefault(table or ANY_TABLE, {})
        for column, name in columns:
            if not isinstance(column, str) or not isinstance(name, str):
                raise _wrong(where)
            known[column] = type_name(name, column)
    if not any(found.values()):
        raise InvalidOptions(f"{where} names no column")
    return found


def type_name(name: str, column: str) -> str:
    """A type by the one name that it has. Raises InvalidOptions for one that is unknown."""
    plain = name.strip().lower().replace("tz=utc", "tz=UTC")
    decimal = _DECIMAL.fullmatch(plain.replace(" ", ""))
    if decimal is not None:
        precision, scale = int(decimal[1]), int(decimal[2])
        if 0 < precision <= _MOST_DIGITS and scale <= precision:
            return f"decimal128({precision}, {scale})"
    elif (known := _ALIASES.get(plain, plain)) in _NAMES:
        return known
    raise InvalidOptions(
        f"column {column}: there is no type {name}",
        hint=nearest_or_all(plain, (*_NAMES, *_ALIASES, "decimal128(18, 2)")),
    )


def types_of(schema: TypeSchema, part: str, columns: Sequence[Sequence[str]]) -> dict[int, str]:
    """The demanded types of one table's columns, by their position; each may have several names."""
    own = {**schema.get(ANY_TABLE, {}), **schema.get(part, {})}
    return {
        at: next(own[name] for name in names if name in own)
        for at, names in enumerate(columns)
        if any(name in own for name in names)
    }


def check_names(schema: TypeSchema, tables: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Raises InvalidOptions for a table or a column that is not there."""
    for table, types in schema.items():
        if table != ANY_TABLE and table not in tables:
            named = [*filter(None, tables)]
            raise InvalidOptions(
                f"the schema names a table {table}, which is not there",
                hint=nearest_or_all(table, named) if named else "there is one table",
            )
        searched = tables.values() if table == ANY_TABLE else [tables[table]]
        known = {name for columns in searched for names in columns for name in names}
        for column in types:
            if column not in known:
                raise InvalidOptions(
                    f"the schema names a column {column}, which is not there",
                    hint=nearest_or_all(column, [*filter(None, known)]),
                )


def _loaded(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix.lower() == ".json" else _yaml(text, path)
    except OSError as error:
        raise InvalidOptions(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidOptions(f"{path} is neither JSON nor YAML in UTF-8") from error


def _yaml(text: str, path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidOptions(f"{path} is no YAML: {error}") from error


def _tables(value: Mapping[Any, Any], where: str) -> Iterator[tuple[Any, Iterable[Any]]]:
    if "manifest" in value and isinstance(value.get("outputs"), list):
        tables = [one for one in value["outputs"] if not one.get("is_document")]
        yield from ((one.get("part", ""), list(_listed(one, where))) for one in tables)
    elif isinstance(value.get("tables"), list):
        yield from ((one.get("part", ""), list(_listed(one, where))) for one in value["tables"])
    elif all(isinstance(one, str) for one in value.values()):
        yield ANY_TABLE, value.items()
    else:
        for name, one in value.items():
            if name == "columns" and isinstance(one, Mapping):
                yield ANY_TABLE, one.items()
            elif name == "tables" and isinstance(one, Mapping):
                for table, columns in one.items():
                    if not isinstance(table, str) or not isinstance(columns, Mapping):
                        raise _wrong(where)
                    yield table, columns.items()
            else:
                raise _wrong(where)


def _listed(table: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """Columns as manifests list them; what is not from the source has no name there."""
    try:
        for one in table["columns"]:
            if one.get("source_name") or one["name"] != "_rescued_data":
                yield one["name"], one["type"]
    except (KeyError, TypeError, AttributeError) as error:
        raise _wrong(where) from error


def _wrong(where: str) -> InvalidOptions:
    return InvalidOptions(
        f"{where} is no list of types",
        hint="such as `columns: {id: int64}`; a manifest, or `kmflow info --format json`, is one",
    )
