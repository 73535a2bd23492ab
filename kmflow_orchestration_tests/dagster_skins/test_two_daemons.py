"""Two daemons that tick at the same moment: each file one batch, each day one request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TypeVar

import pytest

from kmflow_orchestration.errors import LeaseHeld
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import NewDatabase
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld, run_keys

Told = TypeVar("Told")
GROUPS = ("acme", "globex", "initech")
DAEMONS = 2


@pytest.fixture
def url(tmp_path: Path, control_database: NewDatabase) -> str:
    address = control_database(tmp_path / "control.db")
    with SensorWorld(tmp_path, address) as world:
        for group in GROUPS:
            world.add_group(group)
            world.drop(group, "e1/loans.csv", f"id\n{group}\n")
            world.drop(group, "e2/rates.csv", f"r\n{group}\n")
    return address


def at_once(home: Path, url: str, work: Callable[[SensorWorld], Told]) -> list[Told]:
    """What each of two daemons, with connections and an instance of its own, came to."""
    ready = Barrier(DAEMONS)

    def live(_: int) -> Told:
        with SensorWorld(home, url) as world:
            ready.wait()
            return work(world)

    with ThreadPoolExecutor(DAEMONS) as pool:
        return list(pool.map(live, range(DAEMONS)))


def test_two_ticks_never_ask_for_the_same_run(tmp_path: Path, url: str) -> None:
    asked: list[str] = []
    for _ in range(4):
        told = at_once(tmp_path, url, lambda world: run_keys(world.tick("evidence_arrival")))
        asked += [str(key) for keys in told for key in keys]

    assert len(asked) == len(set(asked)) >= 4 * len(GROUPS)
    assert {key.partition(":")[0] for key in asked} == set(GROUPS)


def test_two_ticks_see_every_file_once(tmp_path: Path, url: str) -> None:
    at_once(tmp_path, url, lambda world: world.tick("evidence_arrival"))

    with SensorWorld(tmp_path, url) as world:
        summaries = [world.context.ledger.summary(GroupId(group)) for group in GROUPS]
        engagements = [world.context.ledger.engagements(GroupId(group)) for group in GROUPS]
    assert [one.pending for one in summaries] == [2, 2, 2]
    assert [[one.engagement_id for one in found] for found in engagements] == [["e1", "e2"]] * 3


def test_both_their_runs_store_each_day_as_one_batch(tmp_path: Path, url: str) -> None:
    def run(world: SensorWorld) -> list[int]:
        numbers = []
        world.tick("evidence_arrival")
        for group in GROUPS:
            try:
                stored = world.place(group).store_day()
            except LeaseHeld:
                continue
            numbers += [] if stored is None else [stored.number]
        return numbers

    told = at_once(tmp_path, url, run)

    assert sorted(number for numbers in told for number in numbers) == [1, 1, 1]
    with SensorWorld(tmp_path, url) as world:
        for group in GROUPS:
            place = world.place(group)
            (batch,) = place.ledger.stored_batches(place.group, place.today)
            assert len(place.ledger.items(place.group, batch.batch_id)) == 2
