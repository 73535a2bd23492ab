"""`kmflow register-tables` on a workspace, and the operation behind it (row B20)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.register_tables import register_tables
from kmflow_orchestration.tables.catalog_entries import CatalogEntry
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room

REGISTER = ("register-tables", "--group", "acme")
FAILED, CONFIGURATION = 1, 3
WIDE = {"select": "str", **{f"c{number}": "int" for number in range(299)}}


@pytest.fixture
def entries_file(tmp_path: Path) -> Any:
    def write(*entries: dict[str, object]) -> str:
        path = tmp_path / "entries.json"
        path.write_text(json.dumps({"entries": entries}), encoding="utf-8")
        return str(path)

    return write


def table(room: Room, name: str) -> Any:
    return room.admin_client().tables.get(f"kmflow.{name}")


def tags(room: Room, name: str) -> Any:
    catalog = room.server.services.catalog
    return catalog.get(room.admin.workspace_id, "TABLE", f"kmflow.{name}").facts["tags"]


def test_entries_become_tables_that_are_tagged_and_handed_over_once(
    kmflow: Kmflow, on_workspace: Room, entries_file: Any
) -> None:
    steward = on_workspace.group("stewards").principal
    file = entries_file(
        {"dataset_name": "wide", "layer": "bronze", "schema_definition": WIDE},
        {
            "dataset_name": "loan-book",
            "layer": "Silver",
            "schema_definition": {"id": "uuid", "where": "geometry"},
            "description": "All \\ loans, Ann's",
            "owner": steward,
            "classification": "restricted",
            "retention_days": 30,
            "history_days": 90,
        },
    )

    done = kmflow(*REGISTER, "--entries", file, "--json")
    again = kmflow(*REGISTER, "--entries", file)

    assert done.code == 0, done.out
    assert done.json["tables"] == {"bronze.wide": "ok", "silver.loan-book": "ok"}
    assert "geometry" in done.json["warnings"]["silver.loan-book"][0]
    assert len(table(on_workspace, "acme_bronze.wide").columns) == 300
    book = table(on_workspace, "acme_silver.loan_book")
    assert (book.owner, book.comment) == (
        steward,
        f"All \\ loans, Ann's | Owner: {steward} | Classification: restricted",
    )
    assert book.properties["delta.logRetentionDuration"] == "interval 90 days"
    assert tags(on_workspace, "acme_silver.loan_book") == {"classification": "restricted"}
    assert (again.code, "2 of 2 tables are registered" in again.err) == (0, True)


def test_one_bad_entry_does_not_stop_the_others_and_is_told_with_the_servers_words(
    kmflow: Kmflow, on_workspace: Room, entries_file: Any
) -> None:
    file = entries_file(
        {"dataset_name": "§", "layer": "bronze"},
        {"dataset_name": "of nobody", "layer": "bronze", "owner": "nobody@acme.test"},
        {"dataset_name": "a b", "layer": "gold"},
        {"dataset_name": "A-b", "layer": "gold"},
        {"dataset_name": "last", "layer": "gold", "colour": "red"},
    )
    unreadable = kmflow(*REGISTER, "--entries", file)
    assert (unreadable.code, "entry 5" in unreadable.err) == (CONFIGURATION, True)
    entries = json.loads(Path(file).read_text())["entries"]
    entries[4] = {"dataset_name": "last", "layer": "gold"}

    refused = kmflow(*REGISTER, "--entries", entries_file(*entries), "--json")

    tables = refused.json["tables"]
    assert refused.code == FAILED
    assert (tables["gold.a b"], tables["gold.last"]) == ("ok", "ok")
    assert tables["bronze.§"].startswith("error: nothing of '§'")
    assert "Could not find principal with name nobody@acme.test" in tables["bronze.of nobody"]
    assert "would both be table" in tables["gold.A-b"]
    shown = kmflow(*REGISTER, "--entries", entries_file(*entries))
    assert (shown.code, "2 of 5 tables are registered" in shown.err) == (FAILED, True)


def test_own_tables_are_the_entries_where_no_file_is_given(
    kmflow: Kmflow, on_workspace: Room
) -> None:
    assert kmflow("provision", "--group", "acme").code == 0

    printed = kmflow(*REGISTER, "--print-sql").out
    done = kmflow(*REGISTER, "--json")

    assert done.code == 0
    assert done.json["tables"]["gold.gold_quality_score_history"] == "ok"
    assert {key.partition(".")[0] for key in done.json["tables"]} == {"bronze", "silver", "gold"}
    assert done.json["warnings"] == {}
    assert printed.count("CREATE TABLE") == printed.count("SET TAGS") == len(done.json["tables"])
    assert tags(on_workspace, "acme_bronze.bronze_evidence_raw") == {"classification": "internal"}


def test_a_schema_is_asked_for_once_a_layer_and_its_failure_is_no_success(
    kmflow: Kmflow, on_workspace: Room
) -> None:
    entries = [CatalogEntry(dataset_name=f"t{number}", layer="gold") for number in range(2)]
    with Context(load_settings()) as context:
        config = context.group(GroupId("acme")).config
        client, server = context.clients.get(config), on_workspace.server
        # Without a warehouse's id one is found; FAILED is what the statement ends as.
        server.faults.add(
            Fault(
                "fail_times",
                path="/api/2.0/sql/statements*",
                status=403,
                error_code="PERMISSION_DENIED",
            )
        )
        refused = register_tables(client, entries, "kmflow", "acme")
        assert set(refused) == {"gold.t0", "gold.t1"}
        assert all("schema kmflow.acme_gold" in outcome for outcome in refused.values())
        assert server.requests("POST", "/api/2.0/sql/statements").count() == 1
        server.faults.clear()

        done = register_tables(client, entries, "kmflow", "acme")
        assert dict(done) == {"gold.t0": "ok", "gold.t1": "ok"}
        nowhere = register_tables(client, entries[:1], "no_catalog", "acme")
        assert nowhere["gold.t0"].startswith("error: schema no_catalog.acme_gold: ")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "neither YAML nor JSON"),
        ("a: 1", "no list"),
        ("[1]", "entry 1 is no mapping"),
        ("[{layer: gold}]", "dataset_name"),
        ("[{dataset_name: a, layer: gold, schema_definition: [x]}]", "schema_definition"),
        ("[{dataset_name: a, layer: gold, colour: red}]", "colour"),
    ],
)
def test_a_file_that_holds_no_entries_is_a_mistake_and_nothing_is_sent(
    kmflow: Kmflow, on_workspace: Room, tmp_path: Path, content: str, word: str
) -> None:
    file = tmp_path / "entries.yaml"
    file.write_text(content)

    refused = kmflow(*REGISTER, "--entries", str(file))

    assert (refused.code, word in refused.err) == (CONFIGURATION, True)
    assert on_workspace.server.requests().count() == 0
