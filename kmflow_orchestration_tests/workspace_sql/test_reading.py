from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.names import literal, quoted


@pytest.fixture
def t(root):
    root.run("CREATE TABLE t (k INT, v STRING)")
    root.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    return root


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT k FROM t WHERE k = 1",
        "SELECT t.k FROM s.t WHERE t.k = 1",
        "SELECT s.t.k FROM s.t WHERE s.t.k = 1",
        "SELECT {c}.s.t.k FROM {c}.s.t WHERE {c}.s.t.k = 1",
        "SELECT x.k FROM `{c}` . `S`.T AS x WHERE x.k = 1",
        "WITH t AS (SELECT * FROM t WHERE k = 1) SELECT k FROM t",
        "WITH a AS (SELECT * FROM t), b AS (SELECT * FROM a) SELECT k FROM b WHERE k = 1",
        "SELECT k FROM t WHERE k < 2 UNION SELECT k FROM t WHERE k = 1",
        "SELECT min(k) AS k /* a -- comment */ FROM t -- the end",
        "SELECT id AS k FROM range(1, 2)",
        "VALUES (1)",
        "SELECT k FROM IDENTIFIER('{c}.s.t') WHERE k = 1;",
        "SELECT k FROM t WHERE v RLIKE r'^a$'",
        "SELECT m.s.k FROM (SELECT named_struct('s', named_struct('k', 1)) AS m) AS q",
    ],
)
def test_names_of_every_form_lead_to_the_table(t, sql):
    assert t.rows(sql.format(c=t.catalog)) == [(1,)]


def test_typed_parameters_are_bound_everywhere(t):
    t.run("INSERT INTO t VALUES (:k, :v)", k=("7", "INT"), v="it's :k \\ --")
    assert t.rows("SELECT v FROM t WHERE k = :`k`", k=("7", "INT")) == [("it's :k \\ --",)]
    assert t.rows("SELECT * FROM range(9) LIMIT :n", n=("2", "INT")) == [(0,), (1,)]
    assert t.rows("SELECT k FROM IDENTIFIER(:t) WHERE k = 1", t=f"{t.catalog}.s.t") == [(1,)]
    t.run("UPDATE t SET v = :v WHERE k = 7", v=(None, "STRING"))
    assert t.rows("SELECT v FROM t WHERE k = 7") == [(None,)]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("BIGINT", "-9", -9),
        ("BOOLEAN", "true", True),
        ("DOUBLE", "1.5", 1.5),
        ("DECIMAL(10,2)", "1.50", Decimal("1.50")),
        ("DATE", "2026-01-02", date(2026, 1, 2)),
        ("STRING", "'; DROP TABLE t --", "'; DROP TABLE t --"),
    ],
)
def test_parameters_have_their_types(t, kind, text, value):
    assert t.rows("SELECT :p AS p", p=(text, kind)) == [(value,)]


@pytest.mark.parametrize(("kind", "text"), [("INT", "x"), ("DATE", "1"), ("BOOLEAN", "y")])
def test_a_parameter_that_is_no_value_of_its_type_is_refused(t, kind, text):
    refused = t.refused("SELECT :p", p=(text, kind))
    assert refused.error_class == "INVALID_PARAMETER_MARKER_VALUE"


def test_a_parameter_is_a_value_and_never_text_of_the_statement(t):
    assert t.rows("SELECT k FROM t WHERE v = :v", v="a' OR '1'='1") == []
    refused = t.refused("SELECT * FROM IDENTIFIER(:t)", t="t; DROP TABLE t")
    assert refused.error_class in {"PARSE_SYNTAX_ERROR", "TABLE_OR_VIEW_NOT_FOUND"}
    assert len(t.rows("SELECT * FROM t")) == 2


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(text=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_texts_and_names_pass_through_unchanged(t, text):
    named = quoted(f"c{text}")
    table = t.run(f"SELECT {literal(text)} AS {named}, :p AS p", p=text)
    assert table.to_pylist() == [{f"c{text}": text, "p": text}]
