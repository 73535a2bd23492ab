from __future__ import annotations

import pytest

from kmflow_orchestration.databricks_client.waiting import Pace, wait_until
from kmflow_orchestration_tests.fakes import FakeClock


def test_the_first_answer_that_is_not_none_ends_the_wait(clock: FakeClock) -> None:
    answers = iter([None, None, 0])

    assert wait_until(lambda: next(answers), timeout_s=60, clock=clock) == 0
    assert len(clock.slept) == 2


def test_looks_get_rarer_up_to_a_limit(clock: FakeClock) -> None:
    with pytest.raises(TimeoutError):
        wait_until(
            lambda: None, timeout_s=20, clock=clock, pace=Pace(first_s=1, factor=2, longest_s=5)
        )

    assert clock.slept == [1, 2, 4, 5, 5, 3]


def test_it_looks_once_more_when_the_time_is_over(clock: FakeClock) -> None:
    looks = []

    def probe() -> bool | None:
        looks.append(clock.monotonic())
        return True if clock.monotonic() >= 10 else None

    assert wait_until(probe, timeout_s=10, clock=clock) is True
    assert looks[-1] == 10
