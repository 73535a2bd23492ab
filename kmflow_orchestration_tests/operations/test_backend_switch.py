"""STORAGE_BACKEND changed and changed back: each item stays where it was stored (row B34)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import BackendUnreachable
from kmflow_orchestration.intake.ledger import Item, State
from kmflow_orchestration.operations.delete_evidence import delete_evidence
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.rollback_plan import Files, RollbackPlan, plan_rollback
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration_tests.control_databases import ControlDatabases
from kmflow_orchestration_tests.operations.kills.day_of_work import DayOfWork
from kmflow_orchestration_tests.operations.kills.group_home import (
    ACME,
    START,
    Backend,
    GroupHome,
    StillClock,
)

ANN = caller_of("ann@kmflow.test", ("acme",), Role.ADMIN)
DAY = timedelta(days=1)
FIRST = {"loans_1.csv": "id,amount\n1,10\n", "plan_1.txt": "Buy more.\n"}
# The second file of the table has a wider type: the first must be read again.
SECOND = {"loans_2.csv": "id,amount\n2,20.50\n", "plan_2.txt": "Sell some.\n"}
SWITCHES: list[tuple[Backend, Backend]] = [
    ("databricks", "local"),
    ("local", "databricks"),
    ("databricks", "delta"),
]
# A world is costly: its tests stay together in one worker.
pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("backend_switch")]


@dataclass
class SwitchedWorld:
    """One group, and its process as it is with this STORAGE_BACKEND or that."""

    home: GroupHome
    days: dict[Backend, DayOfWork]
    engagement: str = ""
    now: datetime = START

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def next_engagement(self) -> None:
        """Another engagement on other days: what was done before is not done again."""
        number = next(self._numbers)
        self.engagement, self.now = f"e{number}", START + number * 10 * DAY

    def on(self, backend: Backend, at: datetime | None = None) -> DayOfWork:
        """A process with this STORAGE_BACKEND."""
        return _at(self.days[backend], at or self.now)

    @contextmanager
    def anew(self, backend: Backend, at: datetime | None = None) -> Iterator[DayOfWork]:
        """Such a process that has just been started, and knows of no credentials yet."""
        with replace(self.home, backend=backend).opened(at or self.now) as day:
            yield day

    def drop(self, files: dict[str, str]) -> None:
        self.home.drop({f"{self.engagement}/{name}": text for name, text in files.items()})

    def take(self, day: DayOfWork, files: dict[str, str]) -> None:
        """Drop files and do the whole day's work."""
        self.drop(files)
        day.work()

    def items(self) -> dict[str, Item]:
        found = self.days["local"].context.register.items(
            ACME, engagement=self.engagement, limit=100
        )
        return {item.file_name: item for item in found}

    def amounts(self, day: DayOfWork, name: str = "loans") -> list[float]:
        table = day.group.config.namespace.bronze(f"{self.engagement}__{name}")
        found = day.group.lakehouse.query(f"SELECT amount FROM {table.sql}")
        return sorted(float(one) for one in found.column(0).to_pylist())

    def found(self, day: DayOfWork) -> dict[str, list[str]]:
        """What every table says of the engagement's files, without ids, times and places."""
        kept = ("file_name", "content", "content_hash", "size_bytes", "id", "amount", "status")
        return {
            name.rpartition(".")[2].removeprefix(f"{self.engagement}__"): sorted(
                repr({key: row[key] for key in kept if key in row and len(str(row[key])) != 36})
                for row in rows
                if row["engagement_id"] == self.engagement
            )
            for name, rows in day.tables().items()
            # The delta store's own list of its files is no table of the pipeline's.
            if any(row["engagement_id"] == self.engagement for row in rows)
            and not name.endswith(".evidence_files")
        }

    @contextmanager
    def without_credentials(self) -> Iterator[None]:
        """The workspace is there, the token is not."""
        with _away(self.home.root / "token"):
            yield

    @contextmanager
    def without_local_files(self) -> Iterator[None]:
        with _away(self.home.root / "evidence_store"):
            yield


def _at(day: DayOfWork, now: datetime) -> DayOfWork:
    clock = day.context.clock
    assert isinstance(clock, StillClock)
    clock.stand_at(now)
    return day


