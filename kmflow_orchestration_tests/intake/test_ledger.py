"""Batches, steps and items in the ledger; what is due; what each group sees."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pytest

from kmflow_orchestration.errors import MissingGroup, StateConflict
from kmflow_orchestration.intake.claims import this_process
from kmflow_orchestration.intake.ledger import Ledger, Quarantine, Scores, State, Step
from kmflow_orchestration.metadata.engagements import Engagements
from kmflow_orchestration.metadata.evidence_items import EvidenceItems
from kmflow_orchestration.metadata.evidence_requests import EvidenceRequests
from kmflow_orchestration.metadata.intake_batches import IntakeBatches
from kmflow_orchestration.metadata.landing_files import LandingFiles
from kmflow_orchestration.names import EngagementId, GroupId
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

REPOSITORIES = (Ledger, Engagements, EvidenceItems, EvidenceRequests, IntakeBatches, LandingFiles)
SCORES = Scores(0.5, 0.4, 0.3, 0.2, 0.4)


def public_methods() -> list[tuple[type, str]]:
    return [
        (kind, name)
        for kind in REPOSITORIES
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    ]


@pytest.mark.parametrize(("kind", "name"), public_methods())
def test_every_method_asks_for_the_group_first(kind: type, name: str) -> None:
    parameters = list(inspect.signature(getattr(kind, name)).parameters.values())
    assert parameters[1].name == "group"
    assert parameters[1].default is inspect.Parameter.empty


def test_an_empty_group_is_refused_before_anything_is_read(acme: LandingPlace) -> None:
    with pytest.raises(MissingGroup):
        acme.ledger.summary(GroupId(""))


def test_one_group_sees_nothing_of_another(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.drop("loose.csv", "x")
    stored = acme.take_in()
    other = GroupId("globex")
    item = acme.item("a.csv")

    assert acme.ledger.items(other, stored.batch_id) == []
    assert acme.ledger.find_items(other, [item.item_id]) == {}
    assert acme.ledger.stored_batches(other, acme.today) == []
    assert acme.ledger.due_days(other) == []
    assert acme.ledger.quarantined(other) == []
    assert acme.ledger.engagements(other) == []
    assert acme.ledger.folders(other) == {}
    assert acme.ledger.summary(other).items == 0
    assert acme.ledger.scoring_counts(other).live_items("e1", "structured_data") == 0


def test_one_group_can_change_nothing_of_another(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    stored = acme.take_in()
    other = GroupId("globex")
    before = acme.item("a.csv")

    with pytest.raises(StateConflict):
        acme.ledger.mark_converted(other, before.item_id, "csv-1")
    with pytest.raises(StateConflict):
        acme.ledger.quarantine_item(other, before.item_id, "corrupt", "no")
    with pytest.raises(StateConflict):
        acme.ledger.finish_step(other, stored.batch_id, Step.BRONZE)
    acme.ledger.publish(other, stored.batch_id, {before.item_id: SCORES})

    assert acme.item("a.csv") == before


def test_a_day_is_due_until_its_run_is_through(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.look()
    (due,) = acme.ledger.due_days(acme.group)
    assert (due.day, due.pending, due.unfinished, due.next_batch_no) == (acme.today, 1, False, 1)

    batch = acme.store_day().batch_id
    for step in (Step.BRONZE, Step.DATASETS):
        (due,) = acme.ledger.due_days(acme.group)
        assert (due.pending, due.unfinished, due.next_batch_no) == (0, True, 2)
        acme.ledger.finish_step(acme.group, batch, step)
    assert acme.ledger.due_days(acme.group) == []


def test_a_days_next_run_is_asked_for_once(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.look()
    (due,) = acme.ledger.due_days(acme.group)

    asked = [acme.ledger.run_requested(acme.group, due.day, due.next_batch_no) for _ in range(3)]

    assert asked == [True, False, False]
    assert acme.ledger.due_days(acme.group)[0].next_batch_no == 2


def test_a_day_is_late_until_its_last_silver_step_is_finished(acme: LandingPlace) -> None:
    batch = converted(acme)
    acme.clock.advance(60)
    acme.ledger.run_requested(acme.group, acme.today)

    for step in (Step.FRAGMENTS, Step.QUALITY):
        (late,) = acme.ledger.late_days(acme.group, acme.clock.now())
        assert (late.day, late.pending, late.next_batch_no) == (acme.today, 0, 3)
        acme.ledger.finish_step(acme.group, batch, step)
    assert acme.ledger.late_days(acme.group, acme.clock.now()) == []


def test_a_day_that_is_not_converted_for_long_is_not_late(acme: LandingPlace) -> None:
    converted(acme)
    acme.drop("e1/b.csv", "y")
    acme.take_in()

    assert acme.ledger.late_days(acme.group, acme.clock.now()) == []
    acme.clock.advance(1)
    assert [late.day for late in acme.ledger.late_days(acme.group, acme.clock.now())] == [
        acme.today
    ]
    assert acme.ledger.late_days(GroupId("globex"), acme.clock.now()) == []


def converted(place: LandingPlace) -> str:
    """Take in a file and convert it just now; its batch."""
    place.drop("e1/a.csv", "x")
    stored = place.take_in()
    assert stored is not None
    for step in (Step.BRONZE, Step.DATASETS):
        place.ledger.finish_step(place.group, stored.batch_id, step)
    return stored.batch_id


def test_a_step_gets_unfinished_batches_or_else_all_of_them(acme: LandingPlace) -> None:
    for name in ("a", "b"):
        acme.drop(f"e1/{name}.csv", name)
        acme.take_in()
    numbers = lambda: [  # noqa: E731 - asked twice
        batch.number for batch in acme.ledger.batches(acme.group, acme.today, Step.BRONZE)
    ]
    first, second = acme.ledger.stored_batches(acme.group, acme.today)

    assert numbers() == [1, 2]
    acme.ledger.finish_step(acme.group, first.batch_id, Step.BRONZE)
    assert numbers() == [2]
    acme.ledger.finish_step(acme.group, second.batch_id, Step.BRONZE)
    assert numbers() == [1, 2]


def test_a_finished_step_keeps_its_first_time(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    batch = acme.take_in().batch_id
    acme.ledger.finish_step(acme.group, batch, Step.BRONZE)
    first = acme.clock.now()
    acme.clock.advance(60)
    acme.ledger.finish_step(acme.group, batch, Step.BRONZE)
    (found,) = acme.ledger.stored_batches(acme.group, acme.today)
    assert found.finished[Step.BRONZE] == first


def test_an_open_batch_has_no_later_steps(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.look()

    def look_inside(stage: str, done: int) -> None:
        assert acme.ledger.batches(acme.group, acme.today, Step.BRONZE) == []

    acme.store_day(on_progress=look_inside)


def test_an_item_goes_from_stored_over_converted_to_published(acme: LandingPlace) -> None:
    acme.drop("e1/a.md", "x")
    batch = acme.take_in().batch_id
    states = [acme.item("a.md").state]
    acme.ledger.mark_converted(acme.group, acme.item("a.md").item_id, "text-1", no_converter=True)
    states.append(acme.item("a.md").state)
    acme.ledger.publish(acme.group, batch, {})
    states.append(acme.item("a.md").state)
    assert states == [State.STORED, State.CONVERTED, State.PUBLISHED]
    assert acme.item("a.md").no_converter


def test_an_item_that_cannot_be_converted_keeps_its_place_and_counts_no_more(
    acme: LandingPlace,
) -> None:
    acme.drop("e1/a.xlsx", "x")
    batch = acme.take_in().batch_id
    item = acme.item("a.xlsx").item_id
    acme.ledger.quarantine_item(acme.group, item, "corrupt", "no workbook")
    acme.ledger.publish(acme.group, batch, {item: SCORES})

    found = acme.item("a.xlsx")
    assert (found.state, found.reason, found.batch_id) == (State.QUARANTINED, "corrupt", batch)
    assert (found.is_live, found.scores) == (False, None)
    assert acme.ledger.quarantined(acme.group) == [
        Quarantine("e1/a.xlsx", "corrupt", "no workbook", item)
    ]


def test_a_superseded_item_can_be_neither_converted_nor_quarantined(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "old")
    acme.take_in()
    old = acme.item("a.csv").item_id
    acme.drop("e1/a.csv", "new!")
    acme.take_in()
    with pytest.raises(StateConflict):
        acme.ledger.mark_converted(acme.group, old, "csv-1")
    with pytest.raises(StateConflict):
        acme.ledger.quarantine_item(acme.group, old, "corrupt", "no")
    acme.ledger.publish(acme.group, acme.items()[0].batch_id, {old: SCORES})
    assert acme.ledger.find_items(acme.group, [old])[old].state is State.SUPERSEDED


def test_a_corrupt_item_that_was_superseded_and_returns_gets_another_chance(
    acme: LandingPlace,
) -> None:
    acme.drop("e1/a.csv", "odd")
    acme.take_in()
    odd = acme.item("a.csv").item_id
    acme.ledger.quarantine_item(acme.group, odd, "corrupt", "no")
    for content in ("other", "odd"):
        acme.drop("e1/a.csv", content)
        acme.take_in()
    found = acme.ledger.find_items(acme.group, [odd])[odd]
    assert (found.state, found.reason) == (State.STORED, "")


def test_scores_count_live_originals_and_fulfilled_requests(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.drop("e1/copy.csv", "x")
    acme.drop("e1/b.csv", "y")
    acme.take_in()
    engagement = EngagementId("e1")
    for status in ("requested", "received", "active"):
        acme.ledger.request_evidence(acme.group, engagement, "structured_data", status=status)

    counts = acme.ledger.scoring_counts(acme.group)

    assert counts.live_items("e1", "structured_data") == 2
    assert counts.requested("e1", "structured_data") == 3
    assert counts.fulfilled("e1", "structured_data") == 2
    assert counts.requested("e2", "structured_data") == 0


def test_the_summary_accounts_for_every_file(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.drop("e1/copy.csv", "x")
    acme.drop("e2/b.csv", "y")
    acme.drop("e2/empty.csv", "")
    acme.drop("loose.csv", "x")
    acme.take_in()
    acme.drop("e2/b.csv", "yy")
    acme.take_in()
    acme.drop("e2/growing.csv", "z", age_s=0)
    acme.look()

    summary = acme.ledger.summary(acme.group)

    assert (summary.stored, summary.duplicates, summary.superseded) == (2, 1, 1)
    assert (summary.waiting, summary.pending) == (1, 0)
    assert [(one.path, one.code) for one in summary.quarantined] == [
        ("e2/empty.csv", "empty"),
        ("loose.csv", "no_engagement"),
    ]
    assert summary.stored_by_engagement == {"e1": 1, "e2": 1}


def test_a_large_day_is_stored_in_several_batches(acme: LandingPlace) -> None:
    for number in range(5):
        acme.drop(f"e1/{number}.csv", str(number))
        acme.look()
        acme.clock.advance(1)
    held = acme.ledger.claimed_batch(acme.group, acme.today, this_process(), max_files=3)
    with held as batch:
        assert [file.path for file in batch.files()] == ["e1/0.csv", "e1/1.csv", "e1/2.csv"]
    assert len(acme.store_day().stored) == 3
    assert len(acme.store_day().stored) == 2


def test_a_revived_item_of_yesterday_keeps_its_day_and_bytes(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "one")
    acme.take_in()
    first = acme.item("a.csv")
    acme.drop("e1/a.csv", "two!")
    acme.take_in()
    acme.clock.advance(timedelta(days=1).total_seconds())
    acme.drop("e1/a.csv", "one")
    batch = acme.take_in()

    revived = acme.ledger.find_items(acme.group, [first.item_id])[first.item_id]
    assert batch.day == acme.today
    assert (revived.batch_id, revived.received_on) == (batch.batch_id, first.received_on)
    assert revived.stored_path == first.stored_path
