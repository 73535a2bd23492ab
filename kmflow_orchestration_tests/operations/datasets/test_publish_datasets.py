from __future__ import annotations

import os
import signal
from datetime import UTC, date, datetime
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.intake.ledger import State, Step
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.datasets.dataset_world import (
    DatasetWorld,
    WatchedLakehouse,
    WatchedStore,
)


def test_a_csv_becomes_a_typed_table_with_provenance(world: DatasetWorld) -> None:
    published = world.arrive(
        loans="id,amount,due,paid\n1,1.50,2026-11-20,true\n2,,2026-11-21,false\n"
    )

    assert world.types("loans") == {
        "id": "BIGINT",
        "amount": "DECIMAL(18,2)",
        "due": "DATE",
        "paid": "BOOLEAN",
    }
    assert world.rows("loans", "id", "amount", "due", "_source_row") == [
        (1, Decimal("1.50"), date(2026, 11, 20), 2),
        (2, None, date(2026, 11, 21), 3),
    ]
    item = world.place.item("loans.csv")
    assert world.rows("loans", "group_id", "engagement_id", "_evidence_id", "_received_on")[0] == (
        "acme",
        world.engagement,
        item.item_id,
        world.today,
    )
    assert (item.state, item.converter_version) == (State.CONVERTED, "delimited:3")
    assert (published.converted, published.rows_written, published.receipts[0].adds_up) == (
        1,
        2,
        True,
    )


def test_a_second_call_writes_the_same_rows(world: DatasetWorld) -> None:
    world.arrive(loans="id,amount\n1,1.5\n2,2.25\n")
    before = world.rows("loans", "id", "amount", "_evidence_id", "_source_row")

    again = world.publish()

    assert world.rows("loans", "id", "amount", "_evidence_id", "_source_row") == before
    assert [table.rebuilt for table in again.tables] == [False]


@pytest.mark.parametrize("first", [0, 1])
def test_the_order_of_arrival_decides_nothing(world: DatasetWorld, first: int) -> None:
    files = ["id,amount\n1,5\n", "id,amount,note\n2,7.25,x\n"]
    world.arrive(loans_1=files[first])
    published = world.arrive(loans_2=files[1 - first])

    assert world.types("loans") == {
        "id": "BIGINT",
        "amount": "DECIMAL(18,2)",
        "note": "STRING",
    }
    assert world.rows("loans", "id", "amount", "note") == [
        (1, Decimal("5.00"), None),
        (2, Decimal("7.25"), "x"),
    ]
    assert (published.tables[0].rebuilt, published.tables[0].rows_total) == (first == 0, 2)


def test_one_misfit_makes_a_column_the_exact_text_of_its_sources(world: DatasetWorld) -> None:
    world.arrive(loans_1="id,amount,at\n1,1.50,2026-11-20T10:00:00+02:00\n")

    published = world.arrive(loans_2="id,amount,at\n2,n/a,soon\n")

    assert world.rows("loans", "id", "amount", "at") == [
        (1, "1.50", "2026-11-20T10:00:00+02:00"),
        (2, "n/a", "soon"),
    ]
    assert published.tables[0].rebuilt


def test_text_in_the_same_batch_is_read_again_too(world: DatasetWorld) -> None:
    world.arrive(loans_1="id,amount\n1,1.50\n", loans_2="id,amount\n2,n/a\n")

    assert world.rows("loans", "id", "amount") == [(1, "1.50"), (2, "n/a")]


def test_one_misfit_in_a_workbook_makes_its_column_the_text_of_all_sources(
    world: DatasetWorld,
) -> None:
    """A double 2 is `2.0`, a moment has no `T`: texts come from the workbook itself."""
    head = ["id", "amount", "paid", "on"]
    at = datetime(2026, 11, 20, 10, 30)  # noqa: DTZ001 - a cell has no zone
    world.drop_workbook("loans_1.xlsx", {"Book": [head, [1, 2, True, at], [2, 2.5, False, at]]})
    world.take_in()
    assert world.types("loans__book") == {
        "id": "BIGINT",
        "amount": "DOUBLE",
        "paid": "BOOLEAN",
        "on": "TIMESTAMP",
    }
    world.drop_workbook("loans_2.xlsx", {"Book": [head, [3, "n/a", "no", "?"], [4, 7, None, at]]})

    published = world.take_in()

    assert published.tables[0].rebuilt
    assert world.types("loans__book") == dict.fromkeys(head, "STRING") | {"id": "BIGINT"}
    assert world.rows("loans__book", *head) == [
        (1, "2", "true", "2026-11-20T10:30:00"),
        (2, "2.5", "false", "2026-11-20T10:30:00"),
        (3, "n/a", "no", "?"),
        (4, "7", None, "2026-11-20T10:30:00"),
    ]


