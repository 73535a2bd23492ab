"""Who may use a session, how long it lasts, and the same over REST."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest
from databricks import sql
from databricks.sql.exc import DatabaseError, RequestError, ServerOperationError
from databricks.sql.thrift_api.TCLIService import ttypes

from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import fresh_room
from kmflow_orchestration_tests.workspace_thrift.conftest import driver_settings, http_path


def refused_connection(connect, group, **settings) -> RequestError:
    with pytest.raises(RequestError) as refused:
        connect(group, **settings)
    return refused.value


def test_a_token_nobody_knows_is_refused_with_its_reason(connect, acme):
    error = refused_connection(connect, acme, access_token="wrong")
    assert error.context["http-code"] == 403
    assert "Invalid access token." in str(error)


def test_a_revoked_token_ends_a_session_that_is_open(room, connect, acme):
    cursor = connect(acme).cursor()
    room.server.state.revoke_token(acme.token)
    with pytest.raises(RequestError) as refused:
        cursor.execute("SELECT 1")
    assert refused.value.context["http-code"] == 403


def test_an_unknown_warehouse_is_not_found(room, connect, acme):
    path = f"{http_path(room)[:-1]}x"
    error = refused_connection(connect, acme, _connection_uri=f"{room.url}{path}")
    assert error.context["http-code"] == 404


def test_a_session_of_another_principal_is_no_session(connect, room, acme):
    mine, other = connect(acme), connect(room.group("zenith"))
    handle = mine.session.session_id.to_thrift_handle()
    client = other.session.backend
    request = ttypes.TExecuteStatementReq(sessionHandle=handle, statement="SELECT 1")
    with pytest.raises(DatabaseError, match="Invalid SessionHandle"):
        client.make_request(client._client.ExecuteStatement, request)
    assert mine.cursor().execute("SELECT 1").fetchall()


def test_an_operation_of_another_principal_is_no_operation(connect, room, acme):
    cursor = connect(acme).cursor()
    cursor.execute_async("SELECT 'secret' AS s")
    other = connect(room.group("zenith")).session.backend
    with pytest.raises(DatabaseError, match="Invalid OperationHandle"):
        other.get_query_state(cursor.active_command_id)
    assert cursor.get_async_execution_result().fetchall()[0].s == "secret"


def test_a_session_nobody_used_for_eight_hours_is_over(tmp_path, clock):
    with EmbeddedWorkspace(tmp_path, clock=clock) as server:
        room = fresh_room(server)
        with sql.connect(**driver_settings(room, room.group("acme"))) as connection:
            cursor = connection.cursor()
            clock.advance(7 * 3600)
            cursor.execute("SELECT 1")
            clock.advance(9 * 3600)
            with pytest.raises(DatabaseError, match="Invalid SessionHandle"):
                cursor.execute("SELECT 1")


def test_groups_of_one_workspace_are_kept_apart_by_grants(connect, room, acme):
    connect(acme).cursor().execute("CREATE TABLE t AS SELECT 1 AS k")
    other = connect(room.group("zenith"), catalog="acme").cursor()
    for statement in ("SELECT * FROM t", "SELECT * FROM acme.main.t", "DELETE FROM acme.main.t"):
        with pytest.raises(ServerOperationError, match="INSUFFICIENT_PERMISSIONS"):
            other.execute(statement)


def test_what_is_no_message_is_refused(room, acme):
    assert posted(room, acme, http_path(room), b"{}") == 400
    assert posted(room, acme, http_path(room), b"") == 400
    assert posted(room, acme, "/sql/1.0/warehouses/nope", b"\x80\x01") == 400


def test_calls_we_do_not_serve_say_so(connect, acme):
    backend = connect(acme).session.backend
    request = ttypes.TGetFunctionsReq(functionName="x")
    with pytest.raises(DatabaseError, match="GetFunctions is not supported"):
        backend.make_request(backend._client.GetFunctions, request)


def test_a_cold_warehouse_takes_sessions_and_refuses_statements_until_it_runs(tmp_path, clock):
    with EmbeddedWorkspace(tmp_path, clock=clock) as server:
        room = fresh_room(server)
        server.faults.add(_cold(300))
        with sql.connect(**driver_settings(room, room.group("acme"))) as connection:
            cursor = connection.cursor()
            with pytest.raises(RequestError) as refused:
                cursor.execute("SELECT 1")
            assert refused.value.context["http-code"] == 503
            assert "is starting" in str(refused.value)
            clock.advance(301)
            assert cursor.execute("SELECT 1 AS one").fetchall()[0].one == 1


def _cold(seconds: float) -> Any:
    from kmflow_orchestration.workspace.faults import Fault

    return Fault("cold_warehouse", seconds=seconds)


def sent(room, group, method: str, path: str, body: object) -> Any:
    request = urllib.request.Request(
        f"{room.url}{path}",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {group.token}"},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def posted(room, group, path: str, body: object) -> int:
    return refused_call(room, group, "POST", path, body)


def refused_call(room, group, method: str, path: str, body: object) -> int:
    with pytest.raises(urllib.error.HTTPError) as refused:
        sent(room, group, method, path, body)
    refused.value.close()
    return refused.value.code


def test_statements_of_a_rest_session_lie_in_its_catalog_and_schema(room, acme):
    warehouse_id = http_path(room).rpartition("/")[2]
    body = {"warehouse_id": warehouse_id, "catalog": "acme", "schema": "main"}
    session_id = sent(room, acme, "POST", "/api/2.0/sql/sessions", body)["session_id"]

    def run(statement: str) -> Any:
        asked = {"warehouse_id": warehouse_id, "session_id": session_id, "statement": statement}
        return sent(room, acme, "POST", "/api/2.0/sql/statements", asked)["status"]["state"]

    assert run("CREATE TABLE t AS SELECT 1 AS k") == "SUCCEEDED"
    assert (run("USE SCHEMA default"), run("SELECT * FROM t")) == ("SUCCEEDED", "FAILED")
    place = f"/api/2.0/sql/sessions/{session_id}"
    assert refused_call(room, room.group("zenith"), "DELETE", place, {}) == 404
    assert sent(room, acme, "DELETE", place, {"warehouse_id": warehouse_id}) == {}
    asked = {"warehouse_id": warehouse_id, "session_id": session_id, "statement": "SELECT 1"}
    assert posted(room, acme, "/api/2.0/sql/statements", asked) == 400
    assert refused_call(room, acme, "DELETE", f"/api/2.0/sql/sessions/{uuid.uuid4()}", {}) == 404
    assert posted(room, acme, "/api/2.0/sql/sessions", {"warehouse_id": "nope"}) == 400


def test_drivers_that_ask_for_feature_flags_learn_that_there_are_none(room, acme):
    path = "/api/2.0/connector-service/feature-flags/PYTHON/4.9.0"
    assert refused_call(room, acme, "GET", path, b"") == 404


@pytest.mark.filterwarnings("default")
def test_the_drivers_rest_backend_fetches_rows_too(room, acme):
    settings = driver_settings(room, acme) | {
        "server_hostname": "http://127.0.0.1",
        "_port": int(room.url.rpartition(":")[2]),
        "use_sea": True,
    }
    with sql.connect(**settings) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t AS SELECT id FROM range(3)")
        cursor.execute("SELECT id FROM t WHERE id < :n ORDER BY id", {"n": 2})
        assert [row.id for row in cursor.fetchall()] == [0, 1]
        cursor.execute("SELECT id FROM t WHERE FALSE")
        assert cursor.fetchall() == []


def test_a_statement_is_forgotten_when_the_client_says_so(room, acme):
    client = acme.client().statement_execution
    warehouse_id = http_path(room).rpartition("/")[2]
    statement_id = client.execute_statement("SELECT 1", warehouse_id).statement_id
    path = f"/api/2.0/sql/statements/{statement_id}"
    assert sent(room, acme, "DELETE", path, {}) == {}
    assert refused_call(room, acme, "GET", path, b"") == 404
