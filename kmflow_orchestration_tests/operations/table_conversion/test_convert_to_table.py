"""A file becomes a table of its group: with exact types, once, whole or not at all (row D12)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest

from kmflow_orchestration.databricks_client.retries import RetryPolicy
from kmflow_orchestration.errors import (
    GroupMismatch,
    InvalidOptions,
    KmflowError,
    OutputExistsError,
    PlaceNotAllowed,
    RemoteFault,
)
from kmflow_orchestration_tests.operations.table_conversion.conftest import (
    SCHEMA,
    STATEMENTS,
    Convert,
    World,
)

TYPED = (
    "Loan No;amount;rate;taken on;at;open;note\n"
    "1;1234567890123456.78;0.5;2026-01-31;2026-01-31 12:30:00;true;\"a; 'b' \\ ü\"\n"
    '2;-0.01;1.25e3;2025-12-01;2025-12-01 00:00:01;false;""\n'
    "3;;;;;;\n"
)
ATTEMPTS = RetryPolicy().attempts


def book(path: Path, **sheets: list[list[object]]) -> Path:
    """A workbook of these sheets."""
    made = openpyxl.Workbook()
    made.remove(made["Sheet"])
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_rows_and_types_of_the_table_are_those_of_the_source(
    world: World, convert: Convert, table: str, tmp_path: Path
) -> None:
    source = tmp_path / "it's typed.csv"
    source.write_text(TYPED, encoding="utf-8")

    done = convert(source)

    assert (done["status"], done["outputs"], done["rows"]) == ("converted", [table], 3)
    found = world.rows(table)
    assert found.schema.types == [
        *(pa.int64(), pa.decimal128(18, 2), pa.float64(), pa.date32(), pa.timestamp("us")),
        *(pa.bool_(), pa.string()),
    ]
    names = ["loan_no", "amount", "rate", "taken_on", "at", "open", "note"]
    assert found.schema.names == names
    first, second, third = (tuple(row.values()) for row in found.to_pylist())
    assert first == (
        *(1, Decimal("1234567890123456.78"), 0.5, date(2026, 1, 31)),
        *(datetime(2026, 1, 31, 12, 30), True, "a; 'b' \\ ü"),  # noqa: DTZ001 (has no zone)
    )
    assert second[1:3] + second[5:] == (Decimal("-0.01"), 1250.0, False, "")
    assert third == (3, *[None] * 6)
    assert str(tmp_path) not in str(world.properties(table))


def test_a_second_run_sends_no_rows_and_says_unchanged(
    world: World, convert: Convert, table: str, loans: Path
) -> None:
    convert(loans)
    before = world.uploads(), world.statements()

    again, planned = convert(loans), convert(loans, dry_run=True)

    assert (again["status"], again["outputs"]) == ("unchanged", [table])
    assert planned["status"] == "planned"
    assert (world.uploads(), world.statements()) == before


def test_force_makes_a_table_anew_that_somebody_changed(
    world: World, convert: Convert, table: str, loans: Path
) -> None:
    convert(loans)
    world.tables.statements.execute(f"DELETE FROM {table} WHERE id = 1")

    assert convert(loans, force=True)["status"] == "converted"

    assert world.rows(table).num_rows == 3


def test_a_changed_source_needs_force_and_other_options_do_not(
    world: World, convert: Convert, table: str, loans: Path
) -> None:
    convert(loans)
    convert(loans, types="string")
    assert world.rows(table).schema.field("amount").type == pa.string()
    loans.write_text(loans.read_text() + "4,Bob,1.00,2026-05-06\n")

    for dry_run in (True, False):
        with pytest.raises(OutputExistsError, match="is there already, made of local-"):
            convert(loans, dry_run=dry_run)
    assert world.rows(table).num_rows == 3
    convert(loans, force=True)

    assert world.rows(table)["id"].to_pylist() == [1, 2, 3, 4]


def test_a_table_that_no_conversion_made_needs_force(
    world: World, convert: Convert, table: str, loans: Path
) -> None:
    world.tables.statements.execute(f"CREATE TABLE {table} (theirs STRING) USING DELTA")

    with pytest.raises(OutputExistsError, match="no conversion made it"):
        convert(loans)
    assert world.rows(table).schema.names == ["theirs"]
    convert(loans, force=True)

    assert world.rows(table).num_rows == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kmflow.globex_evidence.loans", GroupMismatch),
        ("kmflow.GLOBEX_evidence_gold.loans", GroupMismatch),
        ("other.acme_evidence.loans", GroupMismatch),
        ("kmflow.acme_evidence_bronze.loans", PlaceNotAllowed),
        ("kmflow.acme_evidence_gold.loans", PlaceNotAllowed),
        ("kmflow.acme_evidence.Evidence_Metadata", PlaceNotAllowed),
        ("kmflow.acme_evidence.`a`", InvalidOptions),
        ("acme_evidence.loans", InvalidOptions),
    ],
)
def test_other_groups_and_the_products_tables_are_refused_before_anything_is_read(
    world: World, convert: Convert, tmp_path: Path, name: str, kind: type[KmflowError]
) -> None:
    with pytest.raises(kind):
        convert(tmp_path / "is_not_there.csv", table=name, force=True)

    assert (world.uploads(), world.statements()) == (0, 0)


@pytest.mark.parametrize(
    "given",
    [
        {"table": ()},
        {"on_bad_row": "quarantine"},
        {"on_drift": "widen"},
        {"extract_attachments": True},
    ],
)
def test_what_has_no_place_in_a_table_is_refused(
    world: World, convert: Convert, loans: Path, given: dict[str, object]
) -> None:
    with pytest.raises(InvalidOptions):
        convert(loans, **given)

    assert world.uploads() == 0


def test_several_tables_are_named_by_their_parts(
    world: World, convert: Convert, table: str, workbook: Path
) -> None:
    done = convert(workbook, table=table.upper().replace("KMFLOW", "kmflow"))

    assert done["outputs"] == [f"{table}__loans_2026", f"{table}__people"]
    assert world.rows(f"{table}__people")["name"].to_pylist() == ["Ann"]
    assert convert(workbook)["status"] == "unchanged"


def test_parts_that_come_out_alike_are_told_apart(
    world: World, convert: Convert, table: str, tmp_path: Path
) -> None:
    source = book(tmp_path / "b.xlsx", **{"A-1": [["x"], [1]], "A 1": [["y"], [2]]})

    done = convert(source)

    first, second = done["outputs"]
    assert first != second
    assert all(one.startswith(f"{table}__a_1_") for one in (first, second))
    assert [world.rows(one).schema.names for one in (first, second)] == [["x"], ["y"]]


def test_a_failed_upload_leaves_nothing_new_and_the_old_table(
    world: World, convert: Convert, table: str, tmp_path: Path
) -> None:
    source = book(tmp_path / "b.xlsx", A=[["x"], [1]], B=[["x"], [1]])
    convert(source, tables="A", table=f"{table}__a")
    world.fault(
        name="fail_times", method="PUT", path="/api/2.0/fs/files/*", times=99, after=1, status=403
    )

    with pytest.raises(KmflowError):
        convert(source, force=True)

    assert world.rows(f"{table}__a")["x"].to_pylist() == [1]
    assert world.properties(f"{table}__b") is None


def test_after_a_failed_statement_all_tables_are_as_they_were(
    world: World, convert: Convert, table: str, tmp_path: Path
) -> None:
    old = book(tmp_path / "b.xlsx", A=[["x"], [1]], B=[["x"], [1]])
    convert(old)
    marks = [world.properties(f"{table}__{one}") for one in "ab"]
    new = book(tmp_path / "b.xlsx", A=[["x"], [7]], B=[["x"], [8]], C=[["x"], [9]])
    # Two histories, then C and A are made and counted; B is not.
    world.fault(name="fail_times", method="POST", path=STATEMENTS, times=ATTEMPTS, after=6)

    with pytest.raises(RemoteFault):
        convert(new, force=True)

    assert [world.rows(f"{table}__{one}")["x"].to_pylist() for one in "ab"] == [[1], [1]]
    assert [world.properties(f"{table}__{one}") for one in "ab"] == marks
    assert world.properties(f"{table}__c") is None
    assert convert(new, force=True)["status"] == "converted"
    assert [world.rows(f"{table}__{one}")["x"].to_pylist() for one in "abc"] == [[7], [8], [9]]


def test_a_statement_whose_answer_was_lost_has_made_its_table(
    world: World, convert: Convert, table: str, loans: Path
) -> None:
    world.fault(name="execute_then_drop", method="POST", path=STATEMENTS)

    assert convert(loans)["status"] == "converted"

    assert world.rows(table).num_rows == 3


def test_times_with_a_zone_are_moments(
    world: World, convert: Convert, table: str, tmp_path: Path
) -> None:
    source = tmp_path / "at.csv"
    source.write_text("at\n2026-01-31T12:30:00+02:00\n")

    convert(source)

    (found,) = world.rows(table)["at"].to_pylist()
    assert found == datetime(2026, 1, 31, 10, 30, tzinfo=UTC)
    assert SCHEMA in table
