"""What each command does, says and leaves behind, when all is well and when it is run again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml
from databricks.sdk.service.catalog import PermissionsChange, Privilege

from kmflow_orchestration.cli.command_tree import command_list, command_tree
from kmflow_orchestration_tests.cli.conftest import TOKEN, Kmflow
from kmflow_orchestration_tests.embedded import Room

COMMANDS = {
    *("demo", "dev", "provision", "group", "output", "db", "workspace", "service", "token"),
    *(
        "config",
        "engagement",
        "dataset",
        "evidence",
        "files",
        "auth",
        "secret",
        "grants",
        "rollback",
    ),
    *("backfill-metadata", "dedupe-metadata", "register-tables", "tables", "stages"),
    *("inventory", "migrate", "verify", "doctor", "backup", "restore"),
    *("convert", "batch-convert", "info", "validate", "formats", "databricks"),
    *("trace", "quarantine"),
}


def test_the_version_is_the_packages(kmflow: Kmflow) -> None:
    from kmflow_orchestration import __version__

    assert kmflow("--version").out == f"kmflow_orchestration {__version__}\n"


def test_help_lists_every_command_with_a_sentence(kmflow: Kmflow) -> None:
    lines = kmflow("--help").out.partition("Commands:")[2].strip().splitlines()

    assert {line.split()[0] for line in lines} == COMMANDS
    assert all(len(line.split()) > 2 for line in lines)


def test_the_list_of_commands_says_of_each_what_it_says_of_itself() -> None:
    def told(tree: Any) -> list[tuple[str, str]]:
        return [(name, one.get_short_help_str(200)) for name, one in tree.commands.items()]

    assert told(command_list()) == told(command_tree(""))


def test_no_command_is_imported_to_list_them_all() -> None:
    code = (
        "import sys\n"
        "from kmflow_orchestration.cli.main import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "ours = {one for one in sys.modules if one.startswith('kmflow_orchestration.cli.')}\n"
        "assert ours <= {f'kmflow_orchestration.cli.{one}' for one in"
        " ('main', 'json_answer', 'command_tree')}, ours\n"
    )

    for asked in ("--help", "--version"):
        subprocess.run([sys.executable, "-c", code, asked], check=True, stdout=subprocess.PIPE)


def test_every_command_and_option_has_a_help() -> None:

    def walk(command: object) -> None:
        assert getattr(command, "help", "")
        for parameter in getattr(command, "params", []):
            assert getattr(parameter, "help", "x") != ""
        for child in getattr(command, "commands", {}).values():
            walk(child)

    walk(command_tree(""))


@pytest.mark.parametrize("first", sorted(COMMANDS))
def test_a_call_builds_what_it_names_as_it_is_in_the_whole_tree(first: str) -> None:
    def shape(command: Any) -> dict[str, Any]:
        inner = getattr(command, "commands", {})
        parameters = [one.name for one in command.params]
        return {"": parameters} | {name: shape(one) for name, one in inner.items()}

    named = command_tree(first)

    assert list(named.commands) == [first]
    assert shape(named.commands[first]) == shape(command_tree("").commands[first])


def test_nothing_at_all_shows_the_help_and_is_a_usage_error(kmflow: Kmflow) -> None:
    outcome = kmflow()

    assert outcome.code == 2
    assert "Commands:" in outcome.out + outcome.err


def test_a_group_is_imported_once_and_unchanged_the_second_time(
    kmflow: Kmflow, groups_file
) -> None:
    file = groups_file()

    assert kmflow("group", "import", file, "--json").json == {
        "groups": [{"group": "acme", "version": 1, "changed": True}]
    }
    assert kmflow("group", "import", file, "--json").json == {
        "groups": [{"group": "acme", "version": 1, "changed": False}]
    }
    assert "acme: unchanged, version 1" in kmflow("group", "import", file).err


def test_a_changed_group_gets_the_next_version(kmflow: Kmflow, groups_file) -> None:
    kmflow("group", "import", groups_file())

    changed = kmflow("group", "import", groups_file(landing_path="/srv/landing"))

    assert "acme: saved as version 2" in changed.err


def test_checking_a_file_makes_not_even_a_database(kmflow: Kmflow, groups_file, home: Path) -> None:
    assert kmflow("group", "import", groups_file(), "--dry-run").code == 0
    checked = kmflow("group", "import", groups_file(), "--dry-run", "--json")

    would = {"group": "acme", "action": "create", "settings": [], "changed": False}
    assert checked.json == {"groups": [would]}
    assert not home.exists()


def test_listing_is_one_json_object_and_its_logs_are_on_stderr(kmflow: Kmflow, groups_file) -> None:
    assert kmflow("group", "list", "--json").json == {"groups": []}
    assert "kmflow group import FILE" in kmflow("group", "list").err
    kmflow("group", "import", groups_file())

    (only,) = kmflow("group", "list", "--json").json["groups"]
    assert only == {
        "group": "acme",
        "version": 1,
        "enabled": True,
        "host": "",
        "schema": "kmflow.acme",
        "volume": "/Volumes/kmflow/acme/raw_evidence",
    }
    assert "acme" in kmflow("group", "list").out


def test_a_group_is_shown_with_its_secret_as_a_reference(
    kmflow: Kmflow, groups_file, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    url = "https://acme-analytics-production-europe-west.cloud.databricks.com"
    file = groups_file(token="env:ACME_TOKEN", workspace_url=url, warehouse_id="a1b2c3d4e5f60718")
    assert kmflow("group", "import", file).code == 0

    shown = kmflow("group", "show", "acme")
    assert yaml.safe_load(shown.out)["groups"]["acme"]["token"] == "set (env:ACME_TOKEN)"
    assert f"workspace_url: {url}\n" in shown.out
    assert kmflow("group", "show", "acme", "--json").json["token"] == "set (env:ACME_TOKEN)"
    assert TOKEN not in shown.out + shown.err


def test_the_database_is_migrated_once(kmflow: Kmflow) -> None:
    first = kmflow("db", "migrate", "--json").json

    assert first["revision"]
    assert kmflow("db", "migrate", "--json").json == first
    assert first["revision"] in kmflow("db", "migrate").err


def test_local_tables_are_made_once(kmflow: Kmflow, groups_file, home: Path) -> None:
    kmflow("group", "import", groups_file())

    planned = kmflow("provision", "--dry-run", "--json").json["acme"]
    assert {step["action"] for step in planned} == {"would_create"}
    assert not (home / "lakehouse").exists()
    made = kmflow("provision", "--json").json["acme"]
    assert {step["action"] for step in made} == {"created"}
    again = kmflow("provision", "--json").json["acme"]
    assert {step["action"] for step in again} == {"exists"}
    assert len(again) == len(made) == len(planned)


def test_a_workspace_is_provisioned_once(kmflow: Kmflow, on_workspace: Room) -> None:
    planned = kmflow("provision", "--dry-run", "--json").json["acme"]
    assert on_workspace.server.requests("POST").count() == 0

    made = kmflow("provision", "--json")
    again = kmflow("provision", "--json")

    assert made.code == again.code == 0
    assert {step["action"] for step in again.json["acme"]} == {"exists"}
    assert [step["object"] for step in planned] == [step["object"] for step in again.json["acme"]]
    assert kmflow("provision", "--group", "acme").out.count("exists") == len(planned)


def test_what_may_not_be_made_is_named_with_its_grant_and_the_rest_is_made(
    kmflow: Kmflow, on_workspace: Room
) -> None:
    principal, admin = on_workspace.group("kmflow").principal, on_workspace.admin_client()
    for schema in ("acme", "acme_bronze"):
        admin.schemas.create(schema, "kmflow")
    no_schemas = PermissionsChange(principal=principal, remove=[Privilege.CREATE_SCHEMA])
    admin.grants.update("CATALOG", "kmflow", changes=[no_schemas])

    refused = kmflow("provision", "--json")

    steps = {step["object"]: step for step in refused.json["acme"]}
    assert refused.code == 1
    assert steps["kmflow.acme_gold"]["message"] == (
        "schema kmflow.acme_gold needs USE CATALOG, CREATE SCHEMA: "
        f"GRANT USE CATALOG, CREATE SCHEMA ON CATALOG `kmflow` TO `{principal}`"
    )
    made = {name for name, step in steps.items() if step["action"] == "created"}
    assert {"kmflow.acme.raw_evidence", "kmflow.acme_bronze.bronze_evidence_raw"} <= made
    of_gold = steps["kmflow.acme_gold.gold_quality_score_history"]
    assert (of_gold["action"], of_gold["message"]) == ("failed", "kmflow.acme_gold is missing")


def test_printed_statements_do_what_provisioning_does(kmflow: Kmflow, on_workspace: Room) -> None:
    printed = kmflow("provision", "--print-sql").out
    statements = [one for one in printed.split(";\n") if one]
    assert statements == kmflow("provision", "--print-sql", "--json").json["acme"]
    assert {type(one) for one in sqlglot.parse(printed, dialect="databricks") if one} <= {
        sqlglot.exp.Create,
        sqlglot.exp.Command,  # CREATE CATALOG and VOLUME, which it does not know
    }

    admin = on_workspace.admin_client()
    (warehouse,) = admin.warehouses.list()
    for statement in statements:
        answer = admin.statement_execution.execute_statement(statement, str(warehouse.id))
        assert str(answer.status and answer.status.state) == "StatementState.SUCCEEDED", statement

    steps = kmflow("provision", "--dry-run", "--json").json["acme"]
    assert {step["action"] for step in steps} == {"exists"}


def test_printing_statements_asks_nobody(kmflow: Kmflow, on_workspace: Room) -> None:
    assert kmflow("provision", "--print-sql").code == 0
    assert on_workspace.server.requests().count() == 0
