"""Groups take turns (design AD6)."""

from __future__ import annotations

from kmflow_orchestration.sensors.fairness import in_turns


def test_a_busy_group_delays_another_by_at_most_one_request():
    waiting = {"acme": list(range(100)), "globex": ["only"]}

    assert in_turns(waiting, 20)[:3] == [0, "only", 1]


def test_no_more_requests_than_the_limit():
    assert len(in_turns({"acme": list(range(100))}, 20)) == 20


def test_nothing_waiting_gives_nothing():
    assert in_turns({}, 20) == []
