"""Clocks that are set: no quiet period for ever, no half file, no day that never comes."""

from __future__ import annotations

from datetime import date

import pytest

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.intake.arrivals import look
from kmflow_orchestration.intake.comparison import JUMPED
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.intake.test_file_history import story

YEAR_S = 365 * 86_400.0
TICK_S = 30.0


class Ticking:
    """The sensor's ticks over one landing place, half a minute apart."""

    def __init__(self, place: LandingPlace) -> None:
        self.place = place
        self.cursor: str | None = None

    def tick(self) -> None:
        place = self.place
        place.clock.advance(TICK_S)
        seen = look(place.group, place.root, self.cursor, ledger=place.ledger, clock=place.clock)
        self.cursor = seen.cursor

    def state(self, path: str) -> str:
        return story(self.place, path).state

    def states(self, path: str, ticks: int) -> list[str]:
        found = []
        for _ in range(ticks):
            self.tick()
            found.append(self.state(path))
        return found


def due_days(place: LandingPlace) -> list[date]:
    """Days with files to store; the first has a batch under way as well."""
    return [one.day for one in place.ledger.due_days(place.group) if one.pending]


@pytest.fixture
def ticking(acme: LandingPlace) -> Ticking:
    ticking = Ticking(acme)
    acme.drop("e1/first.csv", "first")
    ticking.tick()
    acme.store_day()
    return ticking


def test_a_file_that_waits_when_the_clock_is_set_back_waits_one_quiet_period(
    ticking: Ticking,
) -> None:
    place = ticking.place
    place.clock.jump(YEAR_S)
    ticking.tick()
    place.drop("e1/a.csv", "x", age_s=-TICK_S)
    ticking.tick()
    assert ticking.state("e1/a.csv") == "waiting"

    place.clock.jump(-YEAR_S)

    assert ticking.states("e1/a.csv", 2) == ["waiting", "pending"]
    assert JUMPED in {step.message for step in story(place, "e1/a.csv").steps}
    assert [one.file_name for one in place.store_day().stored] == ["a.csv"]


def test_a_file_being_written_when_the_clock_jumps_ahead_is_not_taken_half(
    ticking: Ticking,
) -> None:
    place = ticking.place
    place.clock.advance(TICK_S - 1)
    place.drop("e1/a.csv", "half", age_s=0)
    place.clock.advance(1)
    place.clock.jump(3600)

    place.clock.advance(-TICK_S)
    ticking.tick()
    assert ticking.state("e1/a.csv") == "waiting"
    place.drop("e1/a.csv", "half and half", age_s=-TICK_S)

    assert ticking.states("e1/a.csv", 2) == ["waiting", "pending"]
    (stored,) = place.store_day().stored
    assert place.store.read(stored.item.stored_path) == b"half and half"


def test_a_file_that_waits_when_the_clock_jumps_ahead_waits_on(ticking: Ticking) -> None:
    place = ticking.place
    place.drop("e1/a.csv", "half", age_s=-TICK_S)
    ticking.tick()
    place.clock.jump(3600)

    assert ticking.states("e1/a.csv", 2) == ["waiting", "pending"]


def test_without_a_jump_an_old_file_is_taken_at_first_sight(ticking: Ticking) -> None:
    ticking.place.drop("e1/a.csv", "x")
    assert ticking.states("e1/a.csv", 1) == ["pending"]


@pytest.mark.parametrize("jump_s", [40 * YEAR_S, -50 * YEAR_S], ids=["2066", "1976"])
def test_a_file_of_a_day_that_never_comes_is_of_today_once_the_clock_is_right(
    ticking: Ticking, jump_s: float
) -> None:
    place = ticking.place
    place.clock.jump(jump_s)
    place.drop("e1/a.csv", "x")
    assert ticking.states("e1/a.csv", 2)[-1] == "pending"
    assert place.today in due_days(place)

    place.clock.jump(-jump_s)
    ticking.states("e1/a.csv", 2)

    assert due_days(place) == [date(2026, 11, 20)]
    assert [one.file_name for one in place.store_day().stored] == ["a.csv"]


def test_a_retry_put_off_by_a_clock_that_was_ahead_is_due(ticking: Ticking) -> None:
    place = ticking.place
    place.drop("e1/a.csv", "x")
    ticking.tick()
    place.store.failing["a.csv"] = StorageUnavailable("away")
    day = place.today
    place.clock.jump(YEAR_S)
    place.store_day(day=day)
    place.store.failing.clear()
    assert ticking.state("e1/a.csv") == State.FAILED

    place.clock.jump(-YEAR_S)

    assert [one.file_name for one in place.store_day(day=day).stored] == ["a.csv"]
