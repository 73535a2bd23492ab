"""`kmflow grants`: what it prints, what it answers, how it ends."""

from __future__ import annotations

import pytest

from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room

ANALYSTS = "kmflow-analysts"
GRANTS = ("grants", "--group", "acme", "--to", ANALYSTS)


@pytest.fixture
def workspace(kmflow: Kmflow, on_workspace: Room) -> Room:
    """acme is provisioned, so that its schemas are its own; the analysts are there."""
    state = on_workspace.server.state
    workspace_id = on_workspace.admin.workspace_id
    state.create_principal(workspace_id, ANALYSTS, token=f"analysts-{workspace_id}")
    made = kmflow("provision", "--group", "acme")
    assert made.code == 0, made.err
    on_workspace.server.services.request_log.clear()
    return on_workspace


def test_analysts_are_let_in_once(kmflow: Kmflow, workspace: Room) -> None:
    planned, first, second = kmflow(*GRANTS, "--dry-run"), kmflow(*GRANTS), kmflow(*GRANTS)

    assert planned.code == first.code == second.code == 0
    assert planned.out.count("would_grant") == 5
    assert first.out.count("granted") == 4
    # The catalog is its administrator's; what he is to run stands on a line of its own.
    assert f"GRANT USE CATALOG ON CATALOG `kmflow` TO `{ANALYSTS}`" in first.err
    assert second.out.count("exists") == 4
    assert workspace.server.requests("POST").count() == 0


def test_too_much_ends_in_1_with_the_statement_to_run(kmflow: Kmflow, workspace: Room) -> None:
    kmflow(*GRANTS)
    place = ("schema", "kmflow.acme_bronze")
    workspace.server.services.catalog.grant(
        workspace.admin.workspace_id, ("SELECT",), place, ANALYSTS
    )

    told, as_json = kmflow(*GRANTS, "--dry-run"), kmflow(*GRANTS, "--json")

    assert told.code == as_json.code == 1
    revoke = f"REVOKE SELECT ON SCHEMA `kmflow`.`acme_bronze` FROM `{ANALYSTS}`"
    assert revoke in told.err
    assert [step["message"] for step in as_json.json["steps"] if step["action"] == "too_much"] == [
        revoke
    ]
    assert as_json.json["group"] == "acme"


def test_statements_are_printed_without_asking_anybody(kmflow: Kmflow, workspace: Room) -> None:
    text, as_json = kmflow(*GRANTS, "--print-sql"), kmflow(*GRANTS, "--print-sql", "--json")

    assert text.out.splitlines() == [
        f"GRANT USE CATALOG ON CATALOG `kmflow` TO `{ANALYSTS}`;",
        f"GRANT USE SCHEMA, SELECT ON SCHEMA `kmflow`.`acme_silver` TO `{ANALYSTS}`;",
        f"GRANT USE SCHEMA, SELECT ON SCHEMA `kmflow`.`acme_gold` TO `{ANALYSTS}`;",
    ]
    assert [f"{one};" for one in as_json.json["statements"]] == text.out.splitlines()
    assert workspace.server.requests().count() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("grants", "--group", "acme"), 2, "--to"),
        (("grants", "--group", "acme", "--to", "account users"), 3, "everybody"),
        (("grants", "--group", "acme", "--to", " "), 3, "name whom"),
        (("grants", "--group", "acne", "--to", ANALYSTS), 3, "acme"),
    ],
)
def test_wrong_use_says_what_to_do(
    kmflow: Kmflow, workspace: Room, arguments: tuple[str, ...], code: int, words: str
) -> None:
    outcome = kmflow(*arguments)

    assert (outcome.code, words in outcome.err) == (code, True), outcome.err
    assert workspace.server.requests().count() == 0


def test_tables_on_this_machine_know_no_grants(kmflow: Kmflow, groups_file) -> None:
    kmflow("group", "import", groups_file())

    outcome = kmflow(*GRANTS)

    assert outcome.code == 3
    assert "STORAGE_BACKEND" in outcome.err
