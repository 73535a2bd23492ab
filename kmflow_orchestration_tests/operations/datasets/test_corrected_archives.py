"""What is said of archives reaches the files in them: here delimiters and encodings."""

from __future__ import annotations

import pytest

from kmflow_orchestration.errors import InvalidSettings
from kmflow_orchestration.metadata.correction_records import Scope
from kmflow_orchestration_tests.converters.archives.bundles import zipped
from kmflow_orchestration_tests.operations.datasets.corrections_world import (
    content,
    correct,
    remember,
    replay,
    withdraw,
)
from kmflow_orchestration_tests.operations.datasets.dataset_world import DatasetWorld

# Read without a word it is one column; and the letters are others in cp1252.
LOANS = "id^town\n1^Łódź\n2^Gdańsk\n".encode("cp1250")
PEOPLE = "id^name\n7^Małgorzata\n".encode("cp1250")
PACK = zipped({"in/loans.csv": LOANS, "old.zip": zipped({"people.csv": PEOPLE})})
SAID = {"delimiter": "^", "encoding": "cp1250"}
RIGHT = ([(1, "Łódź"), (2, "Gdańsk")], [(7, "Małgorzata")])


def test_it_holds_for_an_archive_that_came_and_is_taken_back(world: DatasetWorld) -> None:
    world.drop("pack.zip", PACK)
    world.drop("other.csv", "id\n1\n")
    world.take_in()
    before = content(world)

    told = correct(world, files="*.zip", options=SAID)
    (replayed,) = replay(world)

    assert [one.landing_path for one in told.affected] == [f"{world.engagement}/pack.zip"]
    assert replayed.quarantined == ()
    assert (world.rows("loans", "id", "town"), world.rows("people", "id", "name")) == RIGHT
    (told_by,) = {one.corrections for one in replayed.receipts if "pack.zip" in one.source}
    assert [said.split(",")[0].partition(": ")[2] for said in told_by] == [
        "delimiter ^",
        "encoding cp1250",
    ]
    withdraw(world, *range(1, world.corrections.last_number(world.place.group) + 1))
    replay(world)
    assert content(world) == before


def test_it_holds_for_archives_to_come(world: DatasetWorld) -> None:
    remember(world, Scope.FILES, "*.zip", **SAID)
    world.drop("pack.zip", PACK)
    published = world.take_in()

    assert published.quarantined == ()
    assert (world.rows("loans", "id", "town"), world.rows("people", "id", "name")) == RIGHT


def test_one_table_of_an_archive_is_referred_to_the_archive(world: DatasetWorld) -> None:
    """An option holds for all files in it, which is for a person to say."""
    world.drop("pack.zip", PACK)
    world.take_in()

    with pytest.raises(InvalidSettings, match=r"--files 'pack\.zip'"):
        correct(world, target="loans", options=SAID)
