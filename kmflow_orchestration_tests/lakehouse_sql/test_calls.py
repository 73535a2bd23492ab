"""What is tried again, what never, and what a caller learns when it is over (row C17)."""

from __future__ import annotations

import logging
import socket

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from kmflow_orchestration.databricks_client.reachability import HostUnreachable
from kmflow_orchestration.errors import (
    AccessRefused,
    OutcomeUnknown,
    RemoteFault,
    RemoteNotFound,
    RequestRejected,
    WarehouseUnavailable,
)
from kmflow_orchestration.lakehouse_sql.calls import only_reads
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.lakehouse_sql.world import Person

INSERT = text("INSERT INTO people VALUES (1, 'x')")
SQL = "/sql/1.0/*"


@pytest.fixture
def connection(world, engine):
    """Open, so that a fault meets a statement and not the opening."""
    with engine.connect() as opened:
        opened.execute(text("SELECT 1"))
        world.clock.slept.clear()
        yield opened


def fail(world, name, times=1, **how):
    world.room.server.faults.add(Fault(name, path=SQL, times=times, **how))


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("SELECT 1", True),
        ("  -- a remark\n /* and\n one */ (select 1)", True),
        ("WITH q AS (SELECT 1) SELECT * FROM q", True),
        ("DESCRIBE TABLE EXTENDED t", True),
        ("SHOW TABLES FROM `c`.`s`", True),
        ("INSERT INTO t SELECT 1", False),
        ("/* SELECT */ DELETE FROM t", False),
        ("\nCREATE TABLE t (a INT)", False),
        ("MERGE INTO t USING s ON t.k = s.k WHEN MATCHED THEN DELETE", False),
        ("selection", False),
        ("", False),
    ],
)
def test_a_statement_that_only_reads_is_known_by_its_first_word(statement, reads):
    assert only_reads(statement) is reads


@pytest.mark.parametrize("name", ["execute_then_drop", "unavailable", "rate_limit"])
def test_a_question_is_asked_again_after_a_pause(world, connection, name, caplog):
    fail(world, name, times=2)
    with caplog.at_level(logging.INFO):
        assert connection.execute(text("SELECT 7")).scalar() == 7
    first, second = world.clock.slept[-2:]
    assert 1.6 <= first <= 2.4
    assert 3.2 <= second <= 4.8
    ours = (record for record in caplog.records if record.name.startswith("kmflow_"))
    told = [record.getMessage() for record in ours if "attempt" in record.msg]
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warned == []
    assert [line.partition(" failed")[0] for line in told] == ["attempt 1 of 3", "attempt 2 of 3"]
    assert world.groups.environment["TOKEN_acme"] not in caplog.text


def test_the_time_the_workspace_asks_for_is_kept(world, connection):
    fail(world, "rate_limit", retry_after_s=17)
    connection.execute(text("SELECT 1"))
    assert world.clock.slept == [17]


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateway_that_fails_is_asked_again_for_reading_only(world, connection, status):
    fail(world, "fail_times", status=status)
    assert connection.execute(text("SELECT 1")).scalar() == 1
    fail(world, "fail_times", status=status)
    with pytest.raises(OutcomeUnknown):
        connection.execute(INSERT)


def test_a_change_whose_answer_was_lost_is_not_sent_again(world, connection):
    fail(world, "execute_then_drop")
    with pytest.raises(OutcomeUnknown, match="may or may not") as unknown:
        connection.execute(INSERT)
    assert (unknown.value.exit_code, unknown.value.retryable) == (5, False)
    assert connection.execute(select(Person.id)).scalars().all() == [1]
    assert world.clock.slept == []


def test_a_change_that_was_refused_is_sent_again(world, connection):
    fail(world, "unavailable", times=2)
    connection.execute(INSERT)
    assert connection.execute(select(Person.id)).scalars().all() == [1]


def test_a_change_that_runs_on_is_waited_for_when_a_question_about_it_is_lost(world, connection):
    world.room.server.services.thrift.direct_results_s = 0.0
    try:
        fail(world, "execute_then_drop", after=1, times=2)
        connection.execute(text("INSERT INTO people SELECT id, 'x' FROM range(5)"))
    finally:
        world.room.server.services.thrift.direct_results_s = 5.0
    assert len(connection.execute(select(Person.id)).all()) == 5


