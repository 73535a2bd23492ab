"""What a driver learns about catalogs, schemas, tables and columns."""

from __future__ import annotations

import pytest


@pytest.fixture
def things(cursor):
    cursor.execute(
        "CREATE TABLE people (id BIGINT NOT NULL COMMENT 'key', paid DECIMAL(18,2),"
        " tags ARRAY<STRING>, CONSTRAINT people_key PRIMARY KEY (id)) COMMENT 'it\\'s people'"
    )
    cursor.execute("CREATE TABLE pe_ple (at TIMESTAMP_NTZ)")
    return cursor


def column(result, name):
    return [getattr(row, name) for row in result.fetchall()]


def test_catalogs_schemas_and_tables_are_those_one_may_use(things, room, connect):
    assert column(things.catalogs(), "TABLE_CAT") == ["acme"]
    assert column(things.schemas(), "TABLE_SCHEM") == ["default", "main"]
    assert column(things.tables(), "TABLE_NAME") == ["pe_ple", "people"]
    other = connect(room.group("zenith")).cursor()
    assert column(other.tables(catalog_name="acme"), "TABLE_NAME") == []
    assert column(other.columns(table_name="people"), "COLUMN_NAME") == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("pe%", ["pe_ple", "people"]),
        ("PEOPLE", ["people"]),
        ("pe_ple", ["pe_ple", "people"]),
        ("pe\\_ple", ["pe_ple"]),
        ("p.*", []),
        ("%", ["pe_ple", "people"]),
    ],
)
def test_names_are_found_by_like(things, pattern, found):
    assert column(things.tables(table_name=pattern), "TABLE_NAME") == found


def test_tables_of_another_type_are_none(things):
    assert column(things.tables(table_types=["VIEW"]), "TABLE_NAME") == []
    assert column(things.tables(table_types=["TABLE"]), "TABLE_TYPE") == ["TABLE", "TABLE"]


def test_columns_have_types_comments_and_nullability(things):
    rows = things.columns(schema_name="main", table_name="people").fetchall()
    told = [(row.COLUMN_NAME, row.TYPE_NAME, row.NULLABLE, row.REMARKS) for row in rows]
    assert told == [
        ("id", "BIGINT", 0, "key"),
        ("paid", "DECIMAL(18,2)", 1, ""),
        ("tags", "ARRAY<STRING>", 1, ""),
    ]
    assert [row.ORDINAL_POSITION for row in rows] == [0, 1, 2]
    assert [row.IS_NULLABLE for row in rows] == ["NO", "YES", "YES"]


def test_a_description_in_full_ends_with_what_the_catalog_knows(things):
    told = {
        row.col_name: row.data_type
        for row in things.execute("DESCRIBE TABLE EXTENDED people").fetchall()
    }
    assert told["id"] == "bigint"
    assert told["Comment"] == "it's people"
    assert told["people_key"] == "PRIMARY KEY (`id`)"
    assert (told["Catalog"], told["Database"], told["Table"]) == ("acme", "main", "people")
    brief = things.execute("DESCRIBE TABLE people").fetchall()
    assert [row.col_name for row in brief] == ["id", "paid", "tags"]


def test_there_are_no_views(things):
    assert things.execute("SHOW VIEWS FROM `acme`.`main`").fetchall() == []
    assert [name for name, *_ in things.description] == [
        *("namespace", "viewName", "isTemporary", "isMaterialized"),
    ]
