"""The text of an INSERT for the engine: every column of the table, in the table's order."""

from __future__ import annotations

from collections.abc import Sequence

from kmflow_orchestration.names import quoted
from kmflow_orchestration.sail.tables import Column, sail_name
from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_plans import Insertion


def insert_sql(plan: Insertion, columns: Sequence[Column], given: Sequence[str]) -> str:
    """The statement; `given` are the names of the query's columns.

    Raises:
        SqlError: columns do not fit the table.
    """
    target = sail_name(*plan.target.parts)
    head = f"INSERT {'OVERWRITE' if plan.overwrite else 'INTO'} {target}"
    if plan.replace_where is not None:
        # Sail takes NULL for a match, Databricks does not.
        head = f"{head} REPLACE WHERE ({plan.replace_where}) IS TRUE"
    if plan.columns is None and not plan.by_name:
        _check_arity(plan, given, [column.name for column in columns])
        return f"{head} {plan.source}"
    return f"{head} SELECT {_selected(plan, columns, given)} FROM {_source(plan, columns, given)}"


def mismatch_sql(plan: Insertion, columns: Sequence[Column], given: Sequence[str]) -> str | None:
    """A query that counts, as `mismatches`, rows outside the predicate of REPLACE WHERE.

    Databricks refuses them; Sail would write them. None when the statement has no predicate.

    Raises:
        SqlError: columns do not fit the table.
    """
    if plan.replace_where is None:
        return None
    inner = f"SELECT {_selected(plan, columns, given)} FROM {_source(plan, columns, given)}"
    names = ", ".join(quoted(column.name) for column in columns)
    return (
        f"SELECT count(*) AS mismatches FROM ({inner}) AS _written({names})"
        f" WHERE NOT coalesce(({plan.replace_where}), FALSE)"
    )


def _source(plan: Insertion, columns: Sequence[Column], given: Sequence[str]) -> str:
    names = ", ".join(quoted(name) for name in _names(plan, columns, given))
    return f"({plan.source}) AS _given({names})"


def _selected(plan: Insertion, columns: Sequence[Column], given: Sequence[str]) -> str:
    present = {name.lower() for name in _names(plan, columns, given)}
    return ", ".join(
        quoted(column.name)
        if column.name.lower() in present
        else f"CAST(NULL AS {column.type}) AS {quoted(column.name)}"
        for column in columns
    )


def _names(plan: Insertion, columns: Sequence[Column], given: Sequence[str]) -> list[str]:
    """The table's columns that the query's columns fill, in the query's order."""
    known = {column.name.lower() for column in columns}
    names = list(given if plan.by_name else plan.columns or [column.name for column in columns])
    _check_arity(plan, given, names)
    for name in names:
        if name.lower() not in known:
            raise SqlError(
                "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
                f"A column, variable, or function parameter with name {quoted(name)} cannot be"
                " resolved.",
            )
    if len({name.lower() for name in names}) < len(names):
        raise SqlError("COLUMN_ALREADY_EXISTS", "A column is named twice in the INSERT.")
    return names


def _check_arity(plan: Insertion, given: Sequence[str], names: Sequence[str]) -> None:
    if len(given) == len(names):
        return
    kind = "NOT_ENOUGH_DATA_COLUMNS" if len(given) < len(names) else "TOO_MANY_DATA_COLUMNS"
    reason = "not enough" if len(given) < len(names) else "too many"
    table = ".".join(quoted(part) for part in plan.target.parts)
    raise SqlError(
        f"INSERT_COLUMN_ARITY_MISMATCH.{kind}",
        f"Cannot write to {table}, the reason is {reason} data columns:\nTable columns:"
        f" {', '.join(quoted(name) for name in names)}.\nData columns:"
        f" {', '.join(quoted(name) for name in given)}.",
    )
