"""Statements, parameters and results through the driver."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from databricks.sql.exc import DatabaseError, ServerOperationError

NEW_YEAR = datetime.fromisoformat("2026-01-01")
ENDLESS = "SELECT count(*) FROM range(3000000000) a WHERE id % 7 = 3"


def rows(cursor, statement, parameters=None):
    return [tuple(row) for row in cursor.execute(statement, parameters).fetchall()]


def test_values_arrive_as_the_types_they_are(cursor):
    [row] = rows(
        cursor,
        "SELECT 7L AS l, 'x' AS s, true AS b, 0.5D AS d, CAST(1.50 AS DECIMAL(10,2)) AS dec,"
        " date'2026-01-02' AS day, timestamp'2026-11-20 09:00:00' AS t,"
        " timestamp_ntz'2026-11-20 09:00:00' AS n, CAST('ab' AS BINARY) AS bin, NULL AS v",
    )
    assert row[:6] == (7, "x", True, 0.5, Decimal("1.50"), date(2026, 1, 2))
    assert row[6].utcoffset().total_seconds() == 0
    assert row[6].replace(tzinfo=None) == row[7] == datetime.fromisoformat("2026-11-20 09:00")
    assert row[8:] == (b"ab", None)
    assert [column[1] for column in cursor.description][4:8] == [
        *("decimal", "date", "timestamp", "timestamp"),
    ]
    assert cursor.description[4][4:6] == (10, 2)


def test_collections_and_intervals_arrive_as_the_client_can_read_them(cursor):
    statement = (
        "SELECT array(1, 2) AS a, map('k', 1) AS m, named_struct('f', 'g') AS s,"
        " interval '2' day AS i"
    )
    [row] = rows(cursor, statement)
    assert (list(row[0]), row[1], row[2]) == ([1, 2], [("k", 1)], {"f": "g"})
    assert row[3] == "2 00:00:00.000000000"


def test_what_a_client_cannot_read_natively_comes_as_text(connect, acme):
    settings = {
        "_use_arrow_native_complex_types": False,
        "_use_arrow_native_decimals": False,
        "_use_arrow_native_timestamps": False,
    }
    cursor = connect(acme, **settings).cursor()
    statement = "SELECT array(1, 2) AS a, 1.50 AS d, timestamp'2026-11-20 09:00:00' AS t"
    assert rows(cursor, statement) == [("[1,2]", Decimal("1.50"), "2026-11-20 09:00:00")]


@pytest.mark.parametrize(
    "value",
    [
        *("O'Brien", "x' OR 1=1", 'back\\slash "quoted"', "", "ünïcode\n"),
        *(7, 3_000_000_000, -1, 0.5, True, Decimal("12.50"), date(2026, 1, 2)),
        None,
    ],
    ids=repr,
)
def test_a_parameter_comes_back_as_it_was_bound(cursor, value):
    assert rows(cursor, "SELECT :`my value` AS v", {"my value": value}) == [(value,)]
    assert rows(cursor, "SELECT ? AS v", [value]) == [(value,)]


def test_collections_can_be_bound(cursor):
    [row] = rows(cursor, "SELECT :a AS a, :m AS m", {"a": [1, 2], "m": {"k": "v"}})
    assert (list(row[0]), row[1]) == ([1, 2], [("k", "v")])


def test_a_marker_without_a_value_is_refused(cursor):
    for statement, values in (("SELECT :a, :b", {"a": 1}), ("SELECT ?, ?", [1])):
        with pytest.raises(ServerOperationError, match=r"^\[UNBOUND_SQL_PARAMETER\]"):
            cursor.execute(statement, values)


def test_changes_tell_how_many_rows_they_touched(cursor):
    cursor.execute("CREATE TABLE t (k INT, v STRING, at TIMESTAMP_NTZ)")
    assert cursor.rowcount == -1
    cursor.execute("INSERT INTO t (k, v) VALUES (:k, :v), (2, NULL)", {"k": 1, "v": "it's"})
    assert cursor.rowcount == 2
    cursor.execute("UPDATE t SET at = :at WHERE t.k > :k", {"at": NEW_YEAR, "k": 0})
    assert cursor.rowcount == 2
    cursor.execute("DELETE FROM t WHERE v = :v", {"v": "it's"})
    assert cursor.rowcount == 1
    assert rows(cursor, "SELECT * FROM t") == [(2, None, NEW_YEAR)]
    assert cursor.rowcount == -1


def test_a_failure_has_databricks_words(cursor):
    with pytest.raises(ServerOperationError) as failed:
        cursor.execute("SELECT * FROM nowhere")
    assert str(failed.value).startswith("[TABLE_OR_VIEW_NOT_FOUND] ")
    assert str(failed.value).endswith("SQLSTATE: 42P01")
    assert rows(cursor, "SELECT 1") == [(1,)]


def test_a_large_result_comes_in_several_pieces_and_leaves_no_file_behind(room, cursor):
    statement = "SELECT id, repeat('x', 1000) AS t FROM range(30000)"
    before = room.server.requests("POST", "/sql/*").count()
    table = cursor.execute(statement).fetchall_arrow()
    assert table["id"].to_pylist() == list(range(30000))
    assert room.server.requests("POST", "/sql/*").count() - before > 3
    cursor.close()
    assert list(room.server.services.executions.directory.glob("*.arrow")) == []


def test_rows_can_be_fetched_a_few_at_a_time(cursor):
    cursor.arraysize = 10
    cursor.execute("SELECT id FROM range(25)")
    assert [len(cursor.fetchmany(10)) for _ in range(4)] == [10, 10, 5, 0]


def test_a_row_limit_holds(connect, acme):
    cursor = connect(acme).cursor(row_limit=3)
    assert len(rows(cursor, "SELECT id FROM range(100)")) == 3


def test_a_statement_can_run_while_the_client_does_something_else(cursor):
    cursor.execute_async("SELECT sum(id) AS s FROM range(1000)")
    result = cursor.get_async_execution_result()
    assert [tuple(row) for row in result.fetchall()] == [(499500,)]
    cursor.execute_async("SELECT * FROM nowhere")
    with pytest.raises(ServerOperationError, match="TABLE_OR_VIEW_NOT_FOUND"):
        cursor.get_async_execution_result()


def test_a_running_statement_can_be_cancelled(cursor):
    cursor.execute_async(ENDLESS)
    cursor.cancel()
    assert cursor.get_query_state().value == "CANCELLED"
    with pytest.raises(DatabaseError, match="has no result: it is CANCELED"):
        cursor.backend.get_execution_result(cursor.active_command_id, cursor)
    assert rows(cursor, "SELECT 1") == [(1,)]


def test_use_lasts_for_the_session(cursor, connect, acme):
    cursor.execute("CREATE TABLE main.t AS SELECT 1 AS k")
    cursor.execute("USE SCHEMA default")
    assert rows(cursor, "SHOW TABLES") == []
    cursor.execute("USE acme.main")
    assert rows(cursor, "SELECT * FROM t") == [(1,)]
    cursor.execute("USE CATALOG acme")
    with pytest.raises(ServerOperationError, match="TABLE_OR_VIEW_NOT_FOUND"):
        cursor.execute("SELECT * FROM t")
    with pytest.raises(ServerOperationError, match="SCHEMA_NOT_FOUND"):
        cursor.execute("USE SCHEMA nowhere")
    assert rows(connect(acme).cursor(), "SELECT * FROM t") == [(1,)]