def test_a_superseded_file_leaves_its_tables_and_types_narrow_again(world: DatasetWorld) -> None:
    world.arrive(loans="id,amount\n1,x\n")
    world.arrive(loans="id,amount\n1,2.5\n2,3.5\n")

    assert world.types("loans") == {"id": "BIGINT", "amount": "DECIMAL(18,1)"}
    assert world.rows("loans", "id", "amount") == [(1, Decimal("2.5")), (2, Decimal("3.5"))]


def test_a_sheet_that_the_new_version_lacks_leaves_an_empty_table(world: DatasetWorld) -> None:
    world.drop_workbook("book.xlsx", {"A": [["x"], [1]], "B": [["y"], [2]]})
    world.take_in()
    world.drop_workbook("book.xlsx", {"A": [["x"], [3]]})
    world.take_in()

    assert world.tables == ["book__a", "book__b"]
    assert world.rows("book__a", "x", "_source_part") == [(3, "A")]
    assert world.rows("book__b", "y") == []


def test_content_that_returns_comes_back_once(world: DatasetWorld) -> None:
    for content in ("id\n1\n", "id\n2\n", "id\n1\n"):
        world.arrive(loans=content)

    assert world.rows("loans", "id") == [(1,)]


def test_a_second_drop_of_the_day_keeps_the_first_drops_rows(world: DatasetWorld) -> None:
    world.arrive(loans_1="id\n1\n")
    published = world.arrive(loans_2="id\n2\n")

    assert world.rows("loans", "id") == [(1,), (2,)]
    assert (published.rows_written, published.tables[0].rows_total) == (1, 2)


def test_a_replay_of_old_batches_changes_no_table(world: DatasetWorld) -> None:
    world.arrive(loans="id\n1\n")
    world.arrive(loans="id\n2\n")
    world.arrive(loans_2="id\nx\n")
    before = world.rows("loans", "id", "_evidence_id", "_source_row")

    world.publish()

    assert world.rows("loans", "id", "_evidence_id", "_source_row") == before


