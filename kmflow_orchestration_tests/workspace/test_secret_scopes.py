"""`/api/2.0/secrets` with the official SDK as the client."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied

from kmflow_orchestration.workspace.seeding import seed_secret
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
from kmflow_orchestration_tests.embedded import GroupInRoom, Room, client_for, fresh_room

VALUE = "a-scoped-secret-4f9d8a7b"


@pytest.fixture
def scope(room: Room, acme: GroupInRoom) -> str:
    seed_secret(room.server, "kmflow", "acme", VALUE, readers=[acme.caller])
    return "kmflow"


def test_a_reader_gets_the_value_and_the_keys(acme: GroupInRoom, scope: str) -> None:
    secrets = acme.client().secrets
    assert base64.b64decode(secrets.get_secret(scope, "acme").value).decode() == VALUE
    assert [one.key for one in secrets.list_secrets(scope)] == ["acme"]


def test_an_administrator_needs_no_entry(room: Room, scope: str) -> None:
    assert room.admin_client().secrets.get_secret(scope, "acme").key == "acme"


def test_somebody_else_is_refused(room: Room, scope: str) -> None:
    secrets = room.group("globex").client().secrets
    for reading in (
        lambda: secrets.get_secret(scope, "acme"),
        lambda: [*secrets.list_secrets(scope)],
    ):
        with pytest.raises(PermissionDenied, match="READ permission on scope kmflow"):
            reading()


def test_what_is_not_there_is_named(acme: GroupInRoom, scope: str) -> None:
    secrets = acme.client().secrets
    with pytest.raises(NotFound, match="scope: kmflow and key: other"):
        secrets.get_secret(scope, "other")
    with pytest.raises(NotFound, match="Scope absent does not exist!"):
        secrets.get_secret("absent", "acme")
    with pytest.raises(BadRequest, match="Missing required field: key"):
        secrets.get_secret(scope, "")


def test_scopes_of_two_workspaces_are_two(room: Room, scope: str) -> None:
    other = fresh_room(room.server)
    with pytest.raises(NotFound):
        other.admin_client().secrets.get_secret(scope, "acme")


def test_values_survive_a_restart_and_are_not_written_as_they_are(tmp_path: Path) -> None:
    with EmbeddedWorkspace(tmp_path) as server:
        acme = fresh_room(server).group("acme")
        seed_secret(server, "kmflow", "acme", VALUE, readers=[acme.caller])
    for path in tmp_path.glob("workspace.db*"):
        assert VALUE.encode() not in path.read_bytes()
    with EmbeddedWorkspace(tmp_path) as again:
        read = client_for(again.url, acme.token).secrets.get_secret("kmflow", "acme")
        assert base64.b64decode(read.value).decode() == VALUE


@pytest.mark.parametrize("name", ["", "a/b", "x" * 129])
def test_names_that_databricks_would_not_take_are_refused(room: Room, name: str) -> None:
    with pytest.raises(ValueError, match="128 letters"):
        room.server.services.secret_scopes.put(room.admin.workspace_id, name, "key", VALUE)
