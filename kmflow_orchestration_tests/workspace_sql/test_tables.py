from __future__ import annotations

import os
import signal
import threading
import uuid

import pytest

from kmflow_orchestration.names import TableName
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration.workspace.grants import TABLE
from kmflow_orchestration.workspace.sql_engine import Request
from kmflow_orchestration.workspace.sql_errors import SqlError, from_sail


@pytest.fixture
def t(root):
    root.run("CREATE TABLE t (k BIGINT NOT NULL COMMENT 'key', v STRING, d DECIMAL(10,2))")
    root.run("INSERT INTO t VALUES (1, 'a', 1.5), (2, 'b', 2.5)")
    return root


def test_a_table_is_made_filled_changed_and_read(t):
    t.run("UPDATE t SET v = 'A' WHERE k = 1")
    t.run("DELETE FROM t WHERE k = 2")
    t.run(
        "MERGE INTO t USING (SELECT 1L AS k, 'm' AS v, CAST(9 AS DECIMAL(10,2)) AS d) AS s"
        " ON t.k = s.k WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )
    assert [(k, v, str(d)) for k, v, d in t.rows("SELECT * FROM t")] == [(1, "m", "9.00")]


def test_counts_of_changed_rows_are_answered(t):
    inserted = t.run("INSERT INTO t VALUES (3, 'c', NULL)").to_pylist()
    assert inserted == [{"num_affected_rows": 1, "num_inserted_rows": 1}]
    assert t.run("DELETE FROM t WHERE k > 1").to_pylist() == [{"num_affected_rows": 2}]


def test_keys_clustering_comments_and_properties_go_to_the_catalog(root):
    root.run(
        "CREATE TABLE IF NOT EXISTS t (a BIGINT NOT NULL COMMENT 'k', b DECIMAL(18,2),"
        " m MAP<STRING, ARRAY<INT>>, CONSTRAINT pk_t PRIMARY KEY (a)) USING DELTA CLUSTER BY (a)"
        " COMMENT 'it''s' TBLPROPERTIES ('x' = 'y')"
    )
    table = root.services.catalog.get(root.caller.workspace_id, TABLE, f"{root.catalog}.s.t")
    assert table.facts == {
        "primary_key": ["a"],
        "constraint": "pk_t",
        "cluster_by": ["a"],
        "properties": {"x": "y"},
    }
    assert root.rows("DESCRIBE TABLE t") == [
        ("a", "bigint", "k"),
        ("b", "decimal(18,2)", None),
        ("m", "map<string,array<int>>", None),
    ]


def test_a_second_create_if_not_exists_changes_nothing(t):
    t.run("CREATE TABLE IF NOT EXISTS t (other INT)")
    assert len(t.rows("SELECT * FROM t")) == 2
    assert t.refused("CREATE TABLE t (k INT)").error_class == "TABLE_OR_VIEW_ALREADY_EXISTS"


def test_a_table_made_by_a_query_may_be_replaced_by_one_of_other_columns(t):
    t.run("CREATE TABLE u AS SELECT k, upper(v) AS w FROM t")
    t.run(
        "CREATE OR REPLACE TABLE u COMMENT 'n' AS"
        " WITH q AS (SELECT * FROM u) SELECT w, 1 AS n FROM q"
    )
    assert sorted(t.rows("SELECT w, n FROM u")) == [("A", 1), ("B", 1)]
    t.run("CREATE OR REPLACE TABLE u (z STRING)")
    assert t.run("SELECT * FROM u").schema.names == ["z"]
    assert t.rows("SELECT * FROM u") == []


def test_a_failing_create_leaves_no_table_behind(t):
    assert t.refused("CREATE TABLE u AS SELECT 1 / 0 AS x").error_class == "DIVIDE_BY_ZERO"
    assert t.rows("SHOW TABLES LIKE 'u'") == []
    t.run("CREATE TABLE u AS SELECT 1 AS x")


def test_columns_are_added_and_then_written(t):
    t.run("ALTER TABLE t ADD COLUMNS (e STRING COMMENT 'extra', f DOUBLE)")
    t.run("ALTER TABLE t ADD COLUMN g DATE")
    t.run("INSERT INTO t (k, g, e) VALUES (3, DATE '2026-01-01', 'x')")
    assert t.rows("SELECT v, e, f, CAST(g AS STRING) FROM t WHERE k = 3") == [
        (None, "x", None, "2026-01-01")
    ]
    assert t.refused("ALTER TABLE t ADD COLUMNS (E INT)").error_class == "COLUMN_ALREADY_EXISTS"


def test_inserts_by_name_and_by_list_fill_the_rest_with_null(t):
    t.run("INSERT INTO t BY NAME SELECT 'n' AS v, 5 AS k")
    t.run("INSERT INTO TABLE t (v, k) WITH q AS (SELECT 'l' AS a) SELECT a, 6 FROM q")
    assert t.rows("SELECT k, v, d FROM t WHERE k > 4 ORDER BY k") == [
        (5, "n", None),
        (6, "l", None),
    ]


def test_inserts_of_too_many_or_too_few_columns_are_refused(t):
    few = t.refused("INSERT INTO t SELECT 1")
    assert few.error_class == "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS"
    many = t.refused("INSERT INTO t (k) SELECT 1, 2")
    assert many.error_class == "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS"
    unknown = t.refused("INSERT INTO t (k, nope) SELECT 1, 2")
    assert unknown.error_class == "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION"


def test_replace_where_swaps_matching_rows_in_one_commit(t):
    for _ in range(2):
        t.run(
            "INSERT INTO t REPLACE WHERE (v = 'a' OR k IN (7, 8))"
            " SELECT 7, 'new', NULL FROM t LIMIT 1"
        )
    assert sorted(t.rows("SELECT k, v FROM t")) == [(2, "b"), (7, "new")]
    t.run("INSERT INTO t REPLACE WHERE k = 7 SELECT * FROM t WHERE FALSE")
    assert t.rows("SELECT k FROM t") == [(2,)]


def test_replace_where_refuses_rows_outside_the_predicate(t):
    refused = t.refused("INSERT INTO t REPLACE WHERE k = 1 SELECT 2, 'x', NULL")
    assert (refused.error_class, refused.sqlstate) == ("DELTA_REPLACE_WHERE_MISMATCH", "44000")
    null = t.refused("INSERT INTO t REPLACE WHERE v = 'a' SELECT 1, NULL, NULL")
    assert null.error_class == "DELTA_REPLACE_WHERE_MISMATCH"
    assert len(t.rows("SELECT * FROM t")) == 2


def test_insert_overwrite_replaces_every_row(t):
    t.run("INSERT OVERWRITE t SELECT 9, 'o', NULL")
    assert t.rows("SELECT k FROM t") == [(9,)]


def test_a_dropped_table_made_again_is_empty(t):
    directory = t.services.catalog.table_directory(
        t.caller.workspace_id, TableName(t.catalog, "s", "t")
    )
    t.run("DROP TABLE t")
    assert not directory.exists()
    assert t.refused("SELECT * FROM t").error_class == "TABLE_OR_VIEW_NOT_FOUND"
    assert t.refused("DROP TABLE t").error_class == "TABLE_OR_VIEW_NOT_FOUND"
    t.run("DROP TABLE IF EXISTS t")
    t.run("CREATE TABLE t (x INT)")
    assert t.rows("SELECT * FROM t") == []


def test_tables_of_a_workspace_survive_the_death_of_its_engine(t):
    server = t.services.engine.host(t.caller.workspace_id).server
    os.kill(server.pid, signal.SIGKILL)
    server._child.wait()
    assert len(t.rows("SELECT * FROM t")) == 2


def test_earlier_versions_can_be_read(t):
    assert t.rows("SELECT count(*) FROM t VERSION AS OF 0") == [(0,)]


def test_properties_are_kept(t):
    t.run("ALTER TABLE t SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    table = t.services.catalog.get(t.caller.workspace_id, TABLE, f"{t.catalog}.s.t")
    assert table.facts["properties"] == {"delta.enableChangeDataFeed": "true"}
    t.run("INSERT INTO t VALUES (5, 'still writable', NULL)")


def test_writers_of_one_table_wait_for_each_other(t):
    problems: list[Exception] = []

    def merge(number: int) -> None:
        try:
            t.run(
                f"MERGE INTO t USING (SELECT {number}L AS k, 'm' AS v, NULL AS d) s ON t.k = s.k"
                " WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *"
            )
        except SqlError as error:
            problems.append(error)

    threads = [threading.Thread(target=merge, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert t.rows("SELECT count(*) FROM t WHERE v = 'm'") == [(8,)]


def test_a_lost_commit_has_databricks_own_code():
    for text in (
        "error in Delta Lake: Failed to commit transaction: 0",
        "Missing commit file: expected version 0, found 8",
    ):
        error = from_sail(text)
        assert (error.error_class, error.sqlstate) == ("DELTA_CONCURRENT_APPEND", "2D521")


def test_an_engine_that_takes_too_much_memory_is_renewed(t):
    host = t.services.engine.host(t.caller.workspace_id)
    t.rows("SELECT * FROM t")
    before, host._allowed_rss_bytes = host._allowed_rss_bytes, 1
    t.rows("SELECT * FROM t")
    assert host.server is None
    host._allowed_rss_bytes = before
    assert len(t.rows("SELECT * FROM t")) == 2


def test_a_cancelled_statement_frees_the_engine(t):
    host = t.services.engine.host(t.caller.workspace_id)
    operation_id = str(uuid.uuid4())
    endless = "SELECT count(*) FROM range(9000000000) WHERE id % 7 = 3"
    request = Request(t.caller, endless, operation_id)
    threading.Timer(0.2, host.cancel, [operation_id]).start()
    with pytest.raises(SqlError):
        t.services.engine.run(request)
    assert host.server is None
    assert len(t.rows("SELECT * FROM t")) == 2


def test_a_statement_cancelled_before_the_engine_has_it_is_not_computed(t):
    t.rows("SELECT * FROM t")
    host = t.services.engine.host(t.caller.workspace_id)
    endless = "SELECT count(*) FROM range(9000000000) WHERE id % 7 = 3"
    request = Request(t.caller, endless, str(uuid.uuid4()), is_wanted=lambda: False)
    with pytest.raises(SqlError):
        t.services.engine.run(request)
    assert host.server is None


def test_replace_where_leaves_rows_for_which_its_predicate_is_null(t):
    t.run("INSERT INTO t VALUES (5, NULL, NULL)")
    t.run("INSERT INTO t REPLACE WHERE v = 'a' SELECT 9, 'a', NULL")
    assert sorted(t.rows("SELECT k FROM t")) == [(2,), (5,), (9,)]


@pytest.mark.parametrize("definition", MEDALLION_TABLES, ids=lambda definition: definition.name)
def test_every_table_we_ship_can_be_made(root, definition):
    table = TableName(root.catalog, "s", definition.name)
    root.run(definition.create_sql(table))
    columns = root.services.engine.columns_of(
        root.services.catalog.get(root.caller.workspace_id, TABLE, table.text)
    )
    assert [(c.name, c.nullable) for c in columns] == [
        (c.name, c.nullable) for c in definition.columns
    ]