def test_a_broken_file_is_quarantined_and_its_neighbours_go_on(world: DatasetWorld) -> None:
    world.drop_workbook("book.xlsx", {"A": [["x"], [1]]})
    whole = (world.place.root / world.engagement / "book.xlsx").read_bytes()
    world.drop("book.xlsx", whole[: len(whole) // 2])
    world.drop("steps.yaml", b"steps: [open, pay]\n")

    published = world.arrive(loans="id\n1\n")

    assert [(item.file_name, item.code) for item in published.quarantined] == [
        ("book.xlsx", "corrupt")
    ]
    assert world.place.item("book.xlsx").state is State.QUARANTINED
    assert (published.converted, published.no_converter) == (1, 1)
    assert world.place.item("steps.yaml").no_converter
    assert world.tables == ["loans"]
    broken = world.place.item("book.xlsx")
    assert world.logged() == {
        broken.item_id: ("failed", f"corrupt: {broken.message}"),
        world.place.item("steps.yaml").item_id: ("success", None),
        world.place.item("loans.csv").item_id: ("success", None),
    }


def test_surplus_fields_are_rescued_and_counted(world: DatasetWorld) -> None:
    published = world.arrive(loans='a,b\n1,2,3,"x,y"\n4\n')

    assert world.rows("loans", "a", "b", "_rescued_data") == [
        (1, 2, '["3", "x,y"]'),
        (4, None, None),
    ]
    assert published.rows_rescued == 1


def test_dates_widen_to_timestamps_across_files(world: DatasetWorld) -> None:
    world.arrive(log_1="at\n2026-11-20\n")
    world.arrive(log_2="at\n2026-11-20 10:00:00\n")

    assert world.rows("log", "at") == [
        (datetime(2026, 11, 20, tzinfo=UTC),),
        (datetime(2026, 11, 20, 10, tzinfo=UTC),),
    ]


def test_stored_bytes_that_changed_become_no_table(world: DatasetWorld) -> None:
    world.arrive(loans="id\n1\n")
    stored = world.place.store.local_path(world.place.item("loans.csv").stored_path)
    stored.chmod(0o644)
    stored.write_text("id\n9\n")

    with pytest.raises(StorageUnavailable, match="does not hold"):
        world.publish()

    assert world.rows("loans", "id") == [(1,)]


def test_a_rebuild_takes_in_what_another_run_added_meanwhile(world: DatasetWorld) -> None:
    world.arrive(loans_1="id\n1\n")
    waiting = ["loans_3.csv"]

    def overtake() -> None:
        while waiting:
            with world.next_day() as work_dir:
                world.drop(waiting.pop(), "id\n3\n")
                world.take_in(work_dir=work_dir)

    world.drop("loans_2.csv", "id\nx\n")
    world.take_in(lakehouse=WatchedLakehouse(world.lakehouse, "rebuild", before=overtake))

    assert world.rows("loans", "id") == [("1",), ("3",), ("x",)]


def test_a_file_superseded_while_it_is_converted_leaves_no_rows(world: DatasetWorld) -> None:
    def supersede() -> None:
        with world.next_day() as work_dir:
            world.drop("loans.csv", "id\n2\n")
            world.take_in(work_dir=work_dir)

    world.drop("loans.csv", "id\n1\n")
    world.drop("rates.csv", "rate\n0.5\n")
    watched = WatchedStore(world.place.store, supersede)
    world.take_in(stores=EvidenceStores.only(watched))

    assert world.rows("loans", "id") == [(2,)]
    assert world.rows("rates", "rate") == [(Decimal("0.5"),)]
    world.arrive(loans_2="id\nx\n")
    assert world.rows("loans", "id") == [("2",), ("x",)]


class Interrupted(Exception):
    """A run that dies."""


def die(*_: object) -> None:
    raise Interrupted


@pytest.mark.parametrize("statement", ["replace", "rebuild"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_that_dies_at_a_write_ends_like_an_undisturbed_one(
    world: DatasetWorld, statement: str, moment: str
) -> None:
    world.arrive(loans_1="id,amount\n1,1.50\n")
    world.drop(
        "loans_2.csv",
        "id,amount\n2,n/a\n" if statement == "rebuild" else "id,amount\n2,2.50\n",
    )
    with pytest.raises(Interrupted):
        world.take_in(lakehouse=WatchedLakehouse(world.lakehouse, statement, **{moment: die}))
    world.publish()

    amounts = ["1.50", "n/a"] if statement == "rebuild" else [Decimal("1.50"), Decimal("2.50")]
    assert world.rows("loans", "id", "amount") == list(zip([1, 2], amounts, strict=True))
    assert not any((world.place.home / "work").iterdir())


def test_what_a_batch_changed_is_told_before_it_is_finished(world: DatasetWorld) -> None:
    unfinished: list[bool] = []

    def ask(batch_id: str, _tables: object) -> None:
        (batch,) = world.place.ledger.stored_batches(world.place.group, world.today)
        assert batch.batch_id == batch_id
        unfinished.append(not batch.is_finished(Step.DATASETS))

    world.drop("loans.csv", "id\n1\n")
    world.take_in(on_written=ask)

    assert unfinished == [True]


def test_each_batch_tells_of_its_own_tables_once(world: DatasetWorld) -> None:
    world.arrive(loans="id\n1\n", rates="rate\n0.5\n")
    world.arrive(loans="id\n2\n")

    first, second = world.place.ledger.stored_batches(world.place.group, world.today)
    assert world.heard == [
        (first.batch_id, ("loans", "rates")),
        (second.batch_id, ("loans",)),
    ]


def test_a_replay_tells_of_nothing(world: DatasetWorld) -> None:
    world.arrive(loans="id\n1\n")
    world.heard.clear()

    assert [table.name for table in world.publish().tables]
    assert world.heard == []


def test_a_run_that_dies_before_it_told_tells_at_the_next_call(world: DatasetWorld) -> None:
    world.drop("loans.csv", "id\n1\n")
    with pytest.raises(Interrupted):
        world.take_in(on_written=die)

    world.publish()

    assert [tables for _, tables in world.heard] == [("loans",)]
    assert world.rows("loans", "id") == [(1,)]


@pytest.mark.slow
def test_a_process_killed_between_write_and_finish_tells_at_the_next_call(
    world: DatasetWorld, dataset_lakehouse: LocalLakehouse
) -> None:
    world.drop("loans.csv", "id\n1\n")
    place = world.place
    root = dataset_lakehouse.directory(world.table("loans")).parents[1]
    where = (place.home, place.clock, place.database_url, root)
    # Spawned: a forked child would inherit the threads of the engine's client, but not run them.
    child = get_context("spawn").Process(
        target=take_in_until_killed, args=(where, world.config, world.engagement)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL

    world.publish()

    assert [tables for _, tables in world.heard] == [("loans",)]
    assert world.rows("loans", "id") == [(1,)]


def take_in_until_killed(
    where: tuple[Path, FakeClock, str, Path], config: GroupConfig, engagement: str
) -> None:
    home, clock, database_url, root = where
    own = OwnTables(config.group_id, config.namespace)
    lakehouse = LocalLakehouse(own, root, clock=clock)
    place = LandingPlace(home, clock, config.group_id, database_url)
    world = DatasetWorld(place, lakehouse, config, engagement)
    world.take_in(on_written=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
