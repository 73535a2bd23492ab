"""Types of columns on Databricks SQL: what they become, what is refused, times that do not fit."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from databricks.sqlalchemy import TIMESTAMP, TINYINT, DatabricksDialect
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.schema import CreateTable

from kmflow_orchestration.errors import MixedTimes, UnsupportedColumn
from kmflow_orchestration.lakehouse_sql.column_types import (
    UtcTimestamp,
    check_columns,
    checked_metadata,
)
from kmflow_orchestration.lakehouse_sql.models import LakehouseModel

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WALL = NOON.replace(tzinfo=None)


class Colour(enum.Enum):
    red = "red"


TYPES = {
    "BIGINT": sa.BigInteger(),
    "BOOLEAN": sa.Boolean(),
    "DATE": sa.Date(),
    "TIMESTAMP_NTZ": sa.DateTime(),
    "TIMESTAMP": TIMESTAMP(),
    "TIMESTAMP ": UtcTimestamp(),
    "DOUBLE": sa.Double(),
    "FLOAT": sa.Float(),
    "INT": sa.Integer(),
    "DECIMAL(18, 4)": sa.Numeric(18, 4),
    "SMALLINT": sa.SmallInteger(),
    "STRING": sa.String(20),
    "STRING ": sa.Text(),
    "STRING  ": sa.Unicode(5),
    "STRING   ": sa.Time(),
    "STRING    ": sa.Uuid(),
    "STRING     ": sa.Enum(Colour, native_enum=False),
    "TINYINT": TINYINT(),
}


@pytest.mark.parametrize(("databricks", "column_type"), TYPES.items(), ids=str)
def test_a_type_becomes_the_one_of_databricks(databricks, column_type):
    table = sa.Table("t", checked_metadata(), sa.Column("c", column_type))
    ddl = str(CreateTable(table).compile(dialect=DatabricksDialect()))
    assert ddl.partition("\tc ")[2].partition("\n")[0].strip() == databricks.strip()


def test_an_identity_is_a_bigint_that_says_so():
    key = sa.Column("k", sa.BigInteger, sa.Identity(always=True))
    table = sa.Table("t", checked_metadata(), key)
    ddl = str(CreateTable(table).compile(dialect=DatabricksDialect()))
    assert "k BIGINT GENERATED ALWAYS AS IDENTITY" in ddl


REFUSED = {
    "Volume": sa.LargeBinary(),
    "SHA-256": sa.PickleType(),
    "asset check": sa.Enum(Colour, create_constraint=True, name="colour", native_enum=False),
    "JSON text": sa.JSON(),
    "UtcTimestamp": sa.DateTime(timezone=True),
}


@pytest.mark.parametrize(("instead", "column_type"), REFUSED.items(), ids=REFUSED)
def test_a_type_that_cannot_be_kept_is_refused_when_the_table_is_defined(instead, column_type):
    metadata = checked_metadata()
    with pytest.raises(UnsupportedColumn, match=r"^t\.bad: ") as refused:
        sa.Table("t", metadata, sa.Column("bad", column_type))
    assert instead in refused.value.hint
    assert "t" not in metadata.tables


def test_a_models_bad_column_is_refused_with_its_class():
    with pytest.raises(UnsupportedColumn, match=r"pictures\.content"):

        class Picture(LakehouseModel):
            __tablename__ = "pictures"
            id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
            content: Mapped[bytes] = mapped_column(sa.LargeBinary)


def test_an_identity_of_another_type_is_refused():
    with pytest.raises(UnsupportedColumn, match=r"t\.k"):
        sa.Table("t", checked_metadata(), sa.Column("k", sa.Integer, sa.Identity()))


def test_a_column_added_later_is_looked_at_too():
    table = sa.Table("t", checked_metadata(), sa.Column("k", sa.BigInteger))
    with pytest.raises(UnsupportedColumn):
        table.append_column(sa.Column("bad", sa.LargeBinary))


def test_tables_of_other_metadata_are_left_alone_until_asked_about():
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("bad", sa.LargeBinary))
    with pytest.raises(UnsupportedColumn):
        check_columns(metadata)


@pytest.fixture
def times(either):
    """A table of times on each backend: `moment` has a zone, `wall` has none."""
    table = sa.Table(
        "times", sa.MetaData(), sa.Column("moment", UtcTimestamp), sa.Column("wall", sa.DateTime)
    )
    table.create(either)
    return table


def test_times_come_back_as_they_went(either, times):
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    with either.begin() as connection:
        connection.execute(times.insert().values(moment=elsewhere, wall=WALL))
        connection.execute(times.insert().values(moment=None, wall=None))
        rows = connection.execute(sa.select(times).where(times.c.moment == NOON)).all()
        assert rows == [(NOON, WALL)]
        assert rows[0].moment.tzinfo is not None
        assert connection.execute(sa.select(times).where(times.c.wall.is_(None))).all() == [
            (None, None)
        ]


@pytest.mark.parametrize(("column", "value"), [("moment", WALL), ("wall", NOON)])
def test_a_time_that_does_not_fit_is_refused_with_its_column(either, times, column, value):
    statements = (
        times.insert().values({column: value}),
        times.update().values({column: value}),
        sa.select(times).where(times.c[column] > value),
        times.insert().values([{column: value}, {column: None}]),
    )
    for statement in statements:
        with either.connect() as connection, pytest.raises(MixedTimes, match=f"^{column}"):
            connection.execute(statement)
    with Session(either) as session:
        assert session.execute(sa.select(times)).all() == []
