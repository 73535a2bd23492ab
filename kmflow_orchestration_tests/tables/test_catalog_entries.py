"""DDL from catalog entries, read back by a parser (rows B18, B19, AB-S16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.tables.catalog_entries import (
    CatalogEntry,
    EntryDdl,
    clean_identifier,
    column_type,
    entry_ddl,
    layer_schema,
    table_comment,
)


def ddl(catalog: str = "kmflow", schema: str = "evidence", **settings: Any) -> EntryDdl:
    entry = CatalogEntry(**{"dataset_name": "Loan book", "layer": "bronze", **settings})
    return entry_ddl(entry, catalog, schema)


def parsed(statement: str) -> exp.Expression:
    tree = sqlglot.parse_one(statement, dialect="databricks")
    assert isinstance(tree, exp.Create)
    return tree


def columns_of(tree: exp.Expression) -> dict[str, str]:
    return {one.name: one.kind.sql("databricks") for one in tree.find_all(exp.ColumnDef)}


def properties_of(tree: exp.Expression) -> dict[str, str]:
    found = tree.args["properties"].expressions
    return {one.name: one.args["value"].name for one in found if type(one) is exp.Property}


def comment_of(tree: exp.Expression) -> str:
    found = tree.find(exp.SchemaCommentProperty)
    assert found is not None
    return str(found.name)


def test_every_type_of_the_catalog_has_its_sql_type() -> None:
    types = {
        "STRING": "str string text uuid json",
        "BIGINT": "int integer bigint",
        "DOUBLE": "float double",
        "BOOLEAN": "bool boolean",
        "BINARY": "bytes binary",
        "DATE": "date",
        "TIMESTAMP": "datetime timestamp",
    }
    given_types = {name: kind for kind, names in types.items() for name in names.split()}

    made = ddl(schema_definition={f"c {name}": name for name in given_types})

    tree = parsed(made.statement)
    assert columns_of(tree) == {f"c_{name}": kind for name, kind in given_types.items()}
    assert made.warnings == ()
    assert tree.this.this.sql("databricks") == "`kmflow`.`evidence_bronze`.`Loan_book`"
    assert column_type(" Decimal(18, 2) ") == "DECIMAL(18,2)"


@pytest.mark.parametrize("kind", ["geometry", "", "decimal(39,2)", "decimal(2,3)", "array<int>"])
def test_a_type_nobody_knows_is_text_with_a_warning(kind: str) -> None:
    made = ddl(schema_definition={"id": "int", "place": kind})

    assert columns_of(parsed(made.statement)) == {"id": "BIGINT", "place": "STRING"}
    (warning,) = made.warnings
    assert "'place'" in warning
    assert repr(kind) in warning


def test_without_a_schema_there_are_an_id_and_a_time() -> None:
    tree = parsed(ddl().statement)

    assert columns_of(tree) == {"id": "STRING", "created_at": "TIMESTAMP"}
    (required,) = tree.find_all(exp.NotNullColumnConstraint)
    assert required.find_ancestor(exp.ColumnDef).name == "id"
    assert tree.args["exists"]


def test_both_retentions_come_from_fields_of_their_own() -> None:
    both = properties_of(parsed(ddl(retention_days=30, history_days=365).statement))
    assert both == {
        "delta.deletedFileRetentionDuration": "interval 30 days",
        "delta.logRetentionDuration": "interval 365 days",
    }
    (only,) = properties_of(parsed(ddl(history_days=7).statement))
    assert only == "delta.logRetentionDuration"
    assert "TBLPROPERTIES" not in ddl().statement


@pytest.mark.parametrize(
    ("settings", "comment"),
    [
        (
            {"description": "All loans", "owner": "ann@acme.test"},
            "All loans | Owner: ann@acme.test | Classification: internal",
        ),
        ({"description": "A\\B's\n`loans`"}, "A\\B's\n`loans` | Classification: internal"),
        ({"classification": ""}, "Dataset of layer bronze"),
    ],
)
def test_the_comment_says_what_owner_and_class_and_survives_quoting(
    settings: Mapping[str, str], comment: str
) -> None:
    assert comment_of(parsed(ddl(**settings).statement)) == comment
    entry = CatalogEntry(dataset_name="x", layer="bronze", **settings)
    assert table_comment(entry) == comment


def test_three_hundred_columns_and_reserved_words_have_their_commas() -> None:
    names = ["select", "from", "table", "order", "group", "default", "null", "timestamp"]
    wide = {**dict.fromkeys(names, "text"), **{f"c{number}": "int" for number in range(292)}}

    made = ddl(dataset_name="table", schema_definition=wide)

    tree = parsed(made.statement)
    assert list(columns_of(tree)) == list(wide)
    assert len(made.columns) == 300
    assert made.statement.count("(") == made.statement.count(")")
    assert made.statement.count(",\n") == 299


def test_back_ticks_in_catalog_and_schema_are_doubled() -> None:
    made = ddl(catalog="o`dd", schema="ev`; DROP TABLE x; --")

    (tree,) = sqlglot.parse(made.statement, dialect="databricks")
    assert tree is not None
    assert "`o``dd`.`ev``; DROP TABLE x; --_bronze`.`Loan_book`" in made.statement


def test_layers_are_three_in_any_case() -> None:
    assert layer_schema("evidence", "GOLD") == "evidence_gold"
    for wrong in ("dq", "", "bronze "):
        with pytest.raises(ValueError, match="one of bronze, silver, gold"):
            layer_schema("evidence", wrong)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"dataset_name": "§$%"}, "dataset_name"),
        ({"dataset_name": ""}, "dataset_name"),
        ({"schema_definition": {"ä": "int"}}, "schema_definition"),
        ({"schema_definition": {"a b": "int", "A-b": "int"}}, "schema_definition"),
        ({"schema_definition": {"x" * 256: "int", "x" * 257: "int"}}, "schema_definition"),
        ({"layer": "dq"}, "layer"),
        ({"classification": "secret"}, "classification"),
        ({"retention_days": 0}, "retention_days"),
        ({"history_days": True}, "history_days"),
    ],
)
def test_what_cannot_be_made_is_refused_by_its_field(
    settings: Mapping[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        ddl(**settings)
    assert refused.value.fields == (field,)


@given(st.text(max_size=300))
def test_a_cleaned_name_holds_what_every_tool_takes_and_is_clean_already(text: str) -> None:
    cleaned = clean_identifier(text)

    assert len(cleaned) <= 255
    assert all(sign.isascii() and (sign.isalnum() or sign == "_") for sign in cleaned)
    assert clean_identifier(cleaned) == cleaned
