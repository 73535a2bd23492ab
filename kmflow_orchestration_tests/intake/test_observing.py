"""Which files are complete, which are new, which changed: looks against the ledger (row G5)."""

from __future__ import annotations

import os

from kmflow_orchestration.intake.ledger import Observation
from kmflow_orchestration.metadata.intake_records import FolderLook, Seen
from kmflow_orchestration_tests.intake.landing_place import LandingPlace


def test_an_old_file_is_pending_at_first_sight(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x", age_s=3600)
    assert acme.look() == Observation(seen=1, pending=1)


def test_a_fresh_file_waits_for_the_quiet_period(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x", age_s=1)
    assert acme.look() == Observation(seen=1, waiting=1)
    acme.clock.advance(5)
    assert acme.look() == Observation(seen=1, pending=1)


def test_a_file_that_grows_between_looks_goes_on_waiting(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x", age_s=0)
    acme.look()
    acme.clock.advance(4)
    acme.drop("e1/a.csv", "xy", age_s=0)
    acme.look()
    acme.clock.advance(4)
    assert acme.look().waiting == 1
    acme.clock.advance(1)
    assert acme.look().pending == 1


def test_a_time_in_the_future_is_taken_after_two_equal_looks(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x", age_s=-7200)
    assert acme.look().waiting == 1
    acme.clock.advance(5)
    assert acme.look().pending == 1


def test_a_clock_set_back_loses_nothing(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.take_in()
    acme.clock.advance(-86_400)
    acme.drop("e1/b.csv", "y")
    assert acme.look() == Observation(seen=2, pending=1, unchanged=1)


def test_new_content_of_the_same_size_and_time_is_seen_by_its_inode(acme: LandingPlace) -> None:
    old = acme.drop("e1/a.csv", "x")
    acme.take_in()
    times = old.stat()
    new = acme.drop("e1/new.part", "y")
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.rename(old)
    assert acme.look().pending == 1


def test_an_older_file_over_a_newer_one_is_seen(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x", age_s=100)
    acme.take_in()
    acme.drop("e1/a.csv", "y", age_s=100_000)
    assert acme.look().pending == 1


def test_removal_changes_nothing(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    acme.take_in()
    before = acme.ledger.summary(acme.group)
    acme.wipe()
    assert acme.look() == Observation()
    assert acme.ledger.summary(acme.group) == before


def test_a_waiting_file_that_goes_away_is_forgotten(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x", age_s=0)
    acme.look()
    acme.wipe()
    acme.look()
    assert acme.ledger.summary(acme.group).waiting == 0


def test_refused_files_are_quarantined_at_sight_and_once(acme: LandingPlace) -> None:
    acme.drop("loose.csv", "x")
    assert acme.look() == Observation(seen=1, quarantined=1)
    assert acme.look() == Observation(seen=1, unchanged=1)
    assert [one.code for one in acme.ledger.quarantined(acme.group)] == ["no_engagement"]
    assert acme.ledger.due_days(acme.group) == []


def test_a_refused_file_that_is_mended_comes_in(acme: LandingPlace) -> None:
    (acme.root / "e1").mkdir()
    (acme.root / "e1" / "a.csv").symlink_to("nowhere")
    acme.look()
    (acme.root / "e1" / "a.csv").unlink()
    acme.drop("e1/a.csv", "x")
    assert acme.look().pending == 1
    assert acme.ledger.quarantined(acme.group) == []


def test_two_names_that_only_look_alike_do_not_stop_the_look(acme: LandingPlace) -> None:
    acme.drop("e1/good.csv", "x")
    acme.drop("e1/a\\xff", "x")
    (acme.root / "e1" / os.fsdecode(b"a\xff")).write_text("x")
    assert acme.look() == Observation(seen=2, pending=1, quarantined=1)


def test_an_engagement_is_registered_when_its_folder_is_seen(acme: LandingPlace) -> None:
    (acme.root / "e1").mkdir()
    (acme.root / "No Id").mkdir()
    acme.look()
    acme.look()
    assert [one.engagement_id for one in acme.ledger.engagements(acme.group)] == ["e1"]


def test_a_file_seen_near_midnight_belongs_to_its_utc_day(acme: LandingPlace) -> None:
    acme.clock.advance(15 * 3600 - 1)
    acme.drop("e1/a.csv", "x", age_s=0)
    acme.look()
    first_seen_on = acme.today
    acme.clock.advance(60)
    acme.look()
    assert [due.day for due in acme.ledger.due_days(acme.group)] == [first_seen_on]
    assert acme.today > first_seen_on


def test_a_folder_that_could_not_be_read_is_told_until_it_can(acme: LandingPlace) -> None:
    acme.drop("e1/shut/a.csv", "x")
    refused = Seen(
        path="e1/shut/",
        folder="e1/shut",
        engagement_id="e1",
        size_bytes=0,
        mtime_ns=0,
        inode=0,
        problem="unreadable",
        message="Permission denied",
    )
    acme.ledger.observe(acme.group, [FolderLook("e1/shut", 0, (refused,), "e1")])
    assert [one.path for one in acme.ledger.quarantined(acme.group)] == ["e1/shut/"]
    assert acme.look().pending == 1
    assert acme.ledger.quarantined(acme.group) == []
