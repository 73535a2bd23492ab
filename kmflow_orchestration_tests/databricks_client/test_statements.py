from __future__ import annotations

from typing import Any

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.databricks_client.calls import WorkspaceCalls
from kmflow_orchestration.databricks_client.statements import Statements
from kmflow_orchestration.databricks_client.warehouses import Warehouse
from kmflow_orchestration.errors import (
    AccessRefused,
    RemoteNotFound,
    RemoteTimeout,
    StatementFailed,
    WarehouseNotStarted,
    WarehouseUnavailable,
)
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.fakes import FakeClock

STATEMENTS = "/api/2.0/sql/statements*"


@pytest.fixture
def statements(calls: WorkspaceCalls, clock: FakeClock) -> Statements:
    return Statements(calls, Warehouse(calls, clock=clock), clock)


def test_small_and_large_results_have_the_same_types(statements: Statements) -> None:
    sql = "SELECT CAST('1.50' AS DECIMAL(5,2)) AS d, 7L AS n, TRUE AS b, DATE '2026-11-20' AS t"

    small, large = statements.fetch_small(sql), statements.fetch(sql)

    assert small.to_pylist() == large.to_pylist()
    assert small.schema.types == large.schema.types


@pytest.mark.parametrize("method", ["fetch", "fetch_small"])
def test_a_result_in_several_chunks_is_read_to_its_end(statements: Statements, method: str) -> None:
    found = getattr(statements, method)("SELECT id FROM range(50000)")

    assert sum(found["id"].to_pylist()) == 50_000 * 49_999 // 2


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM kmflow.acme_evidence.absent", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELEKT 1", "PARSE_SYNTAX_ERROR"),
    ],
)
def test_a_failed_statement_carries_its_error_class(
    statements: Statements, sql: str, code: str
) -> None:
    with pytest.raises(StatementFailed) as failure:
        statements.execute(sql)

    assert failure.value.error_code == code


def test_a_query_waits_for_a_cold_warehouse(room: Room, calls: WorkspaceCalls) -> None:
    clock = SystemClock()  # the workspace starts its warehouse in real time
    statements = Statements(calls, Warehouse(calls, clock=clock), clock)
    room.server.faults.add(Fault("cold_warehouse", seconds=0.3))

    assert statements.fetch_small("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_lost_answer_is_asked_for_again(room: Room, statements: Statements) -> None:
    room.server.faults.add(Fault("execute_then_drop", method="POST", path=STATEMENTS))

    assert statements.fetch("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_a_broken_or_expired_link_is_replaced(room: Room, statements: Statements) -> None:
    room.server.faults.add(Fault("cut_body", method="GET", path="*", keep_bytes=10))
    assert statements.fetch("SELECT 1 AS one").num_rows == 1


class Scripted:
    """Answers statement requests from a list; for states the embedded workspace never shows."""

    def __init__(self, *answers: dict[str, Any] | BaseException) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def do(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        self.asked.append(f"{method} {path.removeprefix('/api/2.0/sql/statements')}")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def scripted(
    clock: FakeClock, *answers: dict[str, Any] | BaseException
) -> tuple[Statements, Scripted]:
    calls: Any = Scripted(*answers)
    return Statements(calls, Warehouse(calls, "w1", clock=clock), clock, timeout_s=60), calls


def state(word: str, **more: Any) -> dict[str, Any]:
    return {"statement_id": "s1", "status": {"state": word, **more}}


@pytest.mark.parametrize(
    ("word", "error"), [("PENDING", WarehouseNotStarted), ("RUNNING", RemoteTimeout)]
)
def test_a_statement_that_takes_too_long_is_cancelled(
    clock: FakeClock, word: str, error: type[Exception]
) -> None:
    statements, calls = scripted(clock, state(word))

    with pytest.raises(error):
        statements.execute("SELECT 1")

    assert calls.asked[-1] == "POST /s1/cancel"
    assert 60 <= clock.monotonic() < 61


def test_an_interrupted_wait_cancels_the_statement(clock: FakeClock) -> None:
    statements, calls = scripted(clock, state("RUNNING"), AccessRefused("no"), state("CANCELED"))

    with pytest.raises(AccessRefused):
        statements.execute("SELECT 1")

    assert calls.asked == ["POST ", "GET /s1", "POST /s1/cancel"]


def test_a_cancel_that_fails_is_told_and_hides_no_interrupt(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    statements, calls = scripted(clock, state("RUNNING"), KeyboardInterrupt(), AccessRefused("no"))

    with pytest.raises(KeyboardInterrupt):
        statements.execute("SELECT 1")

    assert calls.asked[-1] == "POST /s1/cancel"
    assert "statement s1 may run on, it was not cancelled: no" in caplog.text


@pytest.mark.parametrize("word", ["CANCELED", "CLOSED"])
def test_every_end_but_success_is_a_failure(clock: FakeClock, word: str) -> None:
    statements, calls = scripted(clock, state("RUNNING"), state(word))

    with pytest.raises(StatementFailed) as failure:
        statements.execute("SELECT 1")

    assert failure.value.error_code == word
    assert calls.asked == ["POST ", "GET /s1"]


def warehouses(*states: str) -> dict[str, Any]:
    return {
        "warehouses": [
            {"id": f"w{at}", "name": f"n{9 - at}", "state": word} for at, word in enumerate(states)
        ]
    }


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        (("STOPPED", "RUNNING", "DELETED"), "w1"),
        (("RUNNING", "RUNNING"), "w1"),
    ],
)
def test_a_running_warehouse_comes_first_then_by_name(
    clock: FakeClock, states: tuple[str, ...], chosen: str
) -> None:
    calls: Any = Scripted(warehouses(*states))

    assert Warehouse(calls, clock=clock).id == chosen


def test_a_stopped_warehouse_is_started_and_waited_for(clock: FakeClock) -> None:
    calls: Any = Scripted(
        warehouses("DELETING", "STOPPED"), {}, {"state": "STARTING"}, {"state": "RUNNING"}
    )
    warehouse = Warehouse(calls, clock=clock)

    assert (warehouse.id, warehouse.id) == ("w1", "w1")
    assert [asked.split()[0] for asked in calls.asked] == ["GET", "POST", "GET", "GET"]


@pytest.mark.parametrize("answer", [{}, {"warehouses": []}, warehouses("DELETED", "DELETING")])
def test_no_warehouse_is_said_with_the_way_out(clock: FakeClock, answer: dict[str, Any]) -> None:
    calls: Any = Scripted(answer)

    with pytest.raises(WarehouseUnavailable, match="warehouse_id"):
        assert Warehouse(calls, clock=clock).id


def test_a_configured_warehouse_is_not_looked_for(clock: FakeClock) -> None:
    calls: Any = Scripted(RemoteNotFound("not asked"))

    assert Warehouse(calls, "mine", clock=clock).id == "mine"
    assert calls.asked == []
