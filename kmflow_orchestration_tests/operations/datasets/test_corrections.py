"""Corrections that hold for files that came and files to come, as one clean run would have it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from kmflow_orchestration.config.group_config import GroupConfig
from kmflow_orchestration.errors import (
    InvalidOptions,
    InvalidSettings,
    UnknownEngagement,
    UnknownEvidence,
)
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.metadata.correction_records import Scope
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration.storage.own_tables import OwnTables
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.datasets.conftest import next_engagement
from kmflow_orchestration_tests.operations.datasets.corrections_world import (
    content,
    correct,
    remember,
    replay,
    withdraw,
)
from kmflow_orchestration_tests.operations.datasets.dataset_world import (
    DatasetWorld,
    WatchedLakehouse,
)

FILES = (
    {
        "codes_1": "id,code\n1,007\n2,12\n",
        "zip_1": "id,zip\n1,5\n2,6\n",
        "paid_1": "id,on\n1,01/02/2026\n2,03/04/2026\n",
        "sums_1": 'id;sum\n1;"1.234"\n2;"2.500"\n',
        "title_1": "Report\nof,May\nid,x\n1,2\n",
        "north_1": "id,x\n11,2\n",
        "south_1": "id,x\n3,4\n",
        "old_1": "id,x\n12,2\n",
        "kept_1": "id,x\n13,2\n",
    },
    {
        "codes_2": "id,code\n3,0815\n",
        "zip_2": "id,zip\n3,70173\n",
        "paid_2": "id,on\n3,05/06/2026\n",
        "old_2": "id,x\n7,8\n",
        "north_2": "id,x\n5,6.5\n",
    },
)


@pytest.fixture
def clean(
    new_place: Callable[[str], LandingPlace],
    dataset_lakehouse: LocalLakehouse,
    dataset_config: GroupConfig,
) -> DatasetWorld:
    """A place of its own, in which every correction stood from the start."""
    return DatasetWorld(new_place("acme"), dataset_lakehouse, dataset_config, next_engagement())


def arrive(world: DatasetWorld) -> None:
    world.arrive(**FILES[0])
    world.arrive(**FILES[1])


def correct_all(world: DatasetWorld) -> None:
    correct(world, target="codes.code", type_word="integer")
    correct(world, target="zip.zip", type_word="text")
    correct(world, target="paid", options={"date_order": "dmy"})
    correct(world, files="sums_*", options={"decimal": ","})
    correct(world, files="title_*", options={"header_row": 3})
    correct(world, files="north_*.csv", dataset="regions")
    correct(world, files="south_*.csv", dataset="regions")
    correct(world, ignore="old_*")


def remember_all(world: DatasetWorld) -> None:
    remember(world, Scope.COLUMN, "codes.code", type="integer")
    remember(world, Scope.COLUMN, "zip.zip", type="text")
    remember(world, Scope.TABLE, "paid", date_order="dmy")
    remember(world, Scope.FILES, "sums_*", decimal=",")
    remember(world, Scope.FILES, "title_*", header_row=3)
    remember(world, Scope.FILES, "north_*.csv", dataset="regions")
    remember(world, Scope.FILES, "south_*.csv", dataset="regions")
    remember(world, Scope.FILES, "old_*", ignore=True)


def test_after_a_replay_the_tables_are_those_of_a_run_that_was_corrected_from_the_start(
    world: DatasetWorld, clean: DatasetWorld
) -> None:
    arrive(world)
    before = content(world)
    correct_all(world)
    assert content(world) == before

    replay(world)
    remember_all(clean)
    arrive(clean)

    assert content(world) == content(clean)
    assert world.types("codes")["code"] == "BIGINT"
    assert world.rows("zip", "zip") == [("5",), ("6",), ("70173",)]
    assert world.rows("paid", "on")[0] == (date(2026, 2, 1),)
    assert world.rows("sums", "sum") == [(1234,), (2500,)]
    assert world.types("title") == {"id": "BIGINT", "x": "BIGINT"}
    assert len(world.rows("regions", "id")) == 3
    assert (world.rows("north", "id"), world.rows("old", "id")) == ([], [])


def test_a_second_replay_does_nothing(world: DatasetWorld) -> None:
    world.arrive(zip_1="id,zip\n1,5\n")
    correct(world, target="zip.zip", type_word="text")
    (done,) = replay(world)
    heard = list(world.heard)

    assert done.converted == 1
    assert replay(world) == []
    assert world.heard == heard
    assert not correct(world, target="zip.zip", type_word="text").is_new
    assert world.corrections.unwritten_days(world.place.group) == []


def test_files_to_come_are_corrected_and_their_receipt_says_by_whom(world: DatasetWorld) -> None:
    world.arrive(paid_1="id,on\n1,01/02/2026\n")
    correct(world, target="paid", options={"date_order": "mdy"})
    replay(world)

    published = world.arrive(paid_2="id,on\n2,03/04/2026\n")

    assert world.rows("paid", "on") == [(date(2026, 1, 2),), (date(2026, 3, 4),)]
    (told,) = published.receipts[0].corrections
    for part in ("date_order mdy", "ann@kmflow.test", "2026-11-"):
        assert part in told
    assert published.corrections == (told,)
    assert published.receipts[0].summary()["corrections"] == [told]
    (kept,) = world.registry.of_items("acme", [world.place.item("paid_2.csv").item_id])
    assert kept.receipt["corrections"][0]["set_by"] == "ann@kmflow.test"


def test_what_is_taken_back_leaves_nothing_behind(world: DatasetWorld) -> None:
    arrive(world)
    before = content(world)
    correct_all(world)
    replay(world)

    withdraw(world, *(one.number for one in world.corrections.all(world.place.group)))
    replay(world)

    assert content(world) == before


@pytest.mark.parametrize(("statement", "moment"), [("replace", "after"), ("rebuild", "before")])
def test_a_replay_that_was_killed_goes_on(
    world: DatasetWorld, dataset_lakehouse: LocalLakehouse, statement: str, moment: str
) -> None:
    world.arrive(north_1="id,x\n1,2\n", south_1="id,x\n3,4.5\n", zip_1="id,zip\n1,5\n")
    correct(world, files="north_*", dataset="south")
    correct(world, target="zip.zip", type_word="text")
    place = world.place
    root = dataset_lakehouse.directory(world.table("zip")).parents[1]
    where = (place.home, place.clock, place.database_url, root)
    child = get_context("spawn").Process(
        target=replay_until_killed,
        args=(where, world.config, world.engagement, statement, moment),
    )
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL

    replay(world)

    assert world.rows("zip", "zip") == [("5",)]
    assert world.rows("north", "id") == []
    assert world.rows("south", "id", "x", "_source_row") == [
        (1, 2, 2),
        (3, 4.5, 2),
    ]
    assert replay(world) == []


def replay_until_killed(
    where: tuple[Path, FakeClock, str, Path],
    config: GroupConfig,
    engagement: str,
    statement: str,
    moment: str,
) -> None:
    home, clock, database_url, root = where
    own = OwnTables(config.group_id, config.namespace)
    lakehouse = LocalLakehouse(own, root, clock=clock)
    place = LandingPlace(home, clock, config.group_id, database_url)
    world = DatasetWorld(place, lakehouse, config, engagement)
    killing = {moment: lambda: os.kill(os.getpid(), signal.SIGKILL)}
    replay(world, lakehouse=WatchedLakehouse(lakehouse, statement, **killing))


def test_a_type_that_a_value_does_not_fit_is_refused_with_that_value(world: DatasetWorld) -> None:
    world.arrive(loans_1="id,sum\n1,5\n")
    world.arrive(loans_2="id,sum\n2,+7\n3,n/a\n4,x\n")

    for word in ("integer", "date"):
        with pytest.raises(InvalidSettings, match=r"'(n/a|5|\+7)' in row \d of loans_\d\.csv"):
            correct(world, target="loans.sum", type_word=word)
    with pytest.raises(InvalidSettings, match=r"'n/a' in row 3 of loans_2\.csv"):
        correct(world, target="loans.sum", type_word="decimal", dry_run=True)

    assert world.corrections.all(world.place.group) == []
    assert replay(world) == []


def test_a_type_does_not_decide_between_two_readings(world: DatasetWorld) -> None:
    world.arrive(sums_1='id;sum\n1;"1.234"\n2;"2.500"\n')
    with pytest.raises(InvalidSettings, match=r"'1\.234' in row 2") as refused:
        correct(world, target="sums.sum", type_word="decimal")
    assert "--decimal" in refused.value.hint

    correct(world, target="sums", options={"decimal": "."})
    correct(world, target="sums.sum", type_word="text")
    replay(world)
    assert world.rows("sums", "sum") == [("1.234",), ("2.500",)]


def test_a_later_value_that_does_not_fit_is_kept_and_told(world: DatasetWorld) -> None:
    world.arrive(loans_1="id,sum\n1,007\n")
    correct(world, target="loans.sum", type_word="integer")
    replay(world)
    assert world.rows("loans", "sum") == [(7,)]

    published = world.arrive(loans_2="id,sum\n2,8\n3,n/a\n")

    assert world.rows("loans", "sum") == [("007",), ("8",), ("n/a",)]
    (warning,) = [one.warning for one in published.warnings]
    assert (warning.code, warning.location) == ("type_not_kept", "row 3")

    world.arrive(loans_2="id,sum\n2,8\n")
    assert world.rows("loans", "sum") == [(7,), (8,)]


def test_files_that_are_ignored_keep_their_evidence_and_come_back(world: DatasetWorld) -> None:
    world.arrive(old_1="id\n1\n", old_2="id\n2\n")
    corrected = correct(world, ignore="old_1*")
    assert [one.file_name for one in corrected.affected] == ["old_1.csv"]

    (done,) = replay(world)

    item = world.place.item("old_1.csv")
    assert (done.ignored, world.rows("old", "id")) == (1, [(2,)])
    assert (item.state, world.place.store.read(item.stored_path)) == (State.CONVERTED, b"id\n1\n")

    withdraw(world, 1)
    replay(world)
    assert world.rows("old", "id") == [(1,), (2,)]


def test_copies_of_what_is_ignored_are_told(world: DatasetWorld) -> None:
    world.arrive(old_1="id\n1\n")
    world.arrive(again="id\n1\n", old_2="id\n1\n")

    corrected = correct(world, ignore="old_*", dry_run=True)

    assert [one.file_name for one in corrected.affected] == ["old_1.csv"]
    assert corrected.copies == (f"{world.engagement}/again.csv",)


def test_a_file_that_could_not_be_read_is_read_as_corrected(world: DatasetWorld) -> None:
    world.drop("notes.csv", "id;x\n1;2\n")
    world.take_in()
    item = world.place.item("notes.csv")
    world.place.ledger.quarantine_item(world.place.group, item.item_id, "corrupt", "no")
    world.publish()

    assert world.place.item("notes.csv").state is State.QUARANTINED
    correct(world, item_id=item.item_id, options={"delimiter": ";"})
    replay(world)

    assert world.place.item("notes.csv").state is State.CONVERTED
    assert world.rows("notes", "id", "x") == [(1, 2)]


def test_a_correction_made_during_a_run_is_in_its_result(world: DatasetWorld) -> None:
    waiting = [lambda: remember(world, Scope.FILES, "paid_*", date_order="dmy")]

    def once() -> None:
        while waiting:
            waiting.pop()()

    watched = WatchedLakehouse(world.lakehouse, "replace", after=once)
    world.drop("paid_1.csv", "id,on\n1,01/02/2026\n")
    world.take_in(lakehouse=watched)

    assert world.rows("paid", "on") == [(date(2026, 2, 1),)]
    assert replay(world) == []


def test_another_engagement_is_not_touched(world: DatasetWorld) -> None:
    other = DatasetWorld(world.place, world.lakehouse, world.config, next_engagement())
    for one in (world, other):
        one.arrive(zip_1="id,zip\n1,5\n")
    before = other.rows("zip", "id", "zip", "_batch_id")

    correct(world, files="*.csv", options={"no_header": True})
    replay(world)

    assert other.rows("zip", "id", "zip", "_batch_id") == before
    assert world.types("zip").keys() != other.types("zip").keys()


def test_a_dry_run_tells_files_and_tables_and_changes_nothing(world: DatasetWorld) -> None:
    world.arrive(zip_1="id,zip\n1,5\n", loans_1="id\n1\n")

    told = correct(world, target="zip.zip", type_word="text", dry_run=True)

    assert [one.landing_path for one in told.affected] == [f"{world.engagement}/zip_1.csv"]
    assert told.tables == (f"{world.engagement}__zip",)
    assert world.corrections.last_number(world.place.group) == 0
    assert replay(world) == []


REFUSED: tuple[tuple[dict[str, Any], type[Exception], str], ...] = (
    ({"target": "zib.zip", "type_word": "text"}, InvalidSettings, "did you mean .*__zip"),
    ({"target": "zip.zib", "type_word": "text"}, InvalidSettings, "'zib': did you mean zip"),
    ({"target": "zip.zip", "type_word": "txt"}, InvalidSettings, "'txt': did you mean text"),
    ({"target": "zip", "type_word": "text"}, InvalidSettings, "of which column"),
    ({"files": "*", "type_word": "text"}, InvalidSettings, "say TABLE.COLUMN"),
    ({"target": "zip", "ignore": "*"}, InvalidSettings, "name one"),
    ({"files": "*.csv"}, InvalidSettings, "nothing is said"),
    ({"files": "../*.csv", "options": {"decimal": ","}}, InvalidSettings, "no pattern"),
    ({"files": "*.csv", "dataset": "My Loans"}, InvalidSettings, "did you mean my_loans"),
    ({"target": "zip", "dataset": "x"}, InvalidSettings, "it takes --files"),
    ({"target": "book__a", "options": {"header_row": 2}}, InvalidSettings, "--files 'book.xlsx'"),
    ({"target": "zip", "options": {"record_path": "a"}}, InvalidOptions, "to the delimited"),
    ({"files": "*", "options": {"delimiter": ";;"}}, InvalidOptions, "delimiter is ';;'"),
    ({"files": "*", "options": {"date_order": "xyz"}}, InvalidOptions, "takes one of dmy"),
    ({"item_id": "nobody", "options": {"decimal": ","}}, UnknownEvidence, "no item nobody"),
)


def test_what_is_not_there_is_refused_with_what_was_meant(world: DatasetWorld) -> None:
    world.drop("zip_1.csv", "id,zip\n1,5\n")
    world.drop_workbook("book.xlsx", {"A": [["id"], [1]], "B": [["id"], [2]]})
    world.take_in()

    for request, error, problem in REFUSED:
        with pytest.raises(error, match=problem):
            correct(world, **request)
    elsewhere = DatasetWorld(world.place, world.lakehouse, world.config, "e999x")
    with pytest.raises(UnknownEngagement, match="no engagement 'e999x'"):
        correct(elsewhere, ignore="*")
    assert world.corrections.all(world.place.group) == []
