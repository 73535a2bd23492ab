"""Two principals in one workspace: only grants keep them apart, whichever way one tries."""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.workspace_sql.conftest import (
    owner_of,
    secret_of,
    with_own_table,
)


@pytest.fixture(scope="module")
def ada(shared_root):
    return owner_of(shared_root, "ada", "a")


@pytest.fixture(scope="module")
def secret(ada):
    return secret_of(ada)


@pytest.fixture(scope="module")
def mine(shared_root):
    return with_own_table(owner_of(shared_root, "bob", "b"))


READS = {
    "select": "SELECT * FROM {secret}",
    "two-part": "SELECT * FROM a.secret",
    "quoted": "SELECT * FROM `{catalog}`.`a`.`SECRET`",
    "identifier": "SELECT * FROM IDENTIFIER('{secret}')",
    "join": "SELECT * FROM mine JOIN {secret} USING (k)",
    "comma join": "SELECT * FROM mine, {secret}",
    "sub-query": "SELECT * FROM (SELECT * FROM {secret}) q",
    "scalar": "SELECT (SELECT max(v) FROM {secret}) AS v",
    "exists": "SELECT * FROM mine WHERE EXISTS (SELECT 1 FROM {secret})",
    "in": "SELECT * FROM mine WHERE k IN (SELECT k FROM {secret})",
    "union": "SELECT k FROM mine UNION ALL SELECT k FROM {secret}",
    "cte": "WITH q AS (SELECT * FROM {secret}) SELECT * FROM q",
    "cte of its name": "WITH secret AS (SELECT * FROM {secret}) SELECT * FROM secret",
    "cte hiding": (
        "WITH x AS (SELECT * FROM (WITH q AS (SELECT 1) SELECT * FROM a.secret)) SELECT * FROM x"
    ),
    "order by": "SELECT * FROM mine ORDER BY (SELECT max(k) FROM {secret})",
    "version": "SELECT * FROM {secret} VERSION AS OF 1",
    "ctas": "CREATE TABLE copy AS SELECT * FROM {secret}",
    "replace": "CREATE OR REPLACE TABLE mine AS SELECT * FROM {secret}",
    "insert": "INSERT INTO mine SELECT * FROM {secret}",
    "insert values": "INSERT INTO mine VALUES ((SELECT max(k) FROM {secret}), 'x')",
    "replace where": "INSERT INTO mine REPLACE WHERE k IN (SELECT k FROM {secret}) SELECT 1, 'x'",
    "merge source": "MERGE INTO mine m USING {secret} s ON m.k = s.k WHEN MATCHED THEN DELETE",
    "merge sub-query": (
        "MERGE INTO mine m USING (SELECT * FROM {secret}) s ON m.k = s.k"
        " WHEN NOT MATCHED THEN INSERT *"
    ),
    "update": "UPDATE mine SET v = (SELECT max(v) FROM {secret})",
    "delete": "DELETE FROM mine WHERE k IN (SELECT k FROM {secret})",
    "describe": "DESCRIBE TABLE {secret}",
    "parquet": "SELECT * FROM parquet.`/Volumes/{catalog}/a/vault/rows.parquet`",
    "csv": "SELECT * FROM csv.`/Volumes/{catalog}/a/vault/rows.csv`",
    "json": "SELECT * FROM json.`dbfs:/Volumes/{catalog}/a/vault/*.json`",
    "path in a sub-query": (
        "SELECT * FROM mine WHERE k IN (SELECT k FROM parquet.`/Volumes/{catalog}/a/vault`)"
    ),
    "path in merge": (
        "MERGE INTO mine m USING parquet.`/Volumes/{catalog}/a/vault/rows.parquet` s"
        " ON m.k = s.k WHEN MATCHED THEN DELETE"
    ),
}
WRITES = {
    "insert": "INSERT INTO {secret} VALUES (2, 'x')",
    "overwrite": "INSERT OVERWRITE {secret} SELECT 2, 'x'",
    "replace where": "INSERT INTO {secret} REPLACE WHERE k = 1 SELECT 1, 'x'",
    "update": "UPDATE {secret} SET v = 'x'",
    "delete": "DELETE FROM {secret}",
    "merge": "MERGE INTO {secret} t USING mine s ON t.k = s.k WHEN NOT MATCHED THEN INSERT *",
    "drop": "DROP TABLE {secret}",
    "alter": "ALTER TABLE {secret} ADD COLUMNS (x INT)",
    "replace": "CREATE OR REPLACE TABLE {secret} AS SELECT 1 AS x",
    "create beside": "CREATE TABLE {catalog}.a.other (x INT)",
    "volume beside": "CREATE VOLUME {catalog}.a.other",
    "drop volume": "DROP VOLUME {catalog}.a.vault",
    "drop schema": "DROP SCHEMA {catalog}.a CASCADE",
    "drop catalog": "DROP CATALOG {catalog} CASCADE",
    "schema": "CREATE SCHEMA {catalog}.new",
    "catalog": "CREATE CATALOG new_one",
    "grant": "GRANT SELECT ON TABLE {secret} TO bob",
    "grant schema": "GRANT ALL PRIVILEGES ON SCHEMA {catalog}.a TO bob",
    "revoke": "REVOKE SELECT ON SCHEMA {catalog}.a FROM ada",
}


@pytest.mark.parametrize("sql", READS.values(), ids=READS)
def test_nothing_of_a_neighbour_can_be_read(secret, mine, sql):
    refused = mine.refused(sql.format(secret=secret, catalog=mine.catalog))
    assert refused.error_class == "INSUFFICIENT_PERMISSIONS"
    assert refused.sqlstate == "42501"
    assert mine.rows("SELECT * FROM mine") == [(5, "own")]


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
def test_nothing_of_a_neighbour_can_be_changed(secret, mine, ada, sql):
    refused = mine.refused(sql.format(secret=secret, catalog=mine.catalog))
    assert refused.error_class == "INSUFFICIENT_PERMISSIONS"
    assert ada.rows("SELECT * FROM secret") == [(1, "hidden")]


def test_lists_show_only_what_one_may_use(secret, mine, ada):
    assert mine.rows("SHOW SCHEMAS") == [("b",)]
    assert mine.rows("SHOW TABLES") == [("b", "mine", False)]
    assert mine.refused("SHOW TABLES IN a").error_class == "INSUFFICIENT_PERMISSIONS"
    assert mine.refused("SHOW VOLUMES IN a").error_class == "INSUFFICIENT_PERMISSIONS"
    assert ada.rows("SHOW VOLUMES") == [("a", "vault")]
    assert (mine.catalog,) in mine.rows("SHOW CATALOGS")
