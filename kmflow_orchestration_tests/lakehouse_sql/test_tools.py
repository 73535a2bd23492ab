"""What people point at an engine: SQLAlchemy's inspector and pandas."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, NoSuchTableError

FRAME = pd.DataFrame(
    {
        "id": [1, 2],
        "name": ["O'Brien", "x' OR 1=1"],
        "col-with-hyphen": [0.5, None],
        "at": pd.to_datetime(["2026-01-01 10:00:00.00", "2026-02-01 11:30:00.25"]),
        "good": [True, False],
    }
)


def test_the_inspector_sees_tables_columns_and_keys(engine):
    sa.Table(
        "sales",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False, comment="the 'key'"),
        sa.Column("paid", sa.Numeric(18, 2)),
        sa.Column("at", sa.DateTime),
        sa.Column("note", sa.Text),
        comment="it's sales",
    ).create(engine)
    seen = sa.inspect(engine)
    assert sorted(seen.get_table_names()) == ["people", "sales"]
    columns = {one["name"]: one for one in seen.get_columns("sales")}
    told = {name: type(one["type"]).__name__ for name, one in columns.items()}
    assert told == {
        "id": "BigInteger",
        "paid": "Numeric",
        "at": "TIMESTAMP_NTZ",
        "note": "String",
    }
    assert (columns["paid"]["type"].precision, columns["paid"]["type"].scale) == (18, 2)
    assert [columns[name]["nullable"] for name in ("id", "note")] == [False, True]
    assert columns["id"]["comment"] == "the 'key'"
    assert seen.get_pk_constraint("sales")["constrained_columns"] == ["id"]
    assert seen.get_table_comment("sales") == {"text": "it's sales"}
    assert (seen.has_table("sales"), seen.has_table("nope")) == (True, False)
    assert (seen.get_view_names(), seen.get_indexes("sales")) == ([], [])


def test_names_with_hyphens_and_back_ticks_are_names_like_others(world):
    engine = world.engine("ac-me_2")  # whose schema has a hyphen too
    columns = (sa.Column("pa-id", sa.BigInteger), sa.Column("pa`id-2", sa.BigInteger))
    sales = sa.Table("sa-les", sa.MetaData(), *columns)
    sales.create(engine)
    with engine.begin() as connection:
        connection.execute(sales.insert(), [{"pa-id": 7, "pa`id-2": 8}])
        found = connection.execute(sa.select(sales).where(sales.c["pa`id-2"] == 8)).all()
    assert found == [(7, 8)]
    seen = sa.inspect(engine)
    assert sorted(seen.get_table_names()) == ["people", "sa-les"]
    assert [one["name"] for one in seen.get_columns("sa-les")] == ["pa-id", "pa`id-2"]
    assert world.rows("ac-me_2", "SELECT `pa``id-2` AS n FROM `sa-les`") == [{"n": "8"}]


def test_a_foreign_key_is_told_and_not_enforced(engine):
    metadata = sa.MetaData()
    sa.Table("people", metadata, autoload_with=engine)
    parent = sa.Table("parents", metadata, sa.Column("id", sa.BigInteger, primary_key=True))
    child = sa.Table("children", metadata, sa.Column("parent", sa.ForeignKey("parents.id")))
    metadata.create_all(engine)
    [key] = sa.inspect(engine).get_foreign_keys("children")
    assert (key["constrained_columns"], key["referred_columns"]) == (["parent"], ["id"])
    assert key["referred_table"] == parent.name
    with engine.begin() as connection:
        connection.execute(child.insert().values(parent=7))
    strange = sa.text("CREATE TABLE orphans (p BIGINT, FOREIGN KEY (p) REFERENCES nowhere (id))")
    with engine.connect() as connection, pytest.raises(DatabaseError, match="TABLE_OR_VIEW_NOT"):
        connection.execute(strange)


def test_a_table_is_reflected_or_said_to_be_missing(engine):
    reflected = sa.Table("people", sa.MetaData(), autoload_with=engine)
    assert list(reflected.columns.keys()) == ["id", "name"]
    with pytest.raises(NoSuchTableError):
        sa.Table("nope", sa.MetaData(), autoload_with=engine)


@pytest.mark.parametrize("method", [None, "multi"])
def test_a_frame_goes_into_a_table_and_comes_back(engine, method):
    FRAME.to_sql("frame", engine, index=False, method=method)
    back = pd.read_sql("SELECT * FROM frame ORDER BY id", engine)
    pd.testing.assert_frame_equal(back, FRAME, check_dtype=False)
    assert back["at"].dtype.kind == "M"


def test_a_frame_replaces_and_adds(engine):
    FRAME.to_sql("frame", engine, index=False)
    FRAME.head(1).to_sql("frame", engine, index=False, if_exists="replace")
    FRAME.tail(1).to_sql("frame", engine, index=False, if_exists="append")
    assert sorted(pd.read_sql("SELECT id FROM frame", engine)["id"]) == [1, 2]
    with pytest.raises(ValueError, match="already exists"):
        FRAME.to_sql("frame", engine, index=False)


def test_a_query_takes_parameters(engine):
    FRAME.to_sql("frame", engine, index=False)
    query = sa.text("SELECT id FROM frame WHERE name = :name")
    for name, found in (("O'Brien", [1]), ("x' OR 1=1", [2]), ("nobody", [])):
        assert list(pd.read_sql(query, engine, params={"name": name})["id"]) == found


def test_a_large_answer_is_read_in_portions(engine):
    query = "SELECT id FROM range(2500)"
    sizes = [len(part) for part in pd.read_sql(query, engine, chunksize=1000)]
    assert sizes == [1000, 1000, 500]
