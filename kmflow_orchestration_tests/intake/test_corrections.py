from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration.errors import StateConflict
from kmflow_orchestration.intake.corrections import CorrectionStore
from kmflow_orchestration.intake.ledger import State, Step
from kmflow_orchestration.metadata.config_audit import AuditAction, ConfigAudit
from kmflow_orchestration.metadata.correction_records import Change, Scope
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

ACME, GLOBEX = GroupId("acme"), GroupId("globex")
DECIMAL = Change("e1", Scope.FILES, "*.csv", "decimal", ",")


class Place:
    """Two groups with a stored file each, in one control database."""

    def __init__(self, home: Path, url: str) -> None:
        self.clock = FakeClock()
        self.groups = {one: LandingPlace(home, self.clock, one, url) for one in (ACME, GLOBEX)}
        for place in self.groups.values():
            place.drop("e1/loans.csv", "id\n1\n")
            place.take_in()
            for batch in place.ledger.stored_batches(place.group, place.today):
                for step in (Step.BRONZE, Step.DATASETS, Step.FRAGMENTS, Step.QUALITY):
                    place.ledger.finish_step(place.group, batch.batch_id, step)
        self.sessions = open_sessions(engine_of(url))
        self.store = CorrectionStore(self.sessions, self.clock)

    def item(self, group: GroupId = ACME) -> str:
        return self.groups[group].item("loans.csv").item_id

    def finished(self, group: GroupId = ACME) -> set[Step]:
        place = self.groups[group]
        (batch,) = place.ledger.stored_batches(group, place.today)
        return set(batch.finished)


@pytest.fixture
def place(tmp_path: Path, control_database: NewDatabase) -> Place:
    return Place(tmp_path, control_database(tmp_path / "control.db"))


def test_a_correction_is_remembered_with_who_and_since_when(place: Place) -> None:
    changed = place.store.change(ACME, [DECIMAL], actor="ann")

    (kept,) = place.store.all(ACME)
    assert changed.corrections == (kept,)
    assert (kept.key, kept.value, kept.number) == (DECIMAL.key, ",", 1)
    assert (kept.set_by, kept.set_at) == ("ann", place.clock.now())
    assert place.store.all(ACME, "e2") == []
    deed = ConfigAudit(place.sessions, place.clock).entries(ACME)[0].deed
    assert (deed.action, deed.actor_email) == (AuditAction.CORRECT_DATASET, "ann")
    assert (deed.before, deed.after) == (
        None,
        {"engagement": "e1", "files": "*.csv", "decimal": ","},
    )


def test_the_same_again_changes_nothing(place: Place) -> None:
    place.store.change(ACME, [DECIMAL], actor="ann")

    again = place.store.change(ACME, [DECIMAL], actor="bob")

    assert not again.is_new
    assert [one.set_by for one in place.store.all(ACME)] == ["ann"]
    assert place.store.last_number(ACME) == 1


def test_what_is_taken_back_holds_no_more_and_its_number_is_never_used_again(place: Place) -> None:
    place.store.change(ACME, [DECIMAL], actor="ann")
    place.store.change(ACME, [Change(*DECIMAL.key, value=None)], actor="ann")  # type: ignore[arg-type]
    assert place.store.all(ACME) == []

    place.store.change(ACME, [DECIMAL], actor="ann")

    assert [one.number for one in place.store.all(ACME)] == [3]


def test_who_saw_older_corrections_is_refused(place: Place) -> None:
    place.store.change(ACME, [DECIMAL], actor="ann", seen=0)

    other = Change("e1", Scope.FILES, "*.csv", "encoding", "cp1252")
    with pytest.raises(StateConflict, match="changed meanwhile"):
        place.store.change(ACME, [other], actor="bob", seen=0)
    assert place.store.last_number(ACME) == 1


def test_the_batch_of_an_item_that_is_corrected_is_to_be_converted_again(place: Place) -> None:
    change = Change("e1", Scope.ITEM, place.item(), "encoding", "cp1252")

    changed = place.store.change(ACME, [change], actor="ann")

    assert [one.item_id for one in changed.affected] == [place.item()]
    assert place.finished() == {Step.STORED, Step.BRONZE, Step.FRAGMENTS, Step.QUALITY}
    assert [due.day for due in place.groups[ACME].ledger.due_days(ACME)] == [
        place.groups[ACME].today
    ]


def test_an_item_that_was_refused_gets_another_chance(place: Place) -> None:
    ledger = place.groups[ACME].ledger
    ledger.quarantine_item(ACME, place.item(), "undecodable", "bytes that are no text")
    change = Change("e1", Scope.ITEM, place.item(), "encoding", "cp1252")

    place.store.change(ACME, [change], actor="ann")

    item = ledger.find_items(ACME, [place.item()])[place.item()]
    assert (item.state, item.reason, item.message) == (State.STORED, "", "")
    assert place.finished() == {Step.STORED, Step.BRONZE}


def test_a_batch_written_by_older_corrections_is_not_finished(place: Place) -> None:
    (batch,) = place.groups[ACME].ledger.stored_batches(ACME, place.groups[ACME].today)
    change = Change("e1", Scope.ITEM, place.item(), "encoding", "cp1252")
    place.store.change(ACME, [change], actor="ann")

    assert not place.store.finish(ACME, batch.batch_id, seen=0)
    assert Step.DATASETS not in place.finished()
    assert place.store.finish(ACME, batch.batch_id, seen=1)
    assert Step.DATASETS in place.finished()


def test_another_group_is_not_touched(place: Place) -> None:
    theirs = Change("e1", Scope.ITEM, place.item(GLOBEX), "encoding", "cp1252")
    before = place.finished(GLOBEX)

    changed = place.store.change(ACME, [DECIMAL, theirs], actor="ann")

    assert changed.affected == ()
    assert place.store.all(GLOBEX) == []
    assert place.store.last_number(GLOBEX) == 0
    assert place.finished(GLOBEX) == before
