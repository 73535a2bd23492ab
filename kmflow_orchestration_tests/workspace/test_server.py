from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path

import pytest
from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated

from kmflow_orchestration.workspace.server import (
    EmbeddedWorkspace,
    WorkspaceDirectoryBusy,
    databrickscfg,
    run,
)
from kmflow_orchestration_tests.embedded import GroupInRoom, Room, client_for, fresh_room


def test_me_is_the_principal_of_the_token(acme: GroupInRoom, room: Room) -> None:
    assert acme.client().current_user.me().user_name == "acme-service"
    assert acme.client().get_workspace_id() == int(room.admin.workspace_id)
    assert [g.display for g in room.admin_client().current_user.me().groups] == ["users", "admins"]


def test_host_metadata_needs_no_token(room: Room) -> None:
    with urllib.request.urlopen(f"{room.url}/.well-known/databricks-config") as answer:
        assert json.load(answer)["oidc_endpoint"] == f"{room.url}/oidc"


def test_an_unknown_token_is_refused_as_databricks_refuses_it(room: Room) -> None:
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        client_for(room.url, "nobody").current_user.me()


def test_a_request_without_token_is_unauthenticated(room: Room) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{room.url}/api/2.0/preview/scim/v2/Me")
    with refused.value as answer:
        assert answer.status == 401
        assert json.load(answer)["error_code"] == 401


def test_a_revoked_token_is_worth_nothing(acme: GroupInRoom, room: Room) -> None:
    acme.client().current_user.me()
    room.server.state.revoke_token(acme.token)
    with pytest.raises((PermissionDenied, Unauthenticated)):
        acme.client().current_user.me()


def test_an_unknown_path_is_endpoint_not_found(acme: GroupInRoom) -> None:
    with pytest.raises(NotFound, match=r"No API found for 'GET /api/2\.0/nothing'") as missing:
        acme.client().api_client.do("GET", "/api/2.0/nothing")
    assert missing.value.error_code == "ENDPOINT_NOT_FOUND"


def test_every_answer_names_the_workspace(room: Room) -> None:
    request = urllib.request.Request(
        f"{room.url}/api/2.0/preview/scim/v2/Me",
        headers={"Authorization": f"Bearer {room.admin_token}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["X-Databricks-Org-Id"] == room.admin.workspace_id


def test_workspaces_of_one_server_do_not_see_each_other(room: Room, acme: GroupInRoom) -> None:
    other = fresh_room(room.server).group("acme")
    acme.upload("a.txt", b"mine")
    with pytest.raises(NotFound):
        other.client().files.download(f"{other.volume}/a.txt")


def test_a_token_cannot_be_given_to_two_principals(room: Room, acme: GroupInRoom) -> None:
    with pytest.raises(ValueError, match="another principal"):
        room.server.state.create_principal(room.admin.workspace_id, "thief", token=acme.token)


def test_tokens_are_not_written_to_disk(room: Room, acme: GroupInRoom) -> None:
    acme.upload("a.txt", b"bytes")
    for path in Path(room.server.directory).glob("workspace.db*"):
        assert acme.token.encode() not in path.read_bytes()


def test_state_survives_a_restart(tmp_path: Path) -> None:
    with EmbeddedWorkspace(tmp_path) as server:
        first = fresh_room(server).group("acme")
        first.upload("a.txt", b"kept")
    with EmbeddedWorkspace(tmp_path) as again:
        client = client_for(again.url, first.token)
        assert client.files.download(f"{first.volume}/a.txt").contents.read() == b"kept"


def test_a_directory_has_one_server_at_a_time(room: Room) -> None:
    with pytest.raises(WorkspaceDirectoryBusy):
        EmbeddedWorkspace(room.server.directory).start()


def test_a_taken_port_is_an_error_and_leaves_the_directory_free(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    server = EmbeddedWorkspace(tmp_path, port=taken.getsockname()[1])
    with taken, pytest.raises(OSError, match="in use"):
        server.start()
    with EmbeddedWorkspace(tmp_path) as server:
        assert server.url.startswith("http://127.0.0.1:")


def test_a_stopped_server_can_be_stopped_again(tmp_path: Path) -> None:
    server = EmbeddedWorkspace(tmp_path)
    server.start()
    server.stop()
    server.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url


def test_run_serves_until_it_is_stopped(tmp_path: Path) -> None:
    seen: list[str] = []

    def on_start(server: EmbeddedWorkspace) -> None:
        seen.append(databrickscfg(server.url, {"acme": "secret"}))
        server.stop()

    run(tmp_path, on_start=on_start)
    assert seen[0].splitlines()[0] == "[acme]"
    assert seen[0].splitlines()[2] == "token = secret"


def test_requests_are_counted_by_method_path_and_principal(room: Room, acme: GroupInRoom) -> None:
    acme.upload("a.txt", b"1")
    acme.upload("b.txt", b"2")
    puts = room.server.requests("PUT", "/api/2.0/fs/files/*")
    assert puts.count() == 2
    assert puts.count(principal="acme-service", status=204) == 2
    assert puts.count(principal="beta-service") == 0
