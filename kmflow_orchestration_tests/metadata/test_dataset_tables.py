from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from kmflow_orchestration.metadata.dataset_tables import DatasetPart, DatasetTables, PartColumn
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.names import EngagementId, GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of

ACME, GLOBEX, E1 = GroupId("acme"), GroupId("globex"), EngagementId("e1")


@pytest.fixture
def registry(tmp_path: Path, control_database: NewDatabase) -> DatasetTables:
    return DatasetTables(open_sessions(engine_of(control_database(tmp_path / "control.db"))))


def part(item: str, table: str = "e1__loans", **changes: object) -> DatasetPart:
    made = DatasetPart(
        group_id="acme",
        item_id=item,
        part="",
        engagement_id="e1",
        table_name=table,
        batch_id="b1",
        received_on=date(2026, 11, 20),
        file_name=f"{item}.csv",
        media_type="text/csv",
        content_hash="0" * 64,
        columns=(PartColumn("id", "ID", "NUMBER(1,0,1)"),),
        row_count=3,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_dataset_keeps_its_table_name_for_good(registry: DatasetTables) -> None:
    first = registry.table_name(ACME, E1, "loan book", ("e1__loan_book", "e1__loan_book_1"))
    second = registry.table_name(ACME, E1, "loan_book", ("e1__loan_book", "e1__loan_book_2"))
    again = registry.table_name(ACME, E1, "loan_book", ("e1__loan_book", "e1__loan_book_2"))

    assert (first, second, again) == ("e1__loan_book", "e1__loan_book_2", "e1__loan_book_2")
    assert registry.tables(ACME, E1) == ["e1__loan_book", "e1__loan_book_2"]


def test_names_of_other_groups_are_not_taken(registry: DatasetTables) -> None:
    names = [registry.table_name(group, E1, "x", ("e1__x", "e1__x_1")) for group in (ACME, GLOBEX)]

    assert names == ["e1__x", "e1__x"]


def test_parts_come_back_in_an_order_no_run_can_change(registry: DatasetTables) -> None:
    late = part("a", received_on=date(2026, 11, 21))
    registry.record(ACME, [late, part("b")])

    assert registry.of_table(ACME, "e1__loans") == [part("b"), late]
    assert registry.of_items(ACME, ["b", "unknown"]) == [part("b")]


def test_a_part_recorded_again_takes_its_own_place(registry: DatasetTables) -> None:
    registry.record(ACME, [part("a")])
    registry.record(ACME, [part("a", row_count=5)])

    assert [found.row_count for found in registry.of_table(ACME, "e1__loans")] == [5]


def test_removed_parts_are_gone_and_others_stay(registry: DatasetTables) -> None:
    registry.record(ACME, [part("a"), part("b")])
    registry.remove(ACME, [("a", "")])

    assert [found.item_id for found in registry.of_table(ACME, "e1__loans")] == ["b"]


def test_no_group_sees_anothers_parts(registry: DatasetTables) -> None:
    registry.record(ACME, [part("a")])
    registry.remove(GLOBEX, [("a", "")])

    assert registry.of_table(GLOBEX, "e1__loans") == registry.of_items(GLOBEX, ["a"]) == []
    assert len(registry.of_items(ACME, ["a"])) == 1
