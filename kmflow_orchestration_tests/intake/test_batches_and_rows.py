"""What tables hold after any history of drops, failures and replays (design AD3).

The tables are lists of (batch, item) here, written as the data plane writes them: rows of the
batch and of what it replaces go, rows of its present items come.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.intake.ledger import Batch, Step
from kmflow_orchestration.names import GroupId
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace

PATHS = ("e1/a.csv", "e1/b.csv", "e1/old/a.csv", "e2/a.csv")
drops = st.tuples(st.just("drop"), st.sampled_from(PATHS), st.sampled_from("uvw"))
other_steps = st.tuples(
    st.sampled_from(["store", "store and fail", "next day", "write", "replay"]),
    st.sampled_from(PATHS),
    st.just(""),
)
histories = st.lists(drops | other_steps, min_size=3, max_size=14)

# An original leaves its path and comes back at another, as the duplicate of its own duplicate.
DEMOTED = [
    ("drop", "e1/a.csv", "v"),
    ("drop", "e1/b.csv", "v"),
    ("store", "e1/a.csv", ""),
    ("drop", "e1/a.csv", "u"),
    ("drop", "e1/old/a.csv", "v"),
    ("write", "e1/a.csv", ""),
]


class History:
    """A landing place, its tables, and what was last dropped where."""

    def __init__(self, home: Path, database_url: str) -> None:
        self.place = LandingPlace(home, FakeClock(), GroupId("acme"), database_url)
        self.days = [self.place.today]
        self.bronze: list[tuple[str, str]] = []
        self.datasets: list[tuple[str, str]] = []
        self.dropped: dict[str, str] = {}

    def happen(self, what: str, path: str, content: str) -> None:
        if what == "drop":
            self.place.drop(path, content)
            self.dropped[path] = content
        elif what == "next day":
            self.place.clock.advance(86_400)
            self.days.append(self.place.today)
        elif what == "store":
            self.store()
        elif what == "store and fail":
            name = path.rpartition("/")[2]
            self.place.store.failing[name] = StorageUnavailable("503")
            self.store()
            self.place.store.failing.clear()
        else:
            self.write(replay=what == "replay")

    def store(self) -> None:
        self.place.look()
        for due in self.place.ledger.due_days(self.place.group):
            self.place.store_day(day=due.day)

    def write(self, *, replay: bool = False) -> None:
        ledger, group = self.place.ledger, self.place.group
        for day in self.days:
            for step, table in ((Step.BRONZE, self.bronze), (Step.DATASETS, self.datasets)):
                batches = ledger.batches(group, day, step)
                if not replay:
                    batches = [batch for batch in batches if not batch.is_finished(step)]
                for batch in batches:
                    self.write_one(batch, step, table)
                    ledger.finish_step(group, batch.batch_id, step)

    def write_one(self, batch: Batch, step: Step, table: list[tuple[str, str]]) -> None:
        items = self.place.ledger.items(self.place.group, batch.batch_id)
        gone: Sequence[str] = batch.moved_item_ids
        if step is Step.DATASETS:
            items = [item for item in items if item.is_live]
            gone = batch.replaced_item_ids
        table[:] = [row for row in table if row[0] != batch.batch_id and row[1] not in gone]
        table += [(batch.batch_id, item.item_id) for item in items]


# More are worth running by hand after a change: 120 take about a minute.
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories)
@example(history=DEMOTED)
def test_tables_hold_each_live_item_once_after_any_history(
    history: list[tuple[str, str, str]], control_databases: ControlDatabases
) -> None:
    with tempfile.TemporaryDirectory() as home, control_databases.of_a_test():
        world = History(Path(home), control_databases.new(Path(home) / "control.db"))
        for event in history:
            world.happen(*event)
        world.place.clock.advance(7200)
        world.store()
        world.write()

        items = world.place.all_items(world.days)
        live = {(item.batch_id, item.item_id) for item in items if item.is_live}
        assert sorted(world.datasets) == sorted(live)
        assert sorted(world.bronze) == sorted((item.batch_id, item.item_id) for item in items)
        contents = {(path.partition("/")[0], text) for path, text in world.dropped.items()}
        assert len(live) == len(contents)

        tables = sorted(world.datasets), sorted(world.bronze)
        world.write(replay=True)
        assert (sorted(world.datasets), sorted(world.bronze)) == tables
