"""Ticks: quick looks, sweeps in slices, and a cursor that survives anything."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.intake.arrivals import Look, SweepCursor, look
from kmflow_orchestration.intake.landing import lister, walk
from kmflow_orchestration.intake.ledger import Observation
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace


class WorkingClock(FakeClock):
    """Every question for the time costs one second, so that slices end."""

    def monotonic(self) -> float:
        self.advance(1)
        return super().monotonic()


def tick(place: LandingPlace, cursor: str | None = None, **options: float) -> Look:
    return look(place.group, place.root, cursor, ledger=place.ledger, clock=place.clock, **options)


@pytest.fixture
def later(acme: LandingPlace) -> LandingPlace:
    """A landing place whose clock is ahead of the disk's, so that folders are not always fresh."""
    acme.clock.advance(datetime.now(UTC).timestamp() + 3600 - acme.clock.now().timestamp())
    return acme


def resting(place: LandingPlace) -> str:
    """A cursor with no sweep due soon."""
    return SweepCursor(due_at=place.clock.now().timestamp() + 300).text


def test_a_small_landing_place_is_swept_whole_at_every_tick(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    first = tick(acme)
    acme.drop("e1/a.csv", "in place")
    second = tick(acme, first.cursor)
    assert (first.observation.pending, second.observation.pending) == (1, 1)


def test_a_quick_look_lists_only_folders_that_changed(later: LandingPlace) -> None:
    later.drop("e1/a.csv", "x")
    later.drop("e2/b.csv", "x")
    tick(later)
    assert tick(later, resting(later)).observation.seen == 0

    later.drop("e2/new/deep/c.csv", "x")

    assert tick(later, resting(later)).observation.pending == 2
    assert {one.engagement_id for one in later.ledger.engagements(later.group)} == {"e1", "e2"}


def test_a_quick_look_follows_files_that_still_wait(later: LandingPlace) -> None:
    later.drop("e1/a.csv", "x", age_s=0)
    tick(later)
    later.clock.advance(10)
    assert tick(later, resting(later)).observation.pending == 1


def test_a_quick_look_notices_a_folder_that_is_gone(later: LandingPlace) -> None:
    later.drop("e1/old/a.csv", "x", age_s=0)
    tick(later)
    shutil.rmtree(later.root / "e1" / "old")
    tick(later, resting(later))
    assert "e1/old" not in later.ledger.folders(later.group)
    assert later.ledger.summary(later.group).waiting == 0


def test_a_quick_look_stops_in_time_and_goes_on_at_the_next_tick(later: LandingPlace) -> None:
    later.drop("e1/a.csv", "x")
    tick(later)
    for number in range(12):
        later.drop(f"e1/n{number}/deep/a.csv", "x")
    later.clock = WorkingClock(later.clock.now())
    found = []
    for _ in range(12):
        tick(later, resting(later))
        (due,) = later.ledger.due_days(later.group)
        found.append(due.pending)

    assert 1 < found[0] < 13
    assert found[-1] == 13
    assert tick(later, resting(later)).observation.seen == 0


def test_a_rewrite_in_place_is_found_by_the_next_sweep(later: LandingPlace) -> None:
    later.drop("e1/a.csv", "x")
    tick(later)
    later.drop("e1/a.csv", "in place")
    assert tick(later, resting(later)).observation.seen == 0
    later.clock.advance(301)
    assert tick(later, resting(later)).observation.seen == 0
    assert tick(later).observation.pending == 1


def test_a_sweep_goes_on_over_ticks_and_sees_every_folder_once(later: LandingPlace) -> None:
    for number in range(6):
        later.drop(f"e{number}/a.csv", "x")
    later.clock = WorkingClock(later.clock.now())
    known = {"seen": 0}
    cursor, ticks = None, 0
    tick(later, slice_s=1e9)
    while True:
        result = tick(later, cursor, slice_s=2.0)
        cursor, ticks = result.cursor, ticks + 1
        known["seen"] += result.observation.seen
        if SweepCursor.parse(cursor).after is None:
            break
    assert ticks > 2
    assert known["seen"] == 6


def test_what_arrives_during_a_long_sweep_comes_in_at_once(later: LandingPlace) -> None:
    for number in range(6):
        later.drop(f"e{number}/a.csv", "x")
    tick(later)
    later.drop("e0/late.csv", "x")
    later.clock = WorkingClock(later.clock.now())
    result = tick(later, SweepCursor(after="e3").text, slice_s=1.0)
    assert result.observation.pending >= 1
    assert SweepCursor.parse(result.cursor).after is not None


def test_a_landing_place_that_cannot_be_read_is_an_error(acme: LandingPlace) -> None:
    acme.root.rmdir()
    with pytest.raises(StorageUnavailable):
        tick(acme)
    with pytest.raises(StorageUnavailable):
        tick(acme, resting(acme))


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "null", '{"v": 2}', '{"v": 1, "after": 3}', "x" * 20_000]
)
def test_a_cursor_that_says_nothing_starts_anew(text: str | None) -> None:
    assert SweepCursor.parse(text) == SweepCursor()


