"""OPTIMIZE, VACUUM, DESCRIBE HISTORY and RESTORE: by whom, on what, in which words."""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.workspace_sql.conftest import (
    owner_of,
    secret_of,
    with_own_table,
)

STATEMENTS = (
    "OPTIMIZE {table}",
    "VACUUM {table} RETAIN 168 HOURS DRY RUN",
    "DESCRIBE HISTORY {table}",
    "RESTORE TABLE {table} TO VERSION AS OF 0",
)


@pytest.fixture
def ada(root):
    return owner_of(root, "ada", "a")


@pytest.fixture
def secret(ada):
    return secret_of(ada)


@pytest.fixture
def mine(root):
    return with_own_table(owner_of(root, "bob", "b"))


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: text.split()[0])
def test_another_groups_table_is_nobodys_to_care_for(secret, ada, mine, statement):
    before = ada.rows(f"DESCRIBE HISTORY {secret}")
    refused = mine.refused(statement.format(table=secret))
    assert refused.error_class == "INSUFFICIENT_PERMISSIONS"
    mine.as_("root").run("GRANT USE SCHEMA, SELECT ON SCHEMA a TO bob")
    if "HISTORY" not in statement:  # to read is enough for that one only
        refused = mine.refused(statement.format(table=secret))
        assert refused.error_class == "INSUFFICIENT_PERMISSIONS"
    assert ada.rows(f"DESCRIBE HISTORY {secret}") == before


def test_versions_are_seen_and_come_back(secret, ada):
    ada.run(f"INSERT INTO {secret} SELECT * FROM {secret}")
    newest, *older = ada.rows(f"DESC HISTORY {secret}")
    assert (newest[0], older[-1][0]) == (len(older), 0)
    assert ada.rows(f"DESCRIBE HISTORY {secret} LIMIT 1") == [newest]
    count = f"SELECT COUNT(*) FROM {secret}"
    assert ada.rows(count) == [(2,)]
    ada.run(f"OPTIMIZE {secret}")
    assert ada.rows(count) == [(2,)]

    ada.run(f"RESTORE {secret} TO VERSION AS OF {newest[0] - 1};")

    assert ada.rows(count) == [(1,)]


@pytest.mark.parametrize(
    ("statement", "error_class"),
    [
        ("RESTORE TABLE {table} TO VERSION AS OF 99", "DELTA_VERSION_NOT_FOUND"),
        ("VACUUM {table} RETAIN 0 HOURS", "DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT"),
        ("OPTIMIZE a.nothing", "TABLE_OR_VIEW_NOT_FOUND"),
        ("OPTIMIZE {table} ZORDER BY (k)", "UNSUPPORTED_FEATURE"),
        ("VACUUM '/etc'", "UNSUPPORTED_FEATURE"),
        ("RESTORE TABLE {table} TO TIMESTAMP AS OF '2020'", "PARSE_SYNTAX_ERROR"),
    ],
)
def test_what_cannot_be_done_is_refused_in_databricks_words(secret, ada, statement, error_class):
    assert ada.refused(statement.format(table=secret)).error_class == error_class
