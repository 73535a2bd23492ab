"""The Statement Execution API through the real SDK and, where the SDK hides it, plain HTTP."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import BadRequest, InvalidParameterValue, NotFound
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
)

from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import GroupInRoom, Room, fresh_room

CANCEL = ExecuteStatementRequestOnWaitTimeout.CANCEL
ENDLESS = "SELECT count(*) FROM range(3000000000) a WHERE id % 7 = 3"


@dataclass
class Desk:
    """One principal at the statement API, in its own schema."""

    client: WorkspaceClient
    catalog: str
    warehouse_id: str

    def start(self, sql: str, **settings: Any) -> StatementResponse:
        settings = {"wait_timeout": "50s", "catalog": self.catalog, "schema": "main", **settings}
        return self.client.statement_execution.execute_statement(
            statement=sql, warehouse_id=self.warehouse_id, **settings
        )

    def rows(self, sql: str, **settings: Any) -> list[list[str]]:
        answer = self.start(sql, **settings)
        assert answer.status.state == StatementState.SUCCEEDED, answer.status.error
        return answer.result.data_array

    def ended(self, statement_id: str) -> StatementResponse:
        for _ in range(1000):
            answer = self.client.statement_execution.get_statement(statement_id)
            if answer.status.state not in {StatementState.PENDING, StatementState.RUNNING}:
                return answer
            time.sleep(0.01)
        raise AssertionError("the statement did not end")


def desk_of(group: GroupInRoom) -> Desk:
    client = group.client()
    [warehouse] = client.warehouses.list()
    return Desk(client, group.catalog, warehouse.id)


@pytest.fixture
def acme(room: Room) -> Desk:
    return desk_of(room.group("acme"))


def test_values_come_as_databricks_prints_them(acme):
    answer = acme.start(
        "SELECT timestamp'2026-11-20 09:00:00' AS t, timestamp'2026-11-20 09:00:00.123456' AS u,"
        " timestamp_ntz'2026-11-20 09:00:00' AS n, date'2026-01-02' AS d, 1.50 AS dec, true AS b,"
        " 1e20 AS x, 0.1D AS y, 100D AS z, NULL AS v, 7L AS l, array(1, 2) AS a,"
        " map('k', 1) AS m, named_struct('f', 'g') AS s, CAST('ab' AS BINARY) AS bin"
    )
    assert answer.result.data_array == [
        [
            *("2026-11-20T09:00:00.000Z", "2026-11-20T09:00:00.123456Z"),
            *("2026-11-20T09:00:00.000", "2026-01-02", "1.50", "true", "1.0E20", "0.1", "100.0"),
            *(None, "7", "[1,2]", '{"k":1}', '{"f":"g"}', "YWI="),
        ]
    ]
    columns = answer.manifest.schema.columns
    assert [column.type_text for column in columns[3:6]] == ["DATE", "DECIMAL(3,2)", "BOOLEAN"]
    assert all(column.type_name is not None for column in columns)
    assert answer.manifest.total_row_count == 1


def test_a_table_travels_through_ddl_dml_and_query(acme):
    acme.rows("CREATE TABLE IF NOT EXISTS t (k BIGINT NOT NULL, v STRING) CLUSTER BY (k)")
    assert acme.rows("INSERT INTO t VALUES (1, 'a')") == [["1", "1"]]
    parameters = [StatementParameterListItem(name="k", value="1", type="BIGINT")]
    assert acme.rows("SELECT v FROM t WHERE k = :k", parameters=parameters) == [["a"]]
    assert acme.rows("SELECT v FROM t WHERE k > 1") == []


def test_a_failure_is_an_answer_with_class_and_sqlstate(acme):
    answer = acme.start("SELECT * FROM nowhere")
    assert answer.status.state == StatementState.FAILED
    assert answer.status.error.message.startswith("[TABLE_OR_VIEW_NOT_FOUND] ")
    assert answer.status.error.error_code.value == "BAD_REQUEST"
    assert (answer.manifest, answer.result) == (None, None)


def test_a_statement_can_be_polled_and_fetched_in_chunks(acme):
    started = acme.start("SELECT id, repeat('x', 400) AS t FROM range(30000)", wait_timeout="0s")
    done = acme.ended(started.statement_id)
    assert done.manifest.total_chunk_count > 1
    rows, chunk = list(done.result.data_array), done.result
    while chunk.next_chunk_index is not None:
        chunk = acme.client.statement_execution.get_statement_result_chunk_n(
            done.statement_id, chunk.next_chunk_index
        )
        assert chunk.row_offset == len(rows)
        rows += chunk.data_array
    assert len(rows) == done.manifest.total_row_count == 30000
    with pytest.raises(InvalidParameterValue):
        acme.client.statement_execution.get_statement_result_chunk_n(done.statement_id, 99)


def test_results_over_25_mib_do_not_come_inline(acme):
    big = "SELECT repeat('x', 1000) AS t FROM range(30000)"
    assert "INLINE_BYTE_LIMIT_EXCEEDED" in acme.start(big).status.error.message
    limited = acme.start(big, row_limit=10)
    assert (limited.manifest.truncated, limited.manifest.total_row_count) == (True, 10)


def fetch(link: str, **headers: str) -> pa.Table:
    with urllib.request.urlopen(urllib.request.Request(link, headers=headers)) as answer:
        return pa.ipc.open_stream(answer.read()).read_all()


def refused_with(link: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(link)
    refused.value.close()
    return refused.value.code


def external(desk: Desk, sql: str) -> StatementResponse:
    return desk.start(sql, disposition=Disposition.EXTERNAL_LINKS, format=Format.ARROW_STREAM)


def test_an_external_result_is_one_arrow_stream_that_needs_no_credentials(acme):
    answer = external(acme, "SELECT id, CAST(id AS STRING) AS t FROM range(20000) ORDER BY id")
    [link] = answer.result.external_links
    assert link.row_count == 20000
    assert fetch(link.external_link)["t"][-1].as_py() == "19999"
    empty = external(acme, "SELECT 1 AS a WHERE FALSE")
    assert empty.manifest.total_row_count == 0
    assert not empty.result.external_links


def test_an_external_link_expires(tmp_path, clock):
    with EmbeddedWorkspace(tmp_path, clock=clock) as server:
        desk = desk_of(fresh_room(server).group("acme"))
        answer = external(desk, "SELECT 1 AS a")
        old = answer.result.external_links[0].external_link
        clock.advance(16 * 60)
        assert refused_with(old) == 403
        again = desk.client.statement_execution.get_statement(answer.statement_id)
        assert fetch(again.result.external_links[0].external_link).num_rows == 1
        assert refused_with(old.rpartition("=")[0] + "=guess") == 403


def test_a_running_statement_can_be_cancelled(acme):
    started = acme.start(ENDLESS, wait_timeout="0s")
    acme.client.statement_execution.cancel_execution(started.statement_id)
    assert acme.ended(started.statement_id).status.state == StatementState.CANCELED
    assert acme.rows("SELECT 1") == [["1"]]
    acme.client.statement_execution.cancel_execution(started.statement_id)


def test_a_finished_statement_stays_as_it_is_when_cancelled(acme):
    done = acme.start("SELECT 1")
    acme.client.statement_execution.cancel_execution(done.statement_id)
    again = acme.client.statement_execution.get_statement(done.statement_id)
    assert again.status.state == StatementState.SUCCEEDED


@pytest.mark.slow
def test_a_statement_that_outlasts_its_wait_is_cancelled_when_asked_so(acme):
    answer = acme.start(ENDLESS, wait_timeout="5s", on_wait_timeout=CANCEL)
    assert answer.status.state == StatementState.CANCELED


@pytest.mark.parametrize(
    "settings",
    [
        {"wait_timeout": "3s"},
        {"wait_timeout": "51s"},
        {"wait_timeout": "soon"},
        {"wait_timeout": "0s", "on_wait_timeout": CANCEL},
        {"disposition": Disposition.INLINE, "format": Format.ARROW_STREAM},
        {"row_limit": -1},
    ],
    ids=str,
)
def test_requests_databricks_refuses_are_refused(acme, settings):
    with pytest.raises(BadRequest):
        acme.start("SELECT 1", **settings)


def test_an_unknown_warehouse_is_refused(acme):
    acme.warehouse_id = "0123456789abcdef"
    with pytest.raises(InvalidParameterValue, match="not a valid endpoint id"):
        acme.start("SELECT 1")


def test_a_statement_is_invisible_to_others(room, acme):
    statement_id = acme.start("SELECT 'secret' AS s").statement_id
    other = desk_of(room.group("zenith")).client.statement_execution
    for touch in (other.get_statement, other.cancel_execution):
        with pytest.raises(NotFound):
            touch(statement_id)
    with pytest.raises(NotFound):
        other.get_statement_result_chunk_n(statement_id, 0)


def test_groups_of_one_workspace_are_kept_apart_by_grants(room, acme):
    acme.rows("CREATE TABLE t AS SELECT 1 AS k")
    other = desk_of(room.group("zenith"))
    answer = other.start("SELECT * FROM acme.main.t")
    assert answer.status.error.message == (
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n"
        "User does not have USE CATALOG on Catalog 'acme'. SQLSTATE: 42501"
    )


def test_a_cold_warehouse_keeps_statements_pending(tmp_path, clock):
    with EmbeddedWorkspace(tmp_path, clock=clock) as server:
        desk = desk_of(fresh_room(server).group("acme"))
        server.faults.add(Fault("cold_warehouse", seconds=300))
        started = desk.start("SELECT 1 AS a", wait_timeout="0s")
        assert started.status.state == StatementState.PENDING
        assert desk.client.warehouses.get(desk.warehouse_id).state.value == "STARTING"
        clock.advance(301)
        assert desk.ended(started.statement_id).result.data_array == [["1"]]


def test_warehouses_are_started_and_stopped(acme):
    warehouses = acme.client.warehouses
    warehouse = warehouses.get(acme.warehouse_id)
    assert warehouse.odbc_params.path == f"/sql/1.0/warehouses/{acme.warehouse_id}"
    assert warehouses.start_and_wait(acme.warehouse_id).state.value == "RUNNING"
    assert warehouses.stop_and_wait(acme.warehouse_id).state.value == "STOPPED"
    assert acme.rows("SELECT 1") == [["1"]]
    with pytest.raises(NotFound):
        warehouses.get("nope")


def test_a_path_with_and_without_slash_is_the_same(room, acme):
    body = f'{{"warehouse_id": "{acme.warehouse_id}", "statement": "SELECT 1"}}'.encode()
    headers = {"Authorization": f"Bearer {room.group('acme').token}"}
    for path in ("statements", "statements/"):
        request = urllib.request.Request(
            f"{room.url}/api/2.0/sql/{path}", data=body, headers=headers, method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            assert b'"SUCCEEDED"' in answer.read()
