"""STORAGE_MIRROR: new files are stored twice, and the second place never stops the first (B34)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.errors import BackendUnreachable, ConfigurationError
from kmflow_orchestration.intake.ledger import Item, State
from kmflow_orchestration.metadata.mirror_files import MirrorUse
from kmflow_orchestration.operations.delete_evidence import delete_evidence
from kmflow_orchestration.operations.download_evidence import open_download
from kmflow_orchestration.operations.mirror_outbox import MirrorDelivery, deliver_mirror
from kmflow_orchestration.operations.mirrored_files import mirrored_file
from kmflow_orchestration.operations.provision import provision
from kmflow_orchestration.operations.rollback_plan import plan_rollback
from kmflow_orchestration.tables.medallion import MEDALLION_TABLES
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.server import EmbeddedWorkspace
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
FILES = {"loans.csv": "id,amount\n1,10\n", "plan.txt": "Buy more.\n"}
both_ways = pytest.mark.parametrize(
    ("backend", "mirror"),
    [
        ("local", "databricks"),
        pytest.param("databricks", "local", marks=pytest.mark.journey),
    ],
)
pytestmark = pytest.mark.xdist_group("mirror")


@dataclass
class MirroredWorld:
    """One group on a workspace and on this machine; each test has an engagement of its own."""

    home: GroupHome
    server: EmbeddedWorkspace
    opened: ExitStack
    engagement: str = ""
    now: datetime = START
    _days: dict[tuple[Backend, str], DayOfWork] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def next_engagement(self) -> None:
        number = next(self._numbers)
        self.engagement, self.now = f"e{number}", START + number * timedelta(days=10)

    def on(self, backend: Backend, mirror: str = "") -> DayOfWork:
        """A process with this STORAGE_BACKEND and STORAGE_MIRROR."""
        if (backend, mirror) not in self._days:
            settings = load_settings(
                home=self.home.root,
                storage_backend=backend,
                storage_mirror=mirror,
                quiet_period_s=0,
                database_url=self.home.database_url,
            )
            context = self.opened.enter_context(Context(settings, clock=StillClock(self.now)))
            self._days[backend, mirror] = DayOfWork(context, context.group(ACME))
        day = self._days[backend, mirror]
        clock = day.context.clock
        assert isinstance(clock, StillClock)
        clock.stand_at(self.now)
        return day

    def drop(self, files: dict[str, str]) -> None:
        self.home.drop({f"{self.engagement}/{name}": text for name, text in files.items()})

    def deliver(self, day: DayOfWork) -> MirrorDelivery:
        return deliver_mirror(ACME, **day.group.mirroring())

    def owed(self, mirror: str) -> MirrorUse:
        """What the mirror has of the group and is owed, since its begin."""
        uses = self.on("local").context.register.mirrors.uses(ACME)
        return next(use for use in uses if use.backend == mirror)

    def items(self) -> dict[str, Item]:
        register = self.on("local").context.register
        return {
            item.file_name: item
            for item in register.items(ACME, engagement=self.engagement, limit=100)
        }

    def copies(self, mirror: Backend) -> dict[str, str]:
        """What the mirror's store holds of the engagement, by the item whose path it is."""
        store = self.on(mirror).group.store
        paths = {store.path_of(mirrored_file(item)): name for name, item in self.items().items()}
        found = store.list_files(self.engagement)
        return {paths[path]: store.read(path).decode() for path in found}

    def rows(self, backend: Backend) -> list[str]:
        """Names in the metadata table that lies with a backend."""
        group = self.on(backend).group
        table = group.config.namespace.base("evidence_metadata").sql
        found = group.lakehouse.query(
            f"SELECT file_name FROM {table} WHERE engagement_id = '{self.engagement}'"
            " ORDER BY file_name"
        )
        return [str(one) for one in found["file_name"].to_pylist()]

    @contextmanager
    def away(self, mirror: Backend) -> Iterator[None]:
        """The place takes nothing in."""
        if mirror == "local":
            place = self.home.root / "evidence_store" / ACME / "evidence_store" / self.engagement
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("a file where a folder should be")
            yield
            place.unlink()
            return
        fault = Fault("fail_times", "PUT", "/api/2.0/fs/files/*", status=403, times=1000)
        number = self.server.faults.add(replace(fault, error_code="PERMISSION_DENIED"))
        yield
        self.server.faults.remove(number)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, control_databases: ControlDatabases
) -> Iterator[MirroredWorld]:
    root = tmp_path_factory.mktemp("mirrored") / "home"
    home = GroupHome(root, "databricks", control_databases.new(root.with_name("control.db")))
    home.make()
    with home.served() as server, ExitStack() as opened:
        assert server is not None
        world = MirroredWorld(home, server, opened)
        own = world.on("local").group
        provision(own.config, own.lakehouse, None, MEDALLION_TABLES)
        yield world