@given(st.text(max_size=80))
def test_no_cursor_is_an_error(text: str) -> None:
    SweepCursor.parse(text)


def test_a_cursor_survives_its_text() -> None:
    cursor = SweepCursor("e1/deep", 1.5, 0.0)
    assert SweepCursor.parse(cursor.text) == cursor
    assert json.loads(cursor.text)["v"] == 1


def test_a_clock_set_back_does_not_put_off_the_sweep(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    far = SweepCursor(due_at=acme.clock.now().timestamp() + 86_400).text
    assert tick(acme, far).observation.pending == 1


def test_links_in_the_landing_place_do_not_lead_the_scan_astray(acme: LandingPlace) -> None:
    acme.drop("e1/a.csv", "x")
    (acme.root / "e1" / "again").symlink_to(acme.root)
    assert tick(acme).observation.seen == 2


def test_files_that_are_done_with_are_counted_and_not_looked_at(later: LandingPlace) -> None:
    later.drop("e1/a.csv", "x")
    later.drop("e1/b.csv", "y")
    later.take_in()
    assert later.ledger.fingerprints(later.group) == {}
    assert tick(later).observation.unchanged == 2

    known = later.ledger.fingerprints(later.group)
    looks = list(walk(lister(later.root, now_ns=ahead(later), known=known)))

    assert set(known) == {"e1"}
    assert [(look.folder, look.files, look.unchanged) for look in looks] == [
        ("", (), 0),
        ("e1", (), 2),
    ]
    assert tick(later).observation == Observation(seen=2, unchanged=2)


def rewritten(folder: Path) -> None:
    at = (folder / "a.csv").stat()
    (folder / "a.csv").write_bytes(b"z")
    os.utime(folder / "a.csv", ns=(at.st_atime_ns, at.st_mtime_ns + 1))


def replaced(folder: Path) -> None:
    at = (folder / "a.csv").stat()
    (folder / "new").write_bytes(b"z")
    (folder / "new").rename(folder / "a.csv")
    os.utime(folder / "a.csv", ns=(at.st_atime_ns, at.st_mtime_ns))


def joined(folder: Path) -> None:
    (folder / "c.csv").write_bytes(b"z")
    os.utime(folder / "c.csv", (1, 1))


@pytest.mark.parametrize("change", [rewritten, replaced, joined])
def test_a_sweep_sees_what_changed_among_files_that_were_done_with(
    later: LandingPlace, change: Callable[[Path], None]
) -> None:
    later.drop("e1/a.csv", "x")
    later.drop("e1/b.csv", "y")
    later.take_in()
    tick(later)
    assert later.ledger.fingerprints(later.group)
    change(later.root / "e1")
    assert tick(later).observation.pending == 1
    later.store_day()
    tick(later)
    assert tick(later).observation.pending == 0


def test_a_folder_with_a_file_that_may_not_enter_is_always_looked_at(later: LandingPlace) -> None:
    later.drop("e1/a.csv", "x")
    later.drop("e1/..%2fb.csv", "y")
    later.take_in()
    tick(later)
    assert later.ledger.fingerprints(later.group) == {}


def test_a_link_hides_no_change_of_what_it_leads_to(later: LandingPlace) -> None:
    target = later.drop("e1/real/a.csv", "x")
    (later.root / "e1" / "link.csv").symlink_to(target)
    later.take_in()
    tick(later)
    assert set(later.ledger.fingerprints(later.group)) == {"e1/real"}
    later.drop("e1/real/a.csv", "other")
    assert tick(later).observation.pending == 2


def test_files_as_young_as_the_clocks_grain_have_no_fingerprint(later: LandingPlace) -> None:
    later.drop("e1/a.csv", "x")
    later.take_in()
    later.age("e1/a.csv", 1)
    later.take_in()
    tick(later)
    assert later.ledger.fingerprints(later.group) == {}


def ahead(place: LandingPlace) -> int:
    return int(place.clock.now().timestamp()) * 1_000_000_000
