"""Files that may not be read are quarantined, alone, and come in once they may."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.processes import import_what_comes_later, in_child

NOBODY = 65534


@pytest.fixture
def nobodys(clock: FakeClock, control_database: NewDatabase) -> Iterator[LandingPlace]:
    """A landing place that a user without privileges can reach, with a file that is in."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        place = LandingPlace(home, clock, GroupId("acme"), control_database(home / "control.db"))
        place.drop("e1/first.csv", "first")
        place.take_in()
        yield place


def without_privileges(place: LandingPlace, part: str) -> None:
    """A part of the place's work as a user who owns it, and may not read all that root may."""
    if os.geteuid() != 0:
        getattr(place, part)()
        return
    for path in (place.home, *place.home.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    assert in_child(work_unprivileged, place, part) == 0


def work_unprivileged(place: LandingPlace, part: str) -> None:
    import_what_comes_later()
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    getattr(place, part)()


def test_an_unreadable_file_comes_in_once_it_may_be_read(nobodys: LandingPlace) -> None:
    path = nobodys.drop("e1/a.csv", "x")
    nobodys.drop("e1/b.csv", "y")
    path.chmod(0)

    without_privileges(nobodys, "take_in")

    (refused,) = nobodys.ledger.quarantined(nobodys.group)
    assert (refused.path, refused.code) == ("e1/a.csv", "unreadable")
    assert {item.file_name for item in nobodys.items()} == {"first.csv", "b.csv"}
    path.chmod(0o600)
    assert [file.file_name for file in nobodys.take_in().stored] == ["a.csv"]


def test_a_file_that_may_not_be_read_any_more_is_quarantined_alone(nobodys: LandingPlace) -> None:
    path = nobodys.drop("e1/a.csv", "x")
    nobodys.drop("e1/b.csv", "y")
    nobodys.look()
    path.chmod(0)

    without_privileges(nobodys, "store_day")

    (refused,) = nobodys.ledger.quarantined(nobodys.group)
    assert (refused.path, refused.code) == ("e1/a.csv", "unreadable")
    assert "Permission denied" in refused.message
    assert {item.file_name for item in nobodys.items()} == {"first.csv", "b.csv"}
