"""Text of several readings is told with both until somebody decides (row H13)."""

from __future__ import annotations

from datetime import date

import pytest

from kmflow_orchestration.assets.bronze import _values_decided
from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.operations.undecided_columns import (
    UndecidedColumn,
    undecided_of_group,
    undecided_of_tables,
)
from kmflow_orchestration_tests.converters.archives.bundles import zipped
from kmflow_orchestration_tests.operations.datasets.corrections_world import (
    ANN,
    correct,
    replay,
)
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld

LOANS = "id,due\n1,03.04.2026\n2,05.06.2026\n3,\n"


def undecided(world: DatasetWorld) -> list[UndecidedColumn]:
    found = undecided_of_group("acme", caller=ANN, registry=world.registry)
    return [one for one in found if one.table.startswith(f"{world.engagement}__")]


def test_both_readings_are_told_with_count_and_example_until_one_is_set(
    world: DatasetWorld,
) -> None:
    world.arrive(loans_1=LOANS, loans_2="id,due\n4,25.12.2026\n")
    (one,) = undecided(world)
    check = _values_decided([one])

    # No column holds two readings: the dates of the other file stay text beside it.
    assert world.rows("loans", "id", "due") == [
        (1, "03.04.2026"),
        (2, "05.06.2026"),
        (3, None),
        (4, "25.12.2026"),
    ]
    assert (one.table, one.column) == (f"{world.engagement}__loans", "due")
    assert (one.file_name, one.item_id) == (
        "loans_1.csv",
        world.place.item("loans_1.csv").item_id,
    )
    assert one.told == (
        "column due stays text: all its 2 values can be read as day, month, year"
        " and as month, day, year, which differ on 03.04.2026"
    )
    assert (check.passed, check.severity.name) == (False, "WARN")
    assert check.metadata["readings"].value == [f"{one.table}, loans_1.csv: {one.told}"]

    correct(world, target="loans", options={"date_order": "dmy"})
    replay(world)

    assert undecided(world) == []
    assert _values_decided([]).passed
    assert world.rows("loans", "id", "due") == [
        (1, date(2026, 4, 3)),
        (2, date(2026, 6, 5)),
        (3, None),
        (4, date(2026, 12, 25)),
    ]


def test_a_type_that_a_later_file_does_not_decide_is_told(world: DatasetWorld) -> None:
    world.arrive(loans_1="id,due\n1,25.12.2026\n")
    correct(world, target="loans.due", type_word="date")
    world.arrive(loans_2=LOANS)

    assert [(one.file_name, one.column) for one in undecided(world)] == [("loans_2.csv", "due")]


def test_text_that_somebody_wants_as_text_is_decided(world: DatasetWorld) -> None:
    world.arrive(loans=LOANS)
    correct(world, target="loans.due", type_word="text")
    replay(world)

    assert undecided(world) == []


def test_in_an_archive_it_is_told_too_and_no_type_picks_a_reading(world: DatasetWorld) -> None:
    world.drop("pack.zip", zipped({"in/loans.csv": LOANS.encode()}))
    world.take_in()
    (one,) = undecided(world)

    assert (one.file_name, one.part) == ("pack.zip", "in/loans.csv")
    with pytest.raises(InvalidSettings, match="two readings"):
        correct(world, target="loans.due", type_word="date")


def test_a_table_that_is_not_there_is_told(world: DatasetWorld) -> None:
    world.arrive(loans=LOANS)
    table = f"{world.engagement}__loans"

    with pytest.raises(InvalidSettings, match=f"no dataset table '{table}s': did you mean {table}"):
        undecided_of_group("acme", caller=ANN, registry=world.registry, table=f"{table}s")

    (one,) = undecided_of_group("acme", caller=ANN, registry=world.registry, table=table)
    assert one.table == table


def test_of_what_was_deleted_nothing_is_told(world: DatasetWorld) -> None:
    world.arrive(loans=LOANS)
    table = f"{world.engagement}__loans"
    assert undecided_of_tables(world.place.group, [table], world.registry) != []
    register = EvidenceRegister(world.registry.sessions, world.place.clock)
    item_id = world.place.item("loans.csv").item_id
    register.begin_deletion(world.place.group, item_id, actor="ann@kmflow.test")

    assert undecided_of_tables(world.place.group, [table], world.registry) == []
