from __future__ import annotations

import pytest
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied
from databricks.sdk.service.catalog import (
    PermissionsChange,
    Privilege,
    SecurableType,
    VolumeType,
)

from kmflow_orchestration_tests.workspace_sql.test_statements import desk_of


@pytest.fixture
def acme(room):
    return room.group("acme").client()


@pytest.fixture
def zenith(room):
    return room.group("zenith").client()


def test_schemas_and_volumes_are_made_listed_read_and_dropped(acme):
    schema = acme.schemas.create("Extra", "acme", comment="more")
    assert (schema.full_name, schema.comment) == ("acme.extra", "more")
    volume = acme.volumes.create("acme", "extra", "files", VolumeType.MANAGED)
    assert volume.full_name == "acme.extra.files"
    assert [item.name for item in acme.schemas.list("acme")] == ["default", "extra", "main"]
    assert [item.name for item in acme.volumes.list("acme", "extra")] == ["files"]
    acme.volumes.delete("acme.extra.files")
    with pytest.raises(NotFound):
        acme.volumes.read("acme.extra.files")
    acme.schemas.delete("acme.extra")
    with pytest.raises(NotFound) as gone:
        acme.schemas.get("acme.extra")
    assert gone.value.error_code == "SCHEMA_DOES_NOT_EXIST"


def test_making_something_twice_is_refused_with_its_own_code(acme):
    with pytest.raises(BadRequest) as refused:
        acme.schemas.create("main", "acme")
    assert refused.value.error_code == "SCHEMA_ALREADY_EXISTS"
    assert str(refused.value) == "Schema 'acme.main' already exists"


def test_a_schema_that_is_not_empty_is_dropped_only_by_force(acme):
    acme.schemas.create("own", "acme")
    acme.volumes.create("acme", "own", "v", VolumeType.MANAGED)
    with pytest.raises(BadRequest, match="not empty"):
        acme.schemas.delete("acme.own")
    acme.schemas.delete("acme.own", force=True)
    assert "own" not in [item.name for item in acme.schemas.list("acme")]


def test_a_table_is_shown_with_columns_and_key(room, acme):
    desk = desk_of(room.group("acme"))
    desk.rows(
        "CREATE TABLE t (k BIGINT NOT NULL COMMENT 'key', d DECIMAL(18,2),"
        " CONSTRAINT pk_t PRIMARY KEY (k)) COMMENT 'rows' TBLPROPERTIES ('a' = 'b')"
    )
    table = acme.tables.get("acme.main.t")
    assert [(c.name, c.type_name.value, c.type_text, c.nullable) for c in table.columns] == [
        ("k", "LONG", "bigint", False),
        ("d", "DECIMAL", "decimal(18,2)", True),
    ]
    assert (table.comment, table.properties, table.owner) == ("rows", {"a": "b"}, "acme-service")
    assert table.table_constraints[0].primary_key_constraint.child_columns == ["k"]
    assert acme.tables.exists("acme.main.t").table_exists
    assert not acme.tables.exists("acme.main.nope").table_exists
    assert [item.name for item in acme.tables.list("acme", "main")] == ["t"]
    acme.tables.delete("acme.main.t")
    with pytest.raises(NotFound):
        acme.tables.get("acme.main.t")


def test_lists_come_in_pages(acme, room):
    for number in range(3):
        acme.schemas.create(f"s{number}", "acme")
    first = acme.api_client.do(
        "GET",
        "/api/2.1/unity-catalog/schemas",
        query={"catalog_name": "acme", "max_results": 2},
    )
    assert len(first["schemas"]) == 2
    assert first["next_page_token"]
    assert len(list(acme.schemas.list("acme", max_results=2))) == 5
    with pytest.raises(BadRequest):
        list(acme.schemas.list("acme", page_token="odd"))


def test_nobody_sees_or_touches_a_neighbours_catalog(acme, zenith):
    assert [item.name for item in acme.catalogs.list()] == ["acme"]
    for touch in (
        lambda: zenith.catalogs.get("acme"),
        lambda: list(zenith.schemas.list("acme")),
        lambda: zenith.schemas.get("acme.main"),
        lambda: list(zenith.volumes.list("acme", "main")),
        lambda: zenith.volumes.read("acme.main.evidence"),
        lambda: list(zenith.tables.list("acme", "main")),
        lambda: zenith.tables.exists("acme.main.t"),
        lambda: zenith.schemas.create("x", "acme"),
        lambda: zenith.volumes.create("acme", "main", "x", VolumeType.MANAGED),
        lambda: zenith.schemas.delete("acme.main", force=True),
        lambda: zenith.volumes.delete("acme.main.evidence"),
        lambda: zenith.catalogs.create("mine"),
        lambda: zenith.catalogs.delete("acme", force=True),
    ):
        with pytest.raises(PermissionDenied, match="does not have"):
            touch()


def test_missing_things_have_their_own_codes(room):
    admin = room.admin_client()
    for touch, code in (
        (lambda: admin.catalogs.get("nope"), "CATALOG_DOES_NOT_EXIST"),
        (lambda: list(admin.schemas.list("nope")), "CATALOG_DOES_NOT_EXIST"),
        (lambda: list(admin.tables.list("nope", "s")), "CATALOG_DOES_NOT_EXIST"),
        (lambda: admin.tables.get("a.b.c"), "TABLE_DOES_NOT_EXIST"),
    ):
        with pytest.raises(NotFound) as missing:
            touch()
        assert missing.value.error_code == code


def change(client, kind, name, principal, **changes):
    wanted = {word: [Privilege(item) for item in items] for word, items in changes.items()}
    wanted = [PermissionsChange(principal=principal, **wanted)]
    return client.grants.update(kind, name, changes=wanted)


def test_grants_are_given_shown_and_taken_back(room, zenith):
    admin = room.admin_client()
    room.group("acme")
    catalog = SecurableType.CATALOG.value
    change(admin, catalog, "acme", "zenith-service", add=["USE_CATALOG", "USE_SCHEMA"])
    assert "main" in [item.name for item in zenith.schemas.list("acme")]
    effective = admin.grants.get_effective(
        SecurableType.SCHEMA.value, "acme.main", principal="zenith-service"
    )
    [assignment] = effective.privilege_assignments
    assert {(p.privilege.value, p.inherited_from_name) for p in assignment.privileges} == {
        ("USE_SCHEMA", "acme")
    }
    change(admin, catalog, "acme", "zenith-service", remove=["USE_CATALOG"])
    with pytest.raises(PermissionDenied):
        list(zenith.schemas.list("acme"))


def test_only_who_manages_a_securable_grants_on_it(acme, zenith):
    with pytest.raises(PermissionDenied):
        change(zenith, "catalog", "acme", "zenith-service", add=["ALL_PRIVILEGES"])
    assert zenith.grants.get("catalog", "acme").privilege_assignments in (None, [])


def test_a_new_catalog_needs_no_restart(room):
    admin = room.admin_client()
    admin.catalogs.create("fresh", comment="new")
    desk = desk_of(room.group("acme"))
    desk.client = admin
    desk.rows("CREATE TABLE fresh.default.t AS SELECT 1 AS k")
    assert desk.rows("SELECT k FROM fresh.default.t") == [["1"]]
    with pytest.raises(BadRequest):
        admin.catalogs.delete("fresh")
    admin.catalogs.delete("fresh", force=True)
    assert "fresh" not in [item.name for item in admin.catalogs.list()]
