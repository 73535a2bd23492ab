"""Corrections together with what else acts on tables: profiles, other corrections, odd names."""

from __future__ import annotations

import io
import zipfile

import pytest

from kmflow_orchestration.errors import InvalidOptions
from kmflow_orchestration.metadata.correction_records import Scope
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.table_groups import TableGroups
from kmflow_orchestration.names import TableGroupId
from kmflow_orchestration.operations.changed_tables import note_changed_tables
from kmflow_orchestration.operations.correction_plans import path_below
from kmflow_orchestration.operations.dataset_writing import WrittenTable
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.operations.datasets.corrections_world import (
    correct,
    remember,
    replay,
    withdraw,
)
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld


def test_a_table_that_a_correction_retypes_is_to_be_profiled_again(world: DatasetWorld) -> None:
    """The same batch writes it again, with as many rows."""
    groups = TableGroups(open_sessions(engine_of(world.place.database_url)))
    clock = world.place.clock

    def note(batch_id: str, tables: tuple[WrittenTable, ...]) -> None:
        at = clock.now()
        note_changed_tables("acme", batch_id, tables, table_groups=groups, at=at, cron="")

    def changed() -> list[object]:
        table_group = TableGroupId(world.engagement)
        return [one.changed_at for one in groups.tables(world.place.group, table_group)]

    world.drop("zip.csv", "id,zip\n1,5\n")
    world.take_in(on_written=note)
    assert changed() == [clock.now()]
    clock.advance(60)
    correct(world, target="zip.zip", type_word="text")
    replay(world, on_written=note)

    assert changed() == [clock.now()]


def test_of_two_that_exclude_each_other_the_one_that_counts_more_holds(
    world: DatasetWorld,
) -> None:
    world.drop("loans.csv", "title\nid,amount\n1,5\n")
    world.drop_workbook("sums.xlsx", {"S": [["title"], ["id", "sum"], [1, 5]]})
    world.take_in()
    correct(world, files="*", options={"no_header": True})
    number = world.corrections.last_number(world.place.group)
    correct(world, target="loans", options={"header_row": 2})
    correct(world, files="sums.xlsx", options={"header_row": 2})
    replayed = replay(world)

    assert [one.quarantined for one in replayed] == [()]
    assert world.rows("loans", "id", "amount") == [(1, 5)]
    assert world.rows("sums__s", "id", "sum") == [(1, 5)]
    withdraw(world, number)
    assert [one.tables for one in replay(world)] == []


def test_what_readers_cannot_have_together_is_no_reason_to_refuse_files(
    world: DatasetWorld,
) -> None:
    """Here the reader itself says so, not the table of options."""
    remember(world, Scope.FILES, "*.xlsx", header_row=2)
    remember(world, Scope.FILES, "sums*", grid="always")
    world.drop_workbook("sums.xlsx", {"S": [["title"], ["id", "sum"], [1, 5]]})
    published = world.take_in()

    assert published.quarantined == ()
    (told,) = published.receipts[0].corrections
    assert "grid always" in told


def test_one_saying_that_contradicts_itself_is_refused(world: DatasetWorld) -> None:
    world.arrive(loans="id\n1\n")

    with pytest.raises(InvalidOptions, match="excludes"):
        correct(world, files="*.csv", options={"header_row": 2, "no_header": True})
    assert world.corrections.last_number(world.place.group) == 0


def test_what_is_said_of_an_archive_holds_for_the_files_in_it(world: DatasetWorld) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/loans.csv", "title\nid,amount\n1,5\n")
    world.drop("pack.zip", packed.getvalue())
    world.take_in()
    correct(world, files="pack.zip", options={"no_header": True})
    correct(world, files="*.zip", options={"header_row": 2})
    (replayed,) = replay(world)

    assert replayed.quarantined == ()
    assert world.rows("loans", "id", "amount") == [(1, 5)]


def test_a_landing_path_means_that_file_alone_and_its_name_those_of_all_folders(
    world: DatasetWorld,
) -> None:
    for path in ("loans.csv", "old/loans.csv", "old/loans [1].csv"):
        world.drop(path, f"path\n{path}\n")
    world.take_in()

    def ignored(pattern: str) -> list[str]:
        told = correct(world, ignore=pattern, dry_run=True)
        return [path_below(one.engagement_id, one.landing_path) for one in told.affected]

    assert ignored(f"{world.engagement}/loans.csv") == ["loans.csv"]
    assert ignored("loans.csv") == ["loans.csv", "old/loans.csv"]
    assert ignored("loans [1].csv") == ["old/loans [1].csv"]
    assert ignored(f"{world.engagement}/old/loans [[]1].csv") == ["old/loans [1].csv"]
    correct(world, ignore=f"{world.engagement}/loans.csv")
    replay(world)
    assert world.rows("loans", "path") == [("old/loans [1].csv",), ("old/loans.csv",)]


def test_a_dataset_by_the_name_of_a_table_is_that_tables(world: DatasetWorld) -> None:
    world.drop("My Loans.csv", "id\n1\n")
    world.drop("other.csv", "id\n2\n")
    world.take_in()
    correct(world, files="other.csv", dataset="my_loans")
    replay(world)

    assert world.rows("my_loans", "id") == [(1,), (2,)]


def test_an_option_that_the_reader_of_an_item_has_not_is_refused(world: DatasetWorld) -> None:
    world.arrive(loans="id\n1\n")
    item = world.place.item("loans.csv").item_id

    with pytest.raises(InvalidOptions, match="nothing to the delimited"):
        correct(world, item_id=item, options={"record_path": "a"})