@pytest.fixture
def world(shared: MirroredWorld) -> MirroredWorld:
    shared.next_engagement()
    return shared


@both_ways
def test_a_new_file_and_its_row_come_to_the_mirror_once(
    world: MirroredWorld, backend: Backend, mirror: Backend
) -> None:
    day = world.on(backend, mirror)
    world.drop(FILES | {"copy.csv": FILES["loans.csv"]})
    day.take_in()
    assert world.copies(mirror) == {}

    delivered = world.deliver(day)

    assert (delivered.delivered, delivered.problem) == (3, "")
    # A duplicate has a row, and no bytes of its own.
    assert sorted(world.copies(mirror).values()) == sorted(FILES.values())
    assert world.rows(mirror) == ["copy.csv", "loans.csv", "plan.txt"]
    assert {item.backend for item in world.items().values()} == {backend}
    assert world.owed(mirror).owed == 0
    assert world.deliver(day) == MirrorDelivery(mirror, 0)
    day.take_in()
    assert world.rows(mirror) == ["copy.csv", "loans.csv", "plan.txt"]


@both_ways
def test_a_mirror_that_fails_stops_nothing_is_owed_told_and_paid_by_a_later_run(
    world: MirroredWorld, backend: Backend, mirror: Backend
) -> None:
    day = world.on(backend, mirror)
    world.drop(FILES)
    with world.away(mirror):
        day.take_in()
        failed = world.deliver(day)

    assert failed.delivered == 0
    assert failed.problem.startswith("[KM-")
    assert {item.state for item in world.items().values()} == {State.STORED}
    use = world.owed(mirror)
    assert (use.owed, use.problem) == (len(FILES), failed.problem)
    told = plan_rollback(ACME, caller=ANN, **day.group.planning_rollback())
    assert use in told.mirrors
    assert day.context.health(ACME, ANN).storage.mirror_owed == len(FILES)
    world.drop({"late.csv": "id\n7\n"})
    day.take_in()

    assert world.deliver(day) == MirrorDelivery(mirror, 3)
    assert sorted(world.copies(mirror)) == ["late.csv", "loans.csv", "plan.txt"]
    assert world.rows(mirror) == ["late.csv", "loans.csv", "plan.txt"]
    assert world.owed(mirror).owed == 0


@both_ways
def test_what_is_deleted_goes_from_the_mirror_too(
    world: MirroredWorld, backend: Backend, mirror: Backend
) -> None:
    day = world.on(backend, mirror)
    world.drop(FILES | {"copy.csv": FILES["loans.csv"]})
    day.take_in()
    world.deliver(day)
    items = world.items()

    def delete(name: str) -> None:
        delete_evidence(ACME, items[name].item_id, caller=ANN, **day.group.deleting())

    delete("plan.txt")
    assert list(world.copies(mirror).values()) == [FILES["loans.csv"]]
    delete("copy.csv")  # whose bytes are the original's as well
    assert list(world.copies(mirror).values()) == [FILES["loans.csv"]]
    delete("loans.csv")
    assert world.copies(mirror) == {}
    # Rows in tables that this process does not work on go with the next delivery.
    assert world.deliver(day) == MirrorDelivery(mirror, 0)
    assert world.rows(mirror) == []


