"""From a row of a table to its file, sheet and row, over the embedded workspace (CD-N2)."""

from __future__ import annotations

import hashlib
import io
import re

import pytest

from kmflow_orchestration.errors import GroupRefused, InvalidSettings
from kmflow_orchestration.operations.trace_rows import Trace, TracedRow, trace_rows
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import client_for
from kmflow_orchestration_tests.operations.tracing.conftest import LOANS
from kmflow_orchestration_tests.operations.workspace_group import WorkspaceGroup


def trace(
    group: WorkspaceGroup, table: str, *keys: str, limit: int = 10, workers: int = 0
) -> Trace:
    own = {**group.own.tracing(), "workers": workers}
    return trace_rows(group.id, table, keys, caller=group.caller, limit=limit, **own)


def the_row(found: Trace) -> TracedRow:
    (row,) = found.rows
    return row


def test_a_dataset_row_leads_to_file_version_row_and_line(acme: WorkspaceGroup) -> None:
    row = the_row(trace(acme, "e1__loans", "id=3", workers=1))

    assert row.file is not None
    assert (row.file.landing_path, row.file.version, row.file.versions) == ("e1/loans.csv", 2, 2)
    assert row.file.content_hash == hashlib.sha256(LOANS.encode()).hexdigest()
    assert row.file.received_on == acme.today
    assert (row.part, row.row, row.values["id"]) == ("", 4, 3)
    assert row.source is not None
    assert row.source.line is not None
    assert (row.source.line.number, row.source.line.text) == (4, '3;"two\nlines";8')
    assert {cell.header: cell.text for cell in row.source.cells} == {
        "id": "3",
        "name": "two\nlines",
        "amount": "8",
    }
    assert row.receipt["options"]["delimiter"] == ";"


def test_cells_are_told_as_they_stood_in_the_file(acme: WorkspaceGroup) -> None:
    row = the_row(trace(acme, "bronze.e1__loans", "amount=10.5", "NAME=Ann; B"))

    assert row.source is not None
    assert [cell.text for cell in row.source.cells] == ["1", "Ann; B", "10,50"]
    assert str(row.values["amount"]) in {"10.50", "10.5"}


def test_a_row_of_a_workbook_has_the_address_of_its_cells(acme: WorkspaceGroup) -> None:
    row = the_row(trace(acme, "e1__places__my_places", "city=Rome"))

    assert (row.part, row.row, row.address) == ("My places", 3, "'My places'!B3:C3")
    assert row.source is not None
    assert [cell.text for cell in row.source.cells] == ["8", "Rome"]
    assert row.source.line is None


def test_a_row_is_found_by_what_its_provenance_columns_hold(acme: WorkspaceGroup) -> None:
    first = the_row(trace(acme, "e1__places__my_places", "id=7"))

    again = trace(acme, "e1__places__my_places", f"{first.item_id}:My places:2")

    assert the_row(again) == first


def test_silver_rows_lead_to_the_place_in_their_document(acme: WorkspaceGroup) -> None:
    found = trace(acme, "silver.silver_evidence_fragments", "fragment_type=paragraph")
    names = [row.file.landing_path for row in found.rows if row.file]
    assert names == ["e1/note.md"]
    assert all(re.search(r"line \d+", row.location) for row in found.rows)


def test_what_a_text_names_leads_to_where_it_stands(acme: WorkspaceGroup) -> None:
    found = trace(acme, "silver_extracted_entities", "engagement_id=e1")

    assert found.rows
    assert {row.location for row in found.rows} == {"line 3, Rules"}


def test_bronze_and_metadata_rows_lead_to_their_file(acme: WorkspaceGroup) -> None:
    item = acme.items()["note.md"]

    bronze = the_row(trace(acme, "bronze_evidence_raw", "file_name=note.md"))
    base = the_row(trace(acme, "base.evidence_metadata", f"id={item.item_id}"))

    assert bronze.file == base.file
    assert bronze.file is not None
    assert bronze.file.content_hash == item.content_hash
    assert bronze.row is base.row is None


