# ruff: noqa: E501 - a table of cases, one a line
"""What Databricks refuses and the engine below would accept, or would do harm with."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kmflow_orchestration.workspace.sql_errors import SqlError
from kmflow_orchestration.workspace.sql_router import route
from kmflow_orchestration.workspace.sql_tables import Scope
from kmflow_orchestration.workspace.wire import Caller

REFUSALS = {
    "several statements": ("SELECT 1; SELECT 2", "PARSE_SYNTAX_ERROR"),
    "nothing": (" ;; ", "PARSE_EMPTY_STATEMENT"),
    "only a comment": ("-- SELECT 1", "PARSE_EMPTY_STATEMENT"),
    "gibberish": ("SELEC 1", "PARSE_SYNTAX_ERROR"),
    "half a statement": ("SELECT * FROM", "PARSE_SYNTAX_ERROR"),
    "open string": ("SELECT 'x", "PARSE_SYNTAX_ERROR"),
    "blank in a name": ("CREATE TABLE x (`a b` INT)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "comma in a name": ("CREATE TABLE x AS SELECT 1 AS `a,b`", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "bracket in a name": ("CREATE TABLE x AS SELECT count(*)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "brace in a name": ("CREATE TABLE x (`a{{` INT)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "equals in a name": ("CREATE TABLE x (`a=` INT)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "semicolon in a name": ("CREATE TABLE x (`a;` INT)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "tab in a name": ("ALTER TABLE t ADD COLUMNS (`a\tb` INT)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "line break in a name": ("CREATE TABLE x (`a\nb` INT)", "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"),
    "twice the same name": ("CREATE TABLE x (a INT, A INT)", "COLUMN_ALREADY_EXISTS"),
    "untyped null": ("CREATE TABLE x AS SELECT NULL AS n", "UNSUPPORTED_DATATYPE"),
    "unknown type": ("CREATE TABLE x (a UUID)", "UNSUPPORTED_DATATYPE"),
    "unknown key": ("CREATE TABLE x (a INT, CONSTRAINT p PRIMARY KEY (b))", "DELTA_COLUMN_NOT_FOUND_IN_SCHEMA"),
    "unknown cluster column": ("CREATE TABLE x (a INT) CLUSTER BY (b)", "DELTA_COLUMN_NOT_FOUND_IN_SCHEMA"),
    "location on the host": ("CREATE TABLE x (a INT) LOCATION '/tmp/x'", "INSUFFICIENT_PERMISSIONS"),
    "location in a volume": ("CREATE TABLE x (a INT) LOCATION '/Volumes/a/b/c'", "UNSUPPORTED_FEATURE"),
    "location of a query": ("CREATE TABLE x LOCATION '/tmp/x' AS SELECT 1 AS a", "INSUFFICIENT_PERMISSIONS"),
    "schema elsewhere": ("CREATE SCHEMA x LOCATION '/tmp'", "UNSUPPORTED_FEATURE"),
    "another format": ("CREATE TABLE x (a INT) USING parquet", "UNSUPPORTED_FEATURE"),
    "options with a path": ("CREATE TABLE x USING csv OPTIONS (path '/etc/passwd')", "UNSUPPORTED_FEATURE"),
    "a file of the host": ("SELECT * FROM text.`/etc/passwd`", "INSUFFICIENT_PERMISSIONS"),
    "a file by scheme": ("SELECT * FROM csv.`file:///etc/passwd`", "INSUFFICIENT_PERMISSIONS"),
    "a step up": ("SELECT * FROM text.`/Volumes/{catalog}/s/v/../../../x`", "INSUFFICIENT_PERMISSIONS"),
    "an upper-case format": ("SELECT * FROM CSV.`/etc/passwd`", "INSUFFICIENT_PERMISSIONS"),
    "a quoted format": ("SELECT * FROM `text`.`/etc/passwd`", "INSUFFICIENT_PERMISSIONS"),
    "delta by path": ("SELECT * FROM delta.`/Volumes/a/b/c`", "UNSUPPORTED_FEATURE"),
    "binary files": ("SELECT * FROM binaryFile.`/etc/passwd`", "UNSUPPORTED_FEATURE"),
    "a volume that is not there": ("SELECT * FROM csv.`/Volumes/{catalog}/s/nope/x`", "UC_VOLUME_NOT_FOUND"),
    "files by function": ("SELECT * FROM read_files('/etc/passwd')", "UNRESOLVABLE_TABLE_VALUED_FUNCTION"),
    "a reading function": ("SELECT * FROM read_csv('/etc/passwd')", "UNRESOLVABLE_TABLE_VALUED_FUNCTION"),
    "a program": ("SELECT TRANSFORM (k) USING 'cat' FROM t", "UNSUPPORTED_FEATURE"),
    "the engine's own names": ("SELECT * FROM `{catalog}.s`.t", "TABLE_OR_VIEW_NOT_FOUND"),
    "a table nobody made": ("SELECT * FROM nope", "TABLE_OR_VIEW_NOT_FOUND"),
    "a catalog nobody made": ("SELECT * FROM nope.a.b", "TABLE_OR_VIEW_NOT_FOUND"),
    "four parts": ("SELECT * FROM a.b.c.d", "PARSE_SYNTAX_ERROR"),
    "a view": ("CREATE VIEW v AS SELECT 1", "UNSUPPORTED_FEATURE"),
    "a temporary view": ("CREATE TEMPORARY VIEW v AS SELECT * FROM t", "UNSUPPORTED_FEATURE"),
    "a global view": ("CREATE GLOBAL TEMPORARY VIEW v AS SELECT 1", "UNSUPPORTED_FEATURE"),
    "a function": ("CREATE FUNCTION f() RETURNS INT RETURN 1", "UNSUPPORTED_FEATURE"),
    "a change inside a query": ("WITH x AS (DELETE FROM t) SELECT 1", "UNSUPPORTED_FEATURE"),
    "use": ("USE SCHEMA x", "SCHEMA_NOT_FOUND"),
    "set": ("SET spark.sql.warehouse.dir = '/'", "UNSUPPORTED_FEATURE"),
    "explain": ("EXPLAIN SELECT 1", "UNSUPPORTED_FEATURE"),
    "cache": ("CACHE TABLE t", "UNSUPPORTED_FEATURE"),
    "copy into": ("COPY INTO t FROM '/etc' FILEFORMAT = CSV", "UNSUPPORTED_FEATURE"),
    "vacuum of a path": ("VACUUM delta.`/tmp/t`", "TABLE_OR_VIEW_NOT_FOUND"),
    "optimize in an order": ("OPTIMIZE t ZORDER BY (a)", "UNSUPPORTED_FEATURE"),
    "overwrite of a directory": ("INSERT OVERWRITE DIRECTORY '/tmp/x' SELECT 1", "UNSUPPORTED_FEATURE"),
    "write to a path": ("INSERT INTO parquet.`/tmp/x` SELECT 1", "UNSUPPORTED_FEATURE"),
    "show functions": ("SHOW FUNCTIONS", "UNSUPPORTED_FEATURE"),
    "unbound parameter": ("SELECT :nope", "UNBOUND_SQL_PARAMETER"),
    "positional parameter": ("SELECT ?", "UNBOUND_SQL_PARAMETER"),
    "division by zero": ("SELECT 1 / (k - 1) FROM t", "DIVIDE_BY_ZERO"),
    "a cast that fails": ("SELECT CAST(v AS INT) FROM t", "CAST_INVALID_INPUT"),
    "a date that is none": ("SELECT to_date('x')", "CAST_INVALID_INPUT"),
    "an unknown column": ("SELECT nope FROM t", "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION"),
    "an unknown function": ("SELECT foo(1)", "UNRESOLVED_ROUTINE"),
    "an ambiguous column": ("SELECT k FROM t AS x JOIN t AS y ON x.k = y.k", "AMBIGUOUS_REFERENCE"),
    "null in a required column": ("INSERT INTO t VALUES (NULL, 'x')", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
    "an odd schema name": ("CREATE SCHEMA `a.b`", "UNSUPPORTED_FEATURE"),
    "an odd table name": ("CREATE TABLE `a/../b` (x INT)", "UNSUPPORTED_FEATURE"),
}  # fmt: skip


@pytest.fixture(scope="module")
def t(shared_root):
    return with_table(shared_root)


@pytest.fixture
def own(root):
    return with_table(root)


def with_table(root):
    root.run("CREATE TABLE t (k INT NOT NULL, v STRING)")
    root.run("INSERT INTO t VALUES (1, 'x')")
    root.run("CREATE VOLUME v")
    return root


@pytest.mark.parametrize(("sql", "error_class"), REFUSALS.values(), ids=REFUSALS)
def test_databricks_refusals_are_ours(t, sql, error_class):
    refused = t.refused(sql.replace("{catalog}", t.catalog).replace("{{", "{"))
    assert refused.error_class == error_class, refused.text
    assert refused.text.startswith(f"[{error_class}] ")
    assert refused.text.endswith(f"SQLSTATE: {refused.sqlstate}")
    assert t.rows("SELECT * FROM t") == [(1, "x")]


def test_a_link_does_not_lead_out_of_its_volume(t):
    folder = t.services.catalog.volume_directory(t.caller, t.catalog, "s", "v")
    (folder / "out").symlink_to("/etc")
    refused = t.refused(f"SELECT * FROM text.`/Volumes/{t.catalog}/s/v/out/hostname`")
    assert refused.error_class == "INSUFFICIENT_PERMISSIONS"
    (folder / "out").unlink()


def test_a_schema_with_tables_is_dropped_only_with_cascade(own):
    assert own.refused(f"DROP SCHEMA {own.catalog}.s").error_class == "SCHEMA_NOT_EMPTY"
    own.run(f"DROP SCHEMA {own.catalog}.s CASCADE")
    assert own.refused("SELECT * FROM t").error_class == "TABLE_OR_VIEW_NOT_FOUND"
    own.run("DROP SCHEMA IF EXISTS s")
    own.run(f"DROP CATALOG {own.catalog}")


WORDS = st.sampled_from(
    [
        "SELECT",
        "FROM",
        "WHERE",
        "t",
        "k",
        "v",
        "*",
        "(",
        ")",
        ",",
        ";",
        ".",
        "'x'",
        "`y`",
        "1",
        "AS",
        "WITH",
        "INSERT",
        "INTO",
        "VALUES",
        "TABLE",
        "CREATE",
        "DROP",
        "SHOW",
        "GRANT",
        "ON",
        "TO",
        "DESCRIBE",
        "UPDATE",
        "SET",
        "=",
        "MERGE",
        "USING",
        "DELETE",
        "ALTER",
        "ADD",
        "COLUMNS",
        "IDENTIFIER",
        ":p",
        "parquet.`/Volumes/a/b/c`",
        "EXISTS",
        "IF",
        "NOT",
        "SCHEMA",
        "VOLUME",
        "IN",
        "REPLACE",
        "BY",
        "NAME",
        "--",
        "/*",
        "*/",
    ]
)


@settings(max_examples=300, deadline=None)
@given(words=st.lists(WORDS, min_size=1, max_size=12))
def test_any_text_is_a_plan_or_a_refusal(services, words):
    caller = Caller(next(iter(services.state.workspaces())), "bob")
    with contextlib.suppress(SqlError):
        route(" ".join(words), (), catalog=services.catalog, scope=Scope(caller, "c0", "s"))