@pytest.mark.parametrize("is_delivered_first", [False, True])
def test_a_deletion_is_not_over_while_the_copy_cannot_be_removed(
    world: MirroredWorld, is_delivered_first: bool
) -> None:
    day = world.on("local", "databricks")
    world.drop({"loans.csv": FILES["loans.csv"]})
    day.take_in()
    world.deliver(day)
    item = world.items()["loans.csv"]
    refused = Fault("fail_times", "DELETE", "/api/2.0/fs/files/*", status=403, times=1000)
    number = world.server.faults.add(replace(refused, error_code="PERMISSION_DENIED"))

    with pytest.raises(BackendUnreachable, match="unreachable: backend databricks"):
        delete_evidence(ACME, item.item_id, caller=ANN, **day.group.deleting())

    assert world.items()["loans.csv"].state is State.DELETING
    assert "KM-" in world.deliver(day).problem
    world.server.faults.remove(number)
    if is_delivered_first:
        # Whatever is brought next takes away what should be gone.
        assert world.deliver(day) == MirrorDelivery("databricks", 0)
        assert world.copies("databricks") == {}
    delete_evidence(ACME, item.item_id, caller=ANN, **day.group.deleting())
    assert world.items()["loans.csv"].state is State.DELETED
    assert world.copies("databricks") == {}


def test_nothing_is_owed_of_a_deleted_item_whose_bytes_are_anothers(world: MirroredWorld) -> None:
    day = world.on("local", "databricks")
    world.drop({"a.csv": FILES["loans.csv"], "b.csv": FILES["loans.csv"]})
    day.take_in()
    first = world.items()["a.csv"]
    delete_evidence(ACME, first.item_id, caller=ANN, **day.group.deleting())

    assert world.deliver(day).problem == ""

    assert world.owed("databricks").owed == 0
    assert list(world.copies("databricks").values()) == [FILES["loans.csv"]]


@both_ways
def test_after_a_switch_to_the_mirror_nothing_of_the_window_needs_the_old_place(
    world: MirroredWorld, backend: Backend, mirror: Backend
) -> None:
    day = world.on(backend, mirror)
    world.drop(FILES)
    day.take_in()
    world.deliver(day)
    switched = world.on(mirror)
    old = {world.home.root / "token"} if backend == "databricks" else set()
    old |= {world.home.root / "evidence_store"} if backend == "local" else set()

    with _renamed(old):
        plan = plan_rollback(ACME, caller=ANN, **switched.group.planning_rollback())
        unreadable = {
            one.file_name for one in plan.unreadable.shown if one.engagement_id == world.engagement
        }
        assert unreadable == set()
        switched.publish()
        table = switched.group.config.namespace.bronze(f"{world.engagement}__loans")
        found = switched.group.lakehouse.query(f"SELECT amount FROM {table.sql}")
        assert [float(one) for one in found["amount"].to_pylist()] == [10.0]
        for name, item in world.items().items():
            arguments = switched.group.downloading()
            download = open_download(ACME, item.item_id, caller=ANN, **arguments)
            assert b"".join(download.chunks()).decode() == FILES[name]
            assert read_from(switched) == mirror
    assert [item.backend for item in world.items().values()] == [backend] * 2
    assert world.rows(mirror) == sorted(FILES)


def read_from(day: DayOfWork) -> object:
    """The backend of the newest download, as the audit trail names it."""
    (newest,) = day.context.config_audit.entries(ACME, limit=1)
    assert newest.deed.after is not None
    return newest.deed.after["backend"]


@contextmanager
def _renamed(paths: set[Path]) -> Iterator[None]:
    aside = {path: path.with_name(f"{path.name}.away") for path in paths}
    for path, other in aside.items():
        path.rename(other)
    try:
        yield
    finally:
        for path, other in aside.items():
            other.rename(path)


def test_a_mirror_is_another_place_than_the_store() -> None:
    with pytest.raises(ConfigurationError, match=r"STORAGE_MIRROR: .*another backend"):
        load_settings(storage_backend="local", storage_mirror="local")