def test_a_batch_whose_middle_was_lost_sends_nothing_twice(world, connection):
    people = [{"id": number, "name": "x"} for number in range(3)]
    fail(world, "execute_then_drop", after=1)
    with pytest.raises(OutcomeUnknown):
        connection.execute(Person.__table__.insert(), people)
    assert sorted(connection.execute(select(Person.id)).scalars()) == [0, 1]


def test_rows_lost_on_their_way_are_a_fault_of_the_network(world, connection):
    result = connection.execute(text("SELECT id, repeat('x', 1000) AS t FROM range(30000)"))
    fail(world, "execute_then_drop", times=9)
    with pytest.raises(HostUnreachable):
        result.fetchall()
    world.room.server.faults.clear()


def test_retries_end_with_what_was_wrong(world, connection):
    before = world.calls()
    fail(world, "execute_then_drop", times=9)
    with pytest.raises(HostUnreachable, match="gave up after 3 attempts") as gone:
        connection.execute(text("SELECT 1"))
    assert gone.value.error_code == "CONNECTION"
    assert world.calls() - before == 3
    world.room.server.faults.clear()
    fail(world, "rate_limit", times=9)
    with pytest.raises(RemoteFault, match="HTTP 429"):
        connection.execute(text("SELECT 1"))
    world.room.server.faults.clear()


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, RequestRejected), (401, AccessRefused), (403, AccessRefused), (404, RemoteNotFound)],
)
def test_what_will_not_change_is_asked_once(world, connection, status, error):
    before = world.calls()
    fail(world, "fail_times", status=status)
    with pytest.raises(error):
        connection.execute(text("SELECT 1"))
    assert (world.calls() - before, world.clock.slept) == (1, [])


def test_an_error_of_the_statement_itself_stays_sqlalchemys(world, connection):
    before = world.calls()
    with pytest.raises(DatabaseError, match="TABLE_OR_VIEW_NOT_FOUND"):
        connection.execute(text("SELECT * FROM nowhere"))
    assert world.calls() - before == 1


def test_an_unknown_token_is_refused_once_and_never_shown(world):
    world.config("acme")
    world.groups.environment["TOKEN_acme"] = "dapi-of-nobody"
    engine = world.open("acme").engine
    with pytest.raises(AccessRefused) as refused:
        engine.connect()
    assert refused.value.exit_code == 4
    assert (world.calls(), world.clock.slept) == (1, [])
    assert "dapi-of-nobody" not in f"{refused.value} {refused.value.hint} {engine!r} {engine.url}"


def test_a_connection_is_opened_again_when_its_session_is_over(world, engine):
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    world.room.server.services.sql_sessions._open.clear()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_nobody_at_the_address_is_unreachable(world):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = world.config("acme", workspace_url=f"http://127.0.0.1:{port}")
    with pytest.raises(HostUnreachable, match="gave up after 3 attempts"):
        world.engines().get(config).engine.connect()
    assert len(world.clock.slept) == 2


def test_a_workspace_that_is_silent_is_left_after_a_time(world):
    fail(world, "delay", times=9, seconds=3)
    engine = world.engines(request_timeout_s=0.2).get(world.config("acme")).engine
    with pytest.raises(HostUnreachable) as silent:
        engine.connect()
    assert silent.value.error_code == "TIMEOUT"
    world.room.server.faults.clear()


def test_a_cold_warehouse_is_waited_for_and_then_takes_the_change_once(timed_world):
    timed_world.room.server.faults.add(Fault("cold_warehouse", seconds=120))
    engine = timed_world.open("acme").engine
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE people (id BIGINT, name STRING)"))
        assert 119 <= sum(timed_world.clock.slept) <= 130
        connection.execute(INSERT)
        assert connection.execute(select(Person.id)).scalars().all() == [1]


def test_a_warehouse_that_does_not_start_is_given_up(timed_world):
    timed_world.room.server.faults.add(Fault("cold_warehouse", seconds=10_000))
    config = timed_world.config("acme", warehouse_start_timeout_s=60)
    engine = timed_world.engines().get(config).engine
    with engine.connect() as connection, pytest.raises(WarehouseUnavailable) as away:
        connection.execute(text("SELECT 1"))
    assert away.value.exit_code == 5
    assert "start it or enable auto-start" in away.value.hint
    assert 60 <= sum(timed_world.clock.slept) <= 70
