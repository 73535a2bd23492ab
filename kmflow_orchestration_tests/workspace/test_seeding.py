from __future__ import annotations

import io

import pytest
from databricks.sdk.errors import PermissionDenied

from kmflow_orchestration.workspace.seeding import seed_group, seed_workspace
from kmflow_orchestration.workspace.wire import WireError
from kmflow_orchestration_tests.embedded import Room, client_for


def shared(room: Room, name: str) -> str:
    """A group that has one schema of a catalog it shares; its token."""
    token = f"token-{name}-{room.admin.workspace_id}"
    seed_group(
        room.server,
        room.admin,
        principal=f"{name}-service",
        token=token,
        catalog="shared",
        schemas=(name,),
        volumes=(f"{name}.evidence",),
    )
    return token


def test_seeding_again_changes_nothing(room: Room) -> None:
    token = shared(room, "acme")
    before = room.server.services.catalog.grants.on(
        room.admin.workspace_id, "SCHEMA", "shared.acme"
    )
    assert shared(room, "acme") == token
    after = room.server.services.catalog.grants.on(room.admin.workspace_id, "SCHEMA", "shared.acme")
    assert before == after != []
    again = seed_workspace(room.server, "again", admin_token=f"again-{room.admin.workspace_id}")
    same = seed_workspace(room.server, "again", admin_token=f"again-{room.admin.workspace_id}")
    assert again == same


def test_groups_that_share_a_catalog_are_kept_apart_by_grants_alone(room: Room) -> None:
    acme, beta = (client_for(room.url, shared(room, name)) for name in ("acme", "beta"))
    acme.files.upload("/Volumes/shared/acme/evidence/a", io.BytesIO(b"1"), overwrite=True)
    with pytest.raises(PermissionDenied, match="USE SCHEMA on Schema 'shared.acme'"):  # noqa: RUF043
        beta.files.download("/Volumes/shared/acme/evidence/a")
    with pytest.raises(PermissionDenied):
        beta.schemas.create("mine", "shared")


def test_a_group_with_a_catalog_of_its_own_makes_its_schemas(room: Room) -> None:
    client = room.group("acme").client()
    client.schemas.create("acme_bronze", "acme")
    assert "acme_bronze" in [schema.name for schema in client.schemas.list("acme")]


def test_a_volume_without_schema_is_refused(room: Room) -> None:
    with pytest.raises(WireError, match="is not schema"):
        seed_group(
            room.server, room.admin, principal="x", token="x-token", catalog="c", volumes=("v",)
        )
