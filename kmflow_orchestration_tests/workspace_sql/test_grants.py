from __future__ import annotations

import pytest

from kmflow_orchestration_tests.workspace_sql.conftest import (
    owner_of,
    secret_of,
    with_own_table,
)


@pytest.fixture
def ada(root):
    return owner_of(root, "ada", "a")


@pytest.fixture
def secret(ada):
    return secret_of(ada)


@pytest.fixture
def mine(root):
    return with_own_table(owner_of(root, "bob", "b"))


def test_a_grant_opens_exactly_what_it_names(secret, mine, ada):
    ada.run(f"GRANT SELECT ON TABLE {secret} TO bob")
    assert "USE SCHEMA" in mine.refused(f"SELECT * FROM {secret}").text
    mine.as_("root").run("GRANT USE SCHEMA ON SCHEMA a TO bob")
    assert mine.rows(f"SELECT v FROM {secret}") == [("hidden",)]
    assert "MODIFY" in mine.refused(f"DELETE FROM {secret}").text
    ada.run(f"REVOKE SELECT ON TABLE {secret} FROM bob")
    assert "does not have SELECT on Table" in mine.refused(f"SELECT * FROM {secret}").text


def test_reading_a_volume_takes_read_volume(secret, mine):
    root = mine.as_("root")
    root.run("GRANT USE SCHEMA, READ VOLUME ON SCHEMA a TO bob")
    path = f"/Volumes/{mine.catalog}/a/vault"
    assert mine.rows(f"SELECT k FROM parquet.`{path}/rows.parquet`") == [(1,)]
    assert mine.rows(f"SELECT x.k FROM json.`{path}/rows.json` AS x") == [(1,)]
    assert mine.refused(f"SELECT * FROM parquet.`{path}/nope`").error_class == "PATH_NOT_FOUND"


def test_grants_can_be_shown(secret, ada, mine):
    ada.run(f"GRANT SELECT ON TABLE {secret} TO bob")
    assert ("bob", "SELECT", "TABLE", secret) in ada.rows(f"SHOW GRANTS ON TABLE {secret}")
    assert mine.rows(f"SHOW GRANTS ON {secret}") == [("bob", "SELECT", "TABLE", secret)]
    assert ada.rows(f"SHOW GRANTS `bob` ON TABLE {secret}") == [("bob", "SELECT", "TABLE", secret)]


def test_what_cannot_be_granted_is_refused(secret, ada):
    refused = ada.refused(f"GRANT READ VOLUME ON TABLE {secret} TO bob")
    assert "not applicable" in refused.text
    assert ada.refused(f"GRANT SELECT ON TABLE {secret} TO nobody").error_class == (
        "PRINCIPAL_NOT_FOUND"
    )


def test_an_owner_tags_a_table_and_hands_it_over_and_nobody_else_does(secret, ada, mine):
    tags = "SET TAGS ('classification' = 'restricted', 'seen')"
    assert mine.refused(f"ALTER TABLE {secret} {tags}").error_class == "INSUFFICIENT_PERMISSIONS"
    assert "MANAGE" in mine.refused(f"ALTER TABLE {secret} SET OWNER TO bob").text
    ada.run(f"ALTER TABLE {secret} {tags}")
    ada.run(f"ALTER TABLE {secret} SET TAGS ('seen' = 'twice')")
    catalog = ada.services.catalog
    table = catalog.get(ada.caller.workspace_id, "TABLE", secret)
    assert table.facts["tags"] == {"classification": "restricted", "seen": "twice"}
    nobody = ada.refused(f"ALTER TABLE {secret} OWNER TO nobody")
    assert nobody.error_class == "PRINCIPAL_NOT_FOUND"
    assert ada.refused(f"ALTER TABLE {secret} SET TAGS ()").error_class == "PARSE_SYNTAX_ERROR"

    ada.run(f"ALTER TABLE {secret} OWNER TO bob")
    assert catalog.get(ada.caller.workspace_id, "TABLE", secret).owner == "bob"
    assert mine.as_("root").run(f"ALTER TABLE {secret} SET OWNER TO ada").num_rows == 0
