"""`--format delta`: what the commands print, how they end, and what a killed one leaves (D12)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.operations.convert.conftest import loans

__all__ = ["loans"]

TABLE = "kmflow.acme.loans"
STATEMENTS = "/api/2.0/sql/statements"
WAIT_S = 60
DELTA = ("-f", "delta", "--group", "acme")


@pytest.fixture
def schema(on_workspace: Room) -> Room:
    """acme is set up, and has its first schema and its Volume."""
    from databricks.sdk.service.catalog import VolumeType

    client = on_workspace.group("kmflow").client()
    client.schemas.create("acme", "kmflow")
    client.volumes.create("kmflow", "acme", "raw_evidence", VolumeType.MANAGED)
    return on_workspace


def test_a_table_is_made_told_and_left_alone(
    schema: Room, kmflow: Kmflow, loans: Path, tmp_path: Path
) -> None:
    call = ("convert", str(loans), "--table", TABLE, *DELTA)

    planned = kmflow(*call, "--dry-run", "--json")
    first = kmflow(*call, "--report", str(tmp_path / "report.json"))
    again = kmflow(*call, "--json")
    batch = kmflow("batch-convert", str(loans.parent), "--table", "kmflow.acme", *DELTA, "--json")

    assert (planned.code, planned.json["status"]) == (0, "planned"), planned.err
    assert first.code == 0, first.err
    assert f"{TABLE}: 3 rows, 4 columns" in first.out
    assert "1 table(s): converted" in first.err
    assert (again.json["status"], again.json["outputs"]) == ("unchanged", [TABLE])
    assert (batch.code, batch.json["counts"]) == (0, {"unchanged": 1}), batch.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["files"][0]["outputs"] == [TABLE]
    # The group's token and this machine's paths are in no statement.
    made = schema.group("kmflow").client().tables.get(TABLE)
    assert str(tmp_path) not in json.dumps(made.as_dict())

    loans.write_text("id\n1\n")
    refused = kmflow(*call)
    assert (refused.code, "--force replaces it" in refused.err) == (6, True)


def test_a_table_is_verified_and_what_was_changed_ends_with_1(
    schema: Room, kmflow: Kmflow, loans: Path
) -> None:
    call = ("verify", "output", "--table", TABLE, "--source", str(loans), "--group", "acme")
    assert kmflow(*call).code == 2  # there is none yet
    kmflow("convert", str(loans), "--table", TABLE, *DELTA)

    equal = kmflow(*call)
    client = schema.group("kmflow").client()
    warehouse = next(iter(client.warehouses.list())).id
    client.statement_execution.execute_statement(
        f"UPDATE {TABLE} SET amount = 0 WHERE id = 1", str(warehouse), wait_timeout="50s"
    )
    changed = kmflow(*call)
    told = kmflow(*call, "--json")

    assert (equal.code, equal.out) == (0, "1 file(s), 3 rows, 4 columns: equal\n"), equal.err
    assert (changed.code, changed.out.endswith("not equal: 1 differences\n")) == (1, True)
    assert f"{TABLE}, column amount: its values are others" in changed.err
    assert (told.code, told.json["is_equal"], told.json["output"]) == (1, False, TABLE)
    without = kmflow("verify", "output", "--table", TABLE, "--group", "acme")
    assert (without.code, "name it with --source" in without.err) == (2, True)
    assert kmflow("verify", "output").code == kmflow("verify", "output", "a", *call[2:]).code == 2


def test_what_cannot_be_is_refused_with_the_products_codes(
    on_workspace: Room, kmflow: Kmflow, loans: Path
) -> None:
    refused = (
        (("--table", "kmflow.main.loans"), 6, "does not belong to group acme"),
        (("--table", "kmflow.acme_gold.loans", "--force"), 4, "the product's own"),
        (("--table", "kmflow.acme.evidence_metadata", "--force"), 4, "the product's own"),
        ((), 2, "needs one --table"),
        (("--table", TABLE, "--table", TABLE), 2, "needs one --table"),
        (("--table", TABLE, "--summary"), 2, "--summary is for files"),
    )
    for more, code, words in refused:
        outcome = kmflow("convert", str(loans), *DELTA, *more)

        assert (outcome.code, words in outcome.err) == (code, True), outcome.err
    assert on_workspace.server.requests().count() == 0


def test_an_output_beside_the_table_and_files_for_a_batch_are_refused(
    kmflow: Kmflow, loans: Path, home: Path
) -> None:
    batch = ("batch-convert", str(loans.parent), "--table", "kmflow.acme", *DELTA)

    assert kmflow("convert", str(loans), "out.parquet", "--table", TABLE, *DELTA).code == 2
    assert [kmflow(*batch, flag).code for flag in ("--prune", "--force-pyspark")] == [2, 2]
    assert not home.exists()


@pytest.mark.journey
def test_what_a_killed_call_left_does_not_stop_the_next(
    schema: Room, kmflow: Kmflow, loans: Path
) -> None:
    arguments = ["convert", str(loans), "--table", TABLE, *DELTA]
    schema.server.faults.add(
        Fault("delay", method="POST", path=STATEMENTS, seconds=2.0)  # the table comes after it
    )
    code = (
        "import sys; from kmflow_orchestration.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, *arguments])
    try:
        until = time.monotonic() + WAIT_S
        while not schema.server.requests("PUT").count() and time.monotonic() < until:
            assert killed.poll() is None, "it ended before it was killed"
            time.sleep(0.05)
    finally:
        killed.kill()
        killed.wait(WAIT_S)

    again = kmflow(*arguments, "--json")

    assert again.code == 0, again.err
    assert again.json["status"] in {"converted", "unchanged"}
