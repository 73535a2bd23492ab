"""Which tables a conversion may make, and what they are called (rows D12, AD9)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kmflow_orchestration.errors import InvalidOptions, PlaceNotAllowed
from kmflow_orchestration.names import TableName, safe_column, short_hash
from kmflow_orchestration.operations.convert.contained_files import EXTRACT
from kmflow_orchestration.operations.convert.folder_plan import PlannedFile
from kmflow_orchestration.operations.convert.option_table import TABLE
from kmflow_orchestration.operations.convert.options import ConversionOptions
from kmflow_orchestration.operations.provision import ALL_TABLES
from kmflow_orchestration.operations.volume_conversion.convert_volume_file import refuse_lock
from kmflow_orchestration.operations.volume_conversion.places import GroupPlaces

_NAME = re.compile(r"[A-Za-z0-9_]{1,200}")
_LONGEST = 240
_FORM = "--table CATALOG.SCHEMA.TABLE, of letters, digits and _"
_FOLDER_FORM = "--table CATALOG.SCHEMA: its tables are named by their files"
# What the product itself provisions beside a group's Volume.
_KEPT = frozenset(one.name for one in ALL_TABLES if not one.layer)


def parquet_options(options: ConversionOptions) -> tuple[str, ConversionOptions]:
    """What `--table` says, and the options for the files whose rows become tables.

    Raises:
        InvalidOptions: `--table` is not there, or twice; or an option would leave something beside
            the result, where a table has no place for it.
    """
    named = options.reader.get("table", ())
    if len(named) != 1:
        raise InvalidOptions(f"--format {TABLE} needs one --table", hint=_FORM)
    refuse_lock(options)
    if options.is_quarantining:
        raise InvalidOptions(
            "rows that do not fit have no place in a table",
            hint="leave out --on-bad-row quarantine, or convert to Parquet",
        )
    if options.reader.get(EXTRACT):
        raise InvalidOptions(
            "what is attached has no place in a table", hint="convert to Parquet to have it"
        )
    reader = {name: value for name, value in options.reader.items() if name != "table"}
    # No engine takes every header as a name.
    own = replace(options, format_type="parquet", column_names="safe", reader=reader)
    return named[0], own


def target_of(text: str, places: GroupPlaces) -> TableName:
    """The table that was named, in the group's own spelling.

    Raises:
        InvalidOptions: it is not of that form.
        GroupMismatch: it lies in none of the group's schemas.
        PlaceNotAllowed: the product keeps it, or the schema that it lies in.
    """
    parts = text.split(".")
    if len(parts) != 3 or not _NAME.fullmatch(parts[2]):
        raise InvalidOptions(f"--table {text} names no table", hint=_FORM)
    schema = _schema(parts[0], parts[1], places)
    return _checked(TableName(*schema, parts[2].lower()))


def folder_of(text: str, places: GroupPlaces) -> tuple[str, str]:
    """Catalog and schema for the tables of a batch. Raises as `target_of`."""
    parts = text.split(".")
    if len(parts) != 2:
        raise InvalidOptions(f"--table {text} names no schema", hint=_FOLDER_FORM)
    return _schema(parts[0], parts[1], places)


def _schema(catalog: str, schema: str, places: GroupPlaces) -> tuple[str, str]:
    places.check_schema(catalog, schema)
    own = places.config
    if schema.lower() != own.schema.lower():
        raise PlaceNotAllowed(
            f"tables of {own.catalog}.{schema} are the product's own",
            hint=f"name a table of {own.catalog}.{own.schema}",
        )
    return own.catalog, own.schema


def _checked(table: TableName) -> TableName:
    if table.name in _KEPT:
        raise PlaceNotAllowed(f"{table} is the product's own", hint="name another table")
    return table


def part_tables(target: TableName, parts: Sequence[str]) -> tuple[TableName, ...]:
    """The table of each part of a source: one has the name itself, several `NAME__part`.

    Parts that come out alike get six hex digits of their own name.

    Raises:
        PlaceNotAllowed: the product keeps a table of that name.
    """
    if len(parts) == 1:
        return (target,)
    plain = [f"__{safe_column(part) or 'sheet'}" if part else "" for part in parts]
    return tuple(
        _checked(replace(target, name=name)) for name in _told_apart(target.name, plain, parts)
    )


def file_tables(schema: tuple[str, str], files: Sequence[PlannedFile]) -> dict[str, TableName]:
    """The table of each file of a batch, by its path within: folders and stem, cleaned.

    Files that come out alike get six hex digits of their path.

    Raises:
        PlaceNotAllowed: the product keeps a table of that name.
    """
    paths = [one.path for one in files]
    stems = ["/".join((*one.path.split("/")[:-1], one.stem)) for one in files]
    plain = [safe_column(stem) or "data" for stem in stems]
    names = _told_apart("", plain, paths)
    return {
        path: _checked(TableName(*schema, name)) for path, name in zip(paths, names, strict=True)
    }


def _told_apart(prefix: str, plain: Sequence[str], keys: Sequence[str]) -> list[str]:
    counts = Counter(plain)
    names = []
    for name, key in zip(plain, keys, strict=True):
        whole = f"{prefix}{name}"
        if counts[name] > 1 or len(whole) > _LONGEST:
            whole = f"{whole[:_LONGEST]}_{short_hash(key)}"
        names.append(whole)
    return names