@contextmanager
def _away(path: Path) -> Iterator[None]:
    aside = path.with_name(f"{path.name}.away")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[SwitchedWorld]:
    root = tmp_path_factory.mktemp("switched") / "home"
    home = GroupHome(root, "databricks", control_databases.new(root.with_name("control.db")))
    home.make()
    with home.served(), ExitStack() as opened:
        backends: tuple[Backend, ...] = ("local", "delta", "databricks")
        days = {one: opened.enter_context(replace(home, backend=one).opened()) for one in backends}
        own = days["local"].group
        provision(own.config, own.lakehouse, None, MEDALLION_TABLES)
        yield SwitchedWorld(home, days)


@pytest.fixture
def world(shared: SwitchedWorld, unswitched: object) -> SwitchedWorld:
    shared.next_engagement()
    return shared


@pytest.fixture(scope="module")
def unswitched(shared: SwitchedWorld) -> dict[str, list[str]]:
    """What the tables say where STORAGE_BACKEND never changed."""
    shared.next_engagement()
    shared.take(shared.on("local"), FIRST)
    shared.take(shared.on("local", shared.now + DAY), SECOND)
    return shared.found(shared.on("local"))


@pytest.mark.parametrize(("before", "after"), SWITCHES)
def test_a_switch_leaves_the_tables_as_they_would_be_without_it(
    world: SwitchedWorld, before: Backend, after: Backend, unswitched: dict[str, list[str]]
) -> None:
    world.take(world.on(before), FIRST)
    world.take(world.on(after, world.now + DAY), SECOND)
    assert world.amounts(world.on(after)) == [10.0, 20.5]
    world.on(after).publish()  # the day before the switch, for the tables of the new place
    switched = world.found(world.on(after))
    backends = {name: item.backend for name, item in world.items().items()}
    stores = world.on(after).group.stores

    assert backends == {**dict.fromkeys(FIRST, before), **dict.fromkeys(SECOND, after)}
    for item in world.items().values():
        assert stores.of(item.backend).exists(item.stored_path)
    assert switched == unswitched
    assert {"loans", "bronze_evidence_raw", "silver_evidence_fragments"} <= switched.keys()


def test_a_copy_that_comes_after_a_switch_is_where_its_original_is(world: SwitchedWorld) -> None:
    world.take(world.on("databricks"), {"loans.csv": FIRST["loans_1.csv"]})
    world.take(world.on("local", world.now + DAY), {"copy.csv": FIRST["loans_1.csv"]})

    items = world.items()
    assert items["copy.csv"].backend == "databricks"
    assert items["copy.csv"].stored_path == items["loans.csv"].stored_path

    # The original is replaced: the copy stands in for it, and is read from there.
    world.take(world.on("local", world.now + 2 * DAY), {"loans.csv": SECOND["loans_2.csv"]})
    assert world.items()["copy.csv"].state is State.PUBLISHED
    assert world.amounts(world.on("local"), "copy") == [10.0]


def test_a_backend_without_credentials_costs_its_own_items_alone_until_they_return(
    world: SwitchedWorld,
) -> None:
    world.take(world.on("databricks"), FIRST)
    late = {"late.csv": "id,amount\n9,90\n", "late.txt": "Too late.\n"}
    world.drop(late)
    world.on("databricks").take_in()  # and no further before the switch
    world.drop({"rates.csv": "id,amount\n7,70\n", "memo.txt": "Wait.\n"})
    world.on("local").take_in()
    with world.without_credentials():
        with world.anew("local", world.now + DAY) as day:
            # New files go on, in a table of the file that is away too.
            world.take(day, SECOND)
            assert world.amounts(day) == [20.5]
        with world.anew("local") as day:
            for step in (day.datasets, day.fragments):
                with pytest.raises(BackendUnreachable, match="unreachable: backend databricks"):
                    step()
            assert world.amounts(day, "rates") == [70.0]
            found = world.found(day)
            assert any("Wait." in row for row in found["silver_evidence_fragments"])
            assert not any("Too late." in row for row in found["silver_evidence_fragments"])
            states = {name: item.state for name, item in world.items().items()}
            assert {states[name] for name in late} == {State.STORED}
            assert (states["loans_1.csv"], states["rates.csv"]) == (
                State.PUBLISHED,
                State.CONVERTED,
            )
            logged = [row for row in found["bronze_ingestion_log"] if "failed" in row]
            assert len(logged) == len(late)
            due = day.context.ledger.due_days(ACME)
            assert [one.unfinished for one in due if one.day == day.today] == [True]

    with world.anew("local") as day:
        day.publish()  # what was left
        day.publish()  # the whole day once more, for the tables of the new place
        assert world.amounts(day) == [10.0, 20.5]
        assert world.amounts(day, "late") == [90.0]
        assert day.today not in {one.day for one in day.context.ledger.due_days(ACME)}
        found = world.found(day)
        for text in ("Buy more.", "Too late.", "Wait."):
            assert any(text in row for row in found["silver_evidence_fragments"])
        assert not any("failed" in row for row in found["bronze_ingestion_log"])


