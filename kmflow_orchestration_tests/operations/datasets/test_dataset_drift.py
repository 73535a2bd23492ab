"""What dataset tables become other than they were is noted once, whatever happens (row CD-N5)."""

from __future__ import annotations

import pytest

from kmflow_orchestration.assets.bronze import _schema_stable
from kmflow_orchestration.metadata.dataset_drift import DatasetDrift
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.operations.datasets.corrections_world import (
    correct,
    replay,
    withdraw,
)
from kmflow_orchestration_tests.operations.datasets.dataset_world import (
    DatasetWorld,
    WatchedLakehouse,
)

Told = tuple[str, str, str, str, str]


def told(found: tuple[DatasetDrift, ...] | list[DatasetDrift]) -> list[Told]:
    return [(one.file_name, one.kind, one.column_name, one.old_type, one.new_type) for one in found]


def noted(world: DatasetWorld, dataset: str = "loans") -> list[DatasetDrift]:
    return world.registry.drift.newest(
        world.place.group, table_name=f"{world.engagement}__{dataset}"
    )


def test_columns_that_come_and_change_are_told_with_the_file(world: DatasetWorld) -> None:
    first = world.arrive(loans_1="id,amount\n1,5\n")
    second = world.arrive(loans_2="id,amount,note\n2,7.25,x\n")

    assert first.drift == ()
    assert _schema_stable(first).passed
    assert told(second.drift) == [
        ("loans_2.csv", "retyped", "amount", "BIGINT", "DECIMAL(18,2)"),
        ("loans_2.csv", "added", "note", "", "STRING"),
    ]
    assert second.drift[0].item_id == world.place.item("loans_2.csv").item_id
    assert second.drift[0].at == world.place.clock.now()
    check = _schema_stable(second)
    assert (check.passed, check.severity.name) == (False, "WARN")
    assert check.metadata["differences"].value == [
        f"{world.engagement}__loans: column amount was BIGINT and is DECIMAL(18,2) by loans_2.csv",
        f"{world.engagement}__loans: column note was added (STRING) by loans_2.csv",
    ]


def test_files_of_one_batch_are_compared_in_their_order(world: DatasetWorld) -> None:
    """A column that nothing was known of is not retyped by its first value."""
    published = world.arrive(
        loans_1="id,amount,due\n1,5,\n",
        loans_2="id,amount,due\n2,7.25,2026-11-20\n",
        loans_3="id,amount,due\n3,x,\n",
    )

    assert told(published.drift) == [
        ("loans_2.csv", "retyped", "amount", "BIGINT", "DECIMAL(18,2)"),
        ("loans_3.csv", "retyped", "amount", "DECIMAL(18,2)", "STRING"),
    ]


def test_a_column_that_leaves_and_one_that_narrows_are_told_with_the_file_that_went(
    world: DatasetWorld,
) -> None:
    world.arrive(loans_1="id,amount\n1,5\n")
    world.arrive(loans_2="id,amount,note\n2,x,y\n")
    world.place.clock.advance(60)
    world.arrive(loans_2="id\n3\n")

    gone = told(noted(world))[:2]
    assert gone == [
        ("loans_2.csv", "retyped", "amount", "STRING", "BIGINT"),
        ("loans_2.csv", "removed", "note", "STRING", ""),
    ]
    assert world.types("loans") == {"id": "BIGINT", "amount": "BIGINT"}


def test_a_repeated_run_tells_the_same_and_notes_nothing_new(world: DatasetWorld) -> None:
    world.arrive(loans_1="id\n1\n")
    world.arrive(loans_2="id\nx\n")
    before = noted(world)
    world.place.clock.advance(60)

    again = world.publish()

    assert told(again.drift) == [("loans_2.csv", "retyped", "id", "BIGINT", "STRING")]
    assert noted(world) == before


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_that_dies_at_a_write_leaves_each_change_noted_once(
    world: DatasetWorld, moment: str
) -> None:
    class Interrupted(Exception):
        """A run that dies."""

    def die() -> None:
        raise Interrupted

    world.arrive(loans_1="id\n1\n")
    world.drop("loans_2.csv", "id,note\nx,y\n")
    with pytest.raises(Interrupted):
        world.take_in(lakehouse=WatchedLakehouse(world.lakehouse, "rebuild", **{moment: die}))
    world.place.clock.advance(60)

    again = world.publish()

    assert told(again.drift) == [
        ("loans_2.csv", "retyped", "id", "BIGINT", "STRING"),
        ("loans_2.csv", "added", "note", "", "STRING"),
    ]
    assert len(noted(world)) == 2


@pytest.mark.parametrize("first", [0, 1])
def test_the_order_of_arrival_changes_the_history_and_not_the_table(
    world: DatasetWorld, first: int
) -> None:
    files = ["id,amount\n1,5\n", "id,amount,note\n2,n/a,x\n"]
    world.arrive(loans_1=files[first])
    published = world.arrive(loans_2=files[1 - first])

    assert world.types("loans") == {"id": "BIGINT", "amount": "STRING", "note": "STRING"}
    # A file without a column, and with values that a text holds, changes no table.
    assert [one.kind for one in published.drift] == ([] if first else ["retyped", "added"])


def test_a_neighbour_has_no_part_in_it(world: DatasetWorld) -> None:
    acme, globex, drift = GroupId("acme"), GroupId("globex"), world.registry.drift
    change = DatasetDrift(
        table_name="e1__loans",
        engagement_id="e1",
        item_id="i1",
        file_name="loans.csv",
        batch_id="b1",
        at=world.place.clock.now(),
        kind="retyped",
        column_name="id",
        old_type="BIGINT",
        new_type="STRING",
    )

    drift.record(globex, [change])
    assert drift.newest(acme) == drift.of_batches(acme, ["b1"]) == []
    drift.record(acme, [change])

    assert drift.newest(globex) == drift.newest(acme) == [change]


def test_what_is_corrected_back_and_forth_is_told_each_time(world: DatasetWorld) -> None:
    world.arrive(loans="id,amount\n1,5\n")
    wider, back = ("BIGINT", "STRING"), ("STRING", "BIGINT")
    for _ in range(2):
        world.place.clock.advance(60)
        correct(world, target="loans.amount", type_word="text")
        replay(world)
        world.place.clock.advance(60)
        withdraw(world, world.corrections.last_number(world.place.group))
        replay(world)
    world.place.clock.advance(60)
    world.publish()

    assert [(one.old_type, one.new_type) for one in noted(world)] == [back, wider, back, wider]
    assert len({one.at for one in noted(world)}) == 4
