"""A workspace that answers 429 to everything: waited out as it asks, given up in the end, told."""

from __future__ import annotations

import pytest

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.operations.faults.conftest import Remote

NAMES = ("a.csv", "b.csv", "c.csv")
ATTEMPTS = 5


def storm(remote: Remote, times: int, retry_after_s: int = 7) -> None:
    """Every request is refused, whatever it is."""
    remote.room.server.faults.add(Fault("rate_limit", times=times, retry_after_s=retry_after_s))


@pytest.mark.parametrize("times", [1, 4])
def test_a_storm_that_passes_is_waited_out_as_long_as_it_asks(remote: Remote, times: int) -> None:
    remote.drop(*NAMES)
    storm(remote, times)

    stored = remote.take_in()

    assert (len(stored.stored), stored.failed) == (len(NAMES), ())
    # In short spells, so that nobody who interrupts it waits for long.
    assert sum(remote.place.clock.slept) == pytest.approx(7.0 * times)
    assert remote.sent() == len(NAMES) + times
    assert remote.has_exactly(*NAMES)


def test_a_storm_between_files_and_listing_stores_none_twice(remote: Remote) -> None:
    remote.drop(*NAMES)
    remote.store.after_sent = lambda count: storm(remote, 4) if count == len(NAMES) else None

    assert len(remote.take_in().stored) == len(NAMES)

    assert remote.sent() == len(NAMES)
    assert remote.has_exactly(*NAMES)


def test_a_storm_that_stays_is_given_up_and_told_and_the_next_run_stores_each_file_once(
    remote: Remote,
) -> None:
    remote.drop(*NAMES)
    storm(remote, 10_000, retry_after_s=3600)

    stored = remote.take_in()

    assert {one.landing_path for one in stored.failed} == {f"e1/{name}" for name in NAMES}
    for one in stored.failed:
        assert one.code == StorageUnavailable.code
        assert "Rate limit exceeded; gave up after 5 attempts" in one.message
        assert "try again in 3600 s, as it asks" in one.message
    # Bounded in number and, whatever it asks for, in time.
    assert remote.sent() <= ATTEMPTS * len(NAMES)
    assert sum(remote.place.clock.slept) <= 60.0 * ATTEMPTS * len(NAMES)
    remote.room.server.faults.clear()
    assert remote.has_exactly()
    assert len(remote.take_in().stored) == len(NAMES)
    assert remote.has_exactly(*NAMES)
