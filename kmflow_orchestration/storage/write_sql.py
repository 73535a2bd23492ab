"""Text of the few statements that write: the same for Sail and a warehouse (design AD1, AD3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kmflow_orchestration.names import TableName, literal, quoted
from kmflow_orchestration.tables.definition import Column


def predicate(matching: Mapping[str, Sequence[str]]) -> str:
    """Condition that finds the rows to replace.

    Raises:
        ValueError: no value at all: nothing would ever be found again.
    """
    tests = [
        # Sail takes NULL for a match in REPLACE WHERE: the test must never be NULL.
        f"({quoted(name)} IS NOT NULL AND {quoted(name)} IN ({_literals(values)}))"
        for name, values in matching.items()
        if values
    ]
    if not tests:
        raise ValueError("nothing says which rows are replaced")
    return " OR ".join(tests)


def parquet_source(path: str) -> str:
    """A Parquet file as a table."""
    return f"parquet.{quoted(path)}"


def replace_sql(table: TableName, condition: str, columns: Sequence[Column], source: str) -> str:
    """Remove the rows that match and add all rows of the source, in one commit."""
    return (
        f"INSERT INTO {table.sql} REPLACE WHERE {condition}\nSELECT {_names(columns)} FROM {source}"
    )


def delete_sql(table: TableName, condition: str) -> str:
    """Remove the rows that match."""
    return f"DELETE FROM {table.sql} WHERE {condition}"


def merge_sql(table: TableName, keys: Sequence[str], columns: Sequence[Column], source: str) -> str:
    """Insert the source's rows; where a key is there, replace the row's values."""
    match = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in keys)
    values = [quoted(column.name) for column in columns if column.name not in keys]
    updates = ", ".join(f"t.{name} = s.{name}" for name in values)
    update = f"WHEN MATCHED THEN UPDATE SET {updates}\n" if updates else ""
    inserted = ", ".join(f"s.{quoted(column.name)}" for column in columns)
    return (
        f"MERGE INTO {table.sql} AS t\n"
        f"USING (SELECT {_names(columns)} FROM {source}) AS s\n"
        f"ON {match}\n"
        f"{update}"
        f"WHEN NOT MATCHED THEN INSERT ({_names(columns)}) VALUES ({inserted})"
    )


def rebuild_sql(table: TableName, columns: Sequence[Column], source: str) -> str:
    """A table of exactly these columns and the source's rows, whatever was there."""
    selected = ", ".join(
        f"CAST({quoted(column.name)} AS {column.type}) AS {quoted(column.name)}"
        for column in columns
    )
    return f"CREATE OR REPLACE TABLE {table.sql} USING DELTA AS\nSELECT {selected} FROM {source}"


def _literals(values: Sequence[str]) -> str:
    return ", ".join(literal(value) for value in values)


def _names(columns: Sequence[Column]) -> str:
    return ", ".join(quoted(column.name) for column in columns)