def test_a_table_never_loses_rows_whose_files_are_out_of_reach(world: SwitchedWorld) -> None:
    world.take(world.on("local"), {"loans_1.csv": FIRST["loans_1.csv"]})
    after = world.on("delta", world.now + DAY)
    world.drop({"loans_2.csv": "id,amount\n2,unknown\n", "rates.csv": "id,amount\n7,70\n"})
    after.take_in()
    after.bronze()

    with (
        world.without_local_files(),
        pytest.raises(BackendUnreachable, match="unreachable: backend local"),
    ):
        after.datasets()
    assert world.amounts(after) == [10.0]
    assert world.amounts(after, "rates") == [70.0]

    after.datasets()
    table = after.group.config.namespace.bronze(f"{world.engagement}__loans")
    found = after.group.lakehouse.query(f"SELECT amount FROM {table.sql}").column(0)
    assert sorted(found.to_pylist()) == ["10", "unknown"]


def test_a_deletion_removes_the_file_where_it_was_stored(world: SwitchedWorld) -> None:
    world.take(world.on("databricks"), {"loans.csv": FIRST["loans_1.csv"]})
    item = world.items()["loans.csv"]
    local = world.on("local", world.now + DAY)

    with world.without_credentials(), world.anew("local") as day:
        with pytest.raises(BackendUnreachable):
            delete_evidence(ACME, item.item_id, caller=ANN, **day.group.deleting())
        assert world.items()["loans.csv"].state is State.PUBLISHED
    deleted = delete_evidence(ACME, item.item_id, caller=ANN, **local.group.deleting())

    assert deleted.removed_file
    assert not local.group.stores.of("databricks").exists(item.stored_path)
    assert world.items()["loans.csv"].state is State.DELETED


def planned(day: DayOfWork) -> RollbackPlan:
    return plan_rollback(ACME, caller=ANN, limit=1000, **day.group.planning_rollback())


def names(world: SwitchedWorld, files: Files) -> set[str]:
    """Of the present test's engagement."""
    return {one.file_name for one in files.shown if one.engagement_id == world.engagement}


def test_the_plan_names_what_lies_on_databricks_alone_and_the_command_for_it(
    world: SwitchedWorld,
) -> None:
    world.take(world.on("databricks"), FIRST)
    world.take(world.on("local", world.now + DAY), SECOND)
    local = world.on("local")

    plan = planned(local)
    assert plan.is_readable
    assert names(world, plan.since_switch) == set(FIRST)
    assert plan.since_switch.first_stored_at is not None
    words = shlex.split(plan.command)
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[:3] == ["kmflow", "migrate", "from-databricks"]
    assert options == {
        "--group": "acme",
        "--catalog": "acme",
        "--schema": "main",
        "--volume": "raw_evidence",
        "--target-dir": str(world.home.root / "evidence_store" / "acme"),
        "--since": plan.since_switch.first_stored_at.isoformat(timespec="microseconds"),
    }

    # A file that lies on this machine as well is not one that has to be brought.
    item = world.items()["plan_1.txt"]
    content = local.group.stores.of("databricks").read(item.stored_path)
    folder = world.home.root / "evidence_store" / "acme"
    copy = folder / item.stored_path.partition("/raw_evidence/")[2]
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(content)
    assert names(world, planned(local).since_switch) == {"loans_1.csv"}


def test_the_plan_says_what_cannot_be_read_from_here(world: SwitchedWorld) -> None:
    world.take(world.on("databricks"), FIRST)
    world.take(world.on("local", world.now + DAY), SECOND)

    with world.without_credentials(), world.anew("local") as day:
        plan = planned(day)
    assert not plan.is_readable
    assert names(world, plan.unreadable) == set(FIRST)
    assert {one.use.backend: one.probe.is_up for one in plan.backends}["local"]
    assert plan.command

    with world.without_local_files():
        plan = planned(world.on("databricks"))
    assert names(world, plan.unreadable) == set(SECOND)
    assert "not there" in {one.use.backend: one.probe.problem for one in plan.backends}["local"]