def test_many_rows_are_listed_up_to_the_limit(acme: WorkspaceGroup) -> None:
    part = trace(acme, "e1__loans", "engagement_id=e1", limit=2)
    whole = trace(acme, "e1__loans", "engagement_id=e1", limit=3)

    assert ([row.row for row in part.rows], part.has_more) == ([2, 3], True)
    assert ([row.row for row in whole.rows], whole.has_more) == ([2, 3, 4], False)
    assert part.is_whole


@pytest.mark.parametrize("key", ["id=99", "amount=10.504", "amount=10.5000000000000000001"])
def test_no_row_fits(acme: WorkspaceGroup, key: str) -> None:
    assert trace(acme, "e1__loans", key).rows == ()


@pytest.mark.parametrize(
    ("table", "key", "told"),
    [
        ("e1__laons", "id=1", "did you mean e1__loans"),
        ("e1__loans", "nmae=1", "did you mean name"),
        ("e1__loans", "id=one", "is no BIGINT"),
        ("e1__loans", f"id={1 << 63}", "is no BIGINT"),
        ("e1__loans", "amount=1,5", "is no DECIMAL"),
        ("e1__loans", "_received_on=today", "is no DATE"),
        ("e1__loans", "whatever", "names no row"),
        ("gold_governance_snapshots", "snapshot_id=1", "did not come from one file"),
        ("dq.dq_profile_results", "id=1", "there is no table"),
    ],
)
def test_what_names_no_row_is_refused_with_the_nearest_name(
    acme: WorkspaceGroup, table: str, key: str, told: str
) -> None:
    with pytest.raises(InvalidSettings, match=told):
        trace(acme, table, key)


def test_an_original_that_cannot_be_read_is_told_with_all_else(acme: WorkspaceGroup) -> None:
    fault = Fault("fail_times", path="/api/2.0/fs/files*", times=100, status=404)
    number = acme.groups.room.server.faults.add(fault)
    try:
        found = trace(acme, "e1__loans", "id=2")
    finally:
        acme.groups.room.server.faults.remove(number)

    row = the_row(found)
    assert row.file is not None
    assert row.source is not None
    assert row.source.cells == ()
    assert "cannot be read" in row.source.problem
    assert not found.is_whole


def test_a_stored_file_that_was_changed_is_no_source_of_a_row(acme: WorkspaceGroup) -> None:
    item = acme.items()["loans.csv"]
    files = client_for(acme.groups.room.url, acme.token).files
    files.upload(item.stored_path, io.BytesIO(LOANS.replace("Bob", "Rob").encode()), overwrite=True)
    try:
        row = the_row(trace(acme, "e1__loans", "id=2"))
    finally:
        files.upload(item.stored_path, io.BytesIO(LOANS.encode()), overwrite=True)

    assert row.source is not None
    assert "does not hold what was stored" in row.source.problem


def test_another_group_is_as_if_it_was_not_there(
    acme: WorkspaceGroup, globex: WorkspaceGroup
) -> None:
    assert the_row(trace(globex, "e1__plans", "id=1")).file is not None
    for table in (
        "e1__plans",
        "globex_evidence_bronze.e1__plans",
        "kmflow.globex_evidence_bronze.e1__plans",
    ):
        with pytest.raises(InvalidSettings, match="there is no table"):
            trace(acme, table, "id=1")
    with pytest.raises(GroupRefused):
        trace_rows(acme.id, "e1__loans", ["id=1"], caller=globex.caller, **acme.own.tracing())


@pytest.mark.usefixtures("acme")
def test_the_command_tells_people_and_programs(shell: Kmflow) -> None:
    shown = shell("trace", "e1__places__my_places", "id=7", "--group", "acme")
    told = shell("trace", "e1__loans", "id=2", "--group", "acme", "--json")
    nothing = shell("trace", "e1__loans", "id=99", "--group", "acme")
    unknown = shell("trace", "e1__laons", "id=2", "--group", "acme")

    assert (shown.code, told.code, nothing.code, unknown.code) == (0, 0, 1, 3), unknown.err
    assert "'My places'!B2:C2" in shown.out
    (row,) = told.json["rows"]
    assert row["source"]["line"]["text"] == "2;Bob;7"
    assert row["file"]["landing_path"] == "e1/loans.csv"
    assert "no row of" in nothing.err
    assert "did you mean e1__loans?" in unknown.err
