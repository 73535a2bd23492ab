"""Columns that Databricks SQL can keep, and times with and without a zone (rows C18, C19)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    BigInteger,
    Column,
    DateTime,
    Enum,
    LargeBinary,
    MetaData,
    PickleType,
    Table,
    TypeDecorator,
    event,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from kmflow_orchestration.errors import MixedTimes, UnsupportedColumn

_CHECKED = "kmflow_checked"


class UtcTimestamp(TypeDecorator[datetime]):
    """A moment: with a zone in Python, TIMESTAMP on Databricks, UTC text in SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "databricks":
            return dialect.type_descriptor(DateTime())
        import databricks.sqlalchemy as of_dialect

        return dialect.type_descriptor(of_dialect.TIMESTAMP())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is None:
            return value
        moment = value.astimezone(UTC)
        return moment if dialect.name == "databricks" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def checked_metadata() -> MetaData:
    """Metadata whose tables are checked while they are defined.

    A column that Databricks SQL cannot keep raises UnsupportedColumn, with what to use instead.
    """
    return MetaData(info={_CHECKED: True})


def check_columns(metadata: MetaData) -> None:
    """The same for tables defined already. Raises UnsupportedColumn."""
    for table in metadata.tables.values():
        for column in table.columns:
            _check(column, table)


@event.listens_for(Column, "after_parent_attach")
def _attached(column: Column[Any], table: Any) -> None:
    if isinstance(table, Table) and table.metadata.info.get(_CHECKED):
        _check(column, table)


def _check(column: Column[Any], table: Table) -> None:
    instead = _instead_of(column)
    if instead:
        raise UnsupportedColumn(
            f"{table.name}.{column.name}: {type(column.type).__name__} cannot be kept in Databricks"
            " SQL",
            hint=f"use {instead}",
        )


def _instead_of(column: Column[Any]) -> str:
    """What to use instead of a column's type; '' when it is fine."""
    kind = column.type
    if isinstance(kind, PickleType | LargeBinary):
        return "a String with the path in a Volume, and one with the content's SHA-256"
    if isinstance(kind, Enum) and kind.create_constraint:
        return "String, and an asset check of its values"
    if isinstance(kind, JSON):
        return "String with the JSON text"
    if isinstance(kind, DateTime) and kind.timezone and not isinstance(kind, TIMESTAMP):
        return "UtcTimestamp: DateTime becomes TIMESTAMP_NTZ and forgets the zone"
    if column.identity is not None and not isinstance(kind, BigInteger):
        return "BigInteger: only a BIGINT can be an identity"
    return ""


def check_times(context: Any) -> None:
    """Whether each time of a statement has a zone exactly when its column wants one.

    Raises:
        MixedTimes: names the column.
    """
    binds = getattr(getattr(context, "compiled", None), "binds", None) or {}
    wanted = {name: bind for name, bind in binds.items() if _is_time(bind.type)}
    for values in context.compiled_parameters if wanted else ():
        for name, bind in wanted.items():
            _check_time(values.get(name), bind.type, name)


# Names of bound values are made from the column's: `at`, `at_1`, `at_m0`.
_SUFFIX = re.compile(r"_m?\d+$")


def _check_time(value: object, kind: TypeEngine[Any], name: str) -> None:
    if not isinstance(value, datetime) or (value.tzinfo is not None) == _has_zone(kind):
        return
    column = _SUFFIX.sub("", name)
    if _has_zone(kind):
        raise MixedTimes(
            f"{column}: a time without a zone for a column with one", hint="give it tzinfo=UTC"
        )
    raise MixedTimes(
        f"{column}: a time with a zone for a column without one",
        hint="make the column a UtcTimestamp, or take the zone away yourself",
    )


def _is_time(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, DateTime) or (
        isinstance(kind, TypeDecorator) and isinstance(kind.impl_instance, DateTime)
    )


def _has_zone(kind: TypeEngine[Any]) -> bool:
    if isinstance(kind, UtcTimestamp):
        return True
    # The dialect's own TIMESTAMP is not imported for this question.
    of_dialect = type(kind).__module__.startswith("databricks.sqlalchemy")
    return type(kind).__name__ == "TIMESTAMP" and (of_dialect or bool(getattr(kind, "timezone", 0)))
