"""A directory of a Volume as a landing place: sensor, run, ledger, store, over HTTP (row B11)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.errors import ConfigurationError, QuarantinedFile, UnsafePath
from kmflow_orchestration.intake.arrivals import SweepCursor, look
from kmflow_orchestration.intake.landing import walk
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.intake.reading import KEPT_BYTES
from kmflow_orchestration.intake.volume_landing import VolumeLanding
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.metadata.intake_records import LIVE, State
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.explain_file import FileStory, explain_file
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration.partitions.keys import day_key
from kmflow_orchestration.resources.asset_keys import EVIDENCE_FILES
from kmflow_orchestration.service.why_page import story_parts
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration.workspace.volume_paths import READ, volume_place
from kmflow_orchestration_tests.control_databases import NewDatabase, engine_of
from kmflow_orchestration_tests.dagster_skins.sensor_world import SensorWorld, skip_text
from kmflow_orchestration_tests.embedded import Room, embedded_server, room
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.processes import in_child

__all__ = ["embedded_server", "room"]

ACME = GroupId("acme")
LANDING = "/Volumes/acme/main/evidence/landing"
LARGE = b"id,name\n" + b"1,x\n" * (KEPT_BYTES // 2)
VIEWER = caller_of("ann@kmflow.test", ("acme",), Role.VIEWER)
COUNTED = ("stored", "duplicates", "superseded", "quarantined", "failed")
LISTINGS, DOWNLOADS = "/api/2.0/fs/directories/*", "/api/2.0/fs/files/*"


class VolumeWorld:
    """Group acme, which takes its evidence from a directory of its own Volume."""

    def __init__(self, world: SensorWorld, room: Room) -> None:
        self.world, self.room = world, room
        self.acme = room.group("acme")
        self.client = self.acme.client()
        self.client.files.create_directory(LANDING)
        self.add("acme", LANDING)

    def add(self, group: str, landing: str, **settings: Any) -> None:
        self.world.add_group(
            group,
            evidence_volume="evidence",
            workspace_url=self.room.url,
            warehouse_id=self.room.server.services.warehouses.default_id(
                self.room.admin.workspace_id
            ),
            token=f"env:{group.upper()}_TOKEN",
            allow_insecure_loopback=True,
            landing_path=landing,
            **settings,
        )

    def drop(self, path: str, content: bytes = b"id\n1\n", *, age_s: float | None = 60) -> None:
        """Upload a file; `age_s` None leaves its time as it is."""
        self.acme.upload(f"landing/{path}", content)
        if age_s is not None:
            moment = self.world.now.timestamp() - age_s
            os.utime(self.on_disk(path), (moment, moment))

    def on_disk(self, path: str) -> Path:
        """Where the workspace keeps a landing file."""
        services = self.room.server.services
        return volume_place(services, self.acme.caller, LANDING, READ).disk / path

    def remove(self, path: str) -> None:
        self.client.files.delete(f"{LANDING}/{path}")

    def tick(self) -> dg.SensorResult:
        # Without a cursor no sweep rests: as if the last tick was long ago.
        self.world.cursors.clear()
        return self.world.tick("evidence_arrival")

    def materialized(self) -> dict[str, Any]:
        """Materialize the day's evidence; counts of what became of its files."""
        result = self.world.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=day_key("acme", self.world.today),
            asset_selection=[EVIDENCE_FILES],
            instance=self.world.instance,
        )
        (event,) = result.asset_materializations_for_node("evidence__evidence_files")
        return counts(lambda name: event.metadata[f"files_{name}"].value)

    def run(self) -> dict[str, Any]:
        """The same without Dagster, one batch."""
        stored = store_batch(ACME, self.world.today, **self.group.storing())
        if stored is None:
            return {}
        found = {**{name: getattr(stored, name) for name in COUNTED}}
        found["duplicates"] = range(stored.duplicates)
        return counts(lambda name: len(found[name]))

    def ticked(self) -> dict[str, Any]:
        """A tick and the run it asks for; None asked for is {}."""
        return self.run() if self.tick().run_requests else {}

    @property
    def group(self) -> Any:
        return self.world.context.group(ACME)

    def stored(self) -> dict[str, bytes]:
        """Content of every live item, by file name."""
        items = self.world.context.register.items(ACME, limit=100)
        live = [one for one in items if one.state in {*LIVE, State.DUPLICATE}]
        return {one.file_name: self.group.store.read(one.stored_path) for one in live}

    def refused(self) -> dict[str, str]:
        return {one.path: one.code for one in self.world.context.ledger.quarantined(ACME)}

    def why(self, path: str) -> FileStory:
        arguments = self.group.explaining()
        (story,) = explain_file("acme", path, caller=VIEWER, **arguments).stories
        return story

    def fault(self, path: str, **how: Any) -> None:
        self.room.server.faults.add(Fault("fail_times", method="GET", path=path, **how))

    def requests(self, path: str) -> int:
        """How many times something was asked for."""
        return int(self.room.server.requests("GET", path).count())


def counts(of: Callable[[str], int]) -> dict[str, int]:
    """What is not none, by its name."""
    return {name: count for name in COUNTED if (count := of(name))}


@pytest.fixture
def opened(
    tmp_path: Path, control_database: NewDatabase, room: Room, monkeypatch: pytest.MonkeyPatch
) -> Iterator[VolumeWorld]:
    monkeypatch.setenv("ACME_TOKEN", room.group("acme").token)
    with SensorWorld(tmp_path / "home", control_database(tmp_path / "control.db")) as world:
        yield VolumeWorld(world, room)


def test_files_of_a_volume_come_in_once_and_a_second_run_writes_nothing(
    opened: VolumeWorld,
) -> None:
    opened.drop("e1/loans.csv", b"id\n1\n")
    opened.drop("e1/deep/er/large.csv", LARGE)
    opened.drop("e1/copy.csv", b"id\n1\n")
    opened.drop("e1/loans.csv.meta.yaml", b"author: Ann\n")
    opened.drop("e1/half.csv.part", b"id\n")
    opened.drop("loose.csv", b"id\n2\n")
    opened.drop("e1/empty.csv", b"")
    opened.drop("e1/tool.csv", b"\x7fELF\x02\x01\x01" + bytes(200))
    opened.on_disk("e1/..\\up.csv").write_bytes(b"id\n3\n")
    opened.on_disk("e1/a\\b").mkdir()

    (request,) = opened.tick().run_requests or []
    found = opened.materialized()

    assert request.partition_key == day_key("acme", opened.world.today)
    assert found == {"stored": 3, "duplicates": 1, "quarantined": 2}
    assert opened.stored() == {
        "loans.csv": b"id\n1\n",
        "copy.csv": b"id\n1\n",
        "large.csv": LARGE,
    }
    assert opened.refused() == {
        "loose.csv": "no_engagement",
        "e1/empty.csv": "empty",
        "e1/tool.csv": "type_not_allowed",
        "e1/..\\up.csv": "path_trick",
        "e1/a\\b/": "path_trick",
    }
    items = {one.file_name: one for one in opened.world.context.register.items(ACME, limit=9)}
    assert items["loans.csv"].side.author == "Ann"
    downloads = opened.requests(DOWNLOADS)

    assert opened.ticked() == {}
    assert opened.requests(DOWNLOADS) == downloads


def test_bytes_may_go_from_volume_to_volume(
    tmp_path: Path, control_database: NewDatabase, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_TOKEN", room.group("acme").token)
    url = control_database(tmp_path / "control.db")
    with SensorWorld(tmp_path / "home", url, storage_backend="databricks") as world:
        opened = VolumeWorld(world, room)
        opened.drop("e1/large.csv", LARGE * 5)
        opened.drop("e1/small.csv", b"id\n1\n")

        assert opened.tick().run_requests
        assert opened.materialized() == {"stored": 2}

        (large,) = [
            one for one in world.context.register.items(ACME, limit=9) if "large" in one.file_name
        ]
        assert large.stored_path.startswith("/Volumes/acme/main/evidence/evidence_store/e1/")
        assert opened.stored() == {"large.csv": LARGE * 5, "small.csv": b"id\n1\n"}
        assert opened.ticked() == {}


def test_new_content_supersedes_and_a_removed_file_changes_nothing(opened: VolumeWorld) -> None:
    opened.drop("e1/a.csv", b"id\n1\n")
    opened.drop("e1/b.csv", b"id\n2\n")
    opened.ticked()
    opened.drop("e1/a.csv", b"id\n9\n", age_s=30)
    opened.remove("e1/b.csv")

    assert opened.ticked() == {"stored": 1, "superseded": 1}

    assert opened.stored()["a.csv"] == b"id\n9\n"
    assert [one.decision for one in opened.why("e1/a.csv").steps] == [
        *("seen", "new", "changed", "superseded", "new"),
    ]
    assert opened.why("e1/b.csv").outlook.verdict == "missing"


def test_the_page_does_not_tell_where_the_landing_place_is(opened: VolumeWorld) -> None:
    arguments = opened.group.explaining()
    found = explain_file("acme", "e1/never.csv", caller=VIEWER, **arguments)
    assert LANDING in found.stories[0].outlook.reason

    shown = "".join(map(str, story_parts(found, landing=arguments["landing"].place)))

    assert "e1/never.csv" in shown
    assert "/Volumes" not in shown


def test_a_volume_has_no_inventory_of_a_folder(opened: VolumeWorld) -> None:
    with pytest.raises(ConfigurationError, match="the landing place is a Volume"):
        opened.group.taking_inventory()


def test_a_file_that_goes_or_changes_before_it_is_read_is_told_and_neighbours_come_in(
    opened: VolumeWorld,
) -> None:
    for name in ("a.csv", "gone.csv", "grown.csv", "same_size.csv"):
        opened.drop(f"e1/{name}", f"id\n{name}\n".encode())
    opened.tick()
    opened.remove("e1/gone.csv")
    opened.drop("e1/grown.csv", b"id\n1\n2\n3\n", age_s=10)
    opened.drop("e1/same_size.csv", b"id\nSAME_SIZE.csv\n", age_s=10)

    assert opened.run() == {"stored": 1, "quarantined": 1}

    assert opened.refused() == {"e1/gone.csv": "vanished"}
    assert opened.why("e1/gone.csv").steps[-1].message == f"{LANDING}/e1/gone.csv is gone"
    assert opened.why("e1/grown.csv").state == "waiting"
    assert opened.ticked() == {"stored": 2}
    assert opened.stored()["same_size.csv"] == b"id\nSAME_SIZE.csv\n"


def test_a_file_replaced_while_a_broken_download_is_taken_up_again_is_not_mixed(
    opened: VolumeWorld,
) -> None:
    opened.drop("e1/large.csv", LARGE)
    opened.tick()
    place = opened.group.landing()
    file_path = place.directory.joined("e1", "large.csv")
    opened.room.server.faults.add(
        Fault("cut_body", method="GET", path=DOWNLOADS, keep_bytes=KEPT_BYTES)
    )
    files = VolumeFiles(opened.world.context.clients.get(opened.group.config))

    with files.open_read(file_path) as stream:
        stream.read(1000)
        opened.drop("e1/large.csv", LARGE.replace(b"x", b"y"), age_s=10)
        with pytest.raises(QuarantinedFile, match="changed while"):
            stream.read()


def test_a_workspace_that_is_away_for_a_tick_loses_nothing(opened: VolumeWorld) -> None:
    opened.drop("e1/a.csv")
    opened.fault("*", times=1000)

    away = opened.tick()

    assert not away.run_requests
    assert "acme: landing not read" in skip_text(away)
    opened.room.server.faults.clear()
    assert opened.ticked() == {"stored": 1}


def test_permission_lost_in_the_middle_of_a_look_is_told_and_taken_up_again(
    opened: VolumeWorld,
) -> None:
    opened.drop("e1/a.csv")
    opened.drop("e2/b.csv", b"id\n2\n")
    opened.fault(f"{LISTINGS[:-1]}*e2", times=9, status=403, error_code="PERMISSION_DENIED")

    told = skip_text(opened.tick())

    assert "acme: landing not read" in told
    opened.room.server.faults.clear()
    assert opened.ticked() == {"stored": 2}


def test_permission_lost_before_a_file_is_read_leaves_it_for_another_try(
    opened: VolumeWorld,
) -> None:
    opened.drop("e1/a.csv")
    opened.drop("e1/b.csv", b"id\n2\n")
    opened.tick()
    opened.fault(f"{DOWNLOADS[:-1]}*b.csv", times=9, status=403, error_code="PERMISSION_DENIED")

    assert opened.run() == {"stored": 1, "failed": 1}

    (failed,) = opened.world.context.ledger.summary(ACME).failed
    assert failed.path == "e1/b.csv"
    assert opened.why("e1/b.csv").state == "failed"
    opened.room.server.faults.clear()
    assert opened.ticked() == {"stored": 1}


def test_a_workspace_that_is_away_while_files_are_read_is_not_asked_for_every_one(
    opened: VolumeWorld,
) -> None:
    for number in range(52):
        opened.drop(f"e1/{number}.csv", str(number).encode())
    opened.tick()
    opened.fault(DOWNLOADS, times=1000, status=403, error_code="PERMISSION_DENIED")
    before = opened.requests(DOWNLOADS)

    assert opened.run() == {"failed": 52}

    assert opened.requests(DOWNLOADS) - before < 52
    opened.room.server.faults.clear()
    assert opened.ticked() == {"stored": 52}


def test_a_page_of_a_listing_that_ran_out_is_asked_for_anew(opened: VolumeWorld) -> None:
    for number in range(5):
        opened.drop(f"e1/{number}.csv", str(number).encode())
    files = VolumeFiles(opened.world.context.clients.get(opened.group.config), page_size=2)
    place = VolumeLanding(opened.group.config.landing_volume, files, scratch=Path)
    how = {"status": 400, "error_code": "INVALID_PARAMETER_VALUE", "message": "page token"}
    opened.fault(f"{LISTINGS[:-1]}*e1", after=1, **how)

    found = {file.path for one in walk(place.lister(0)) for file in one.files}

    assert found == {f"e1/{number}.csv" for number in range(5)}
    assert opened.room.server.faults.pending() == {}


def killed_after_one_file(overrides: dict[str, str], token: str, day: date) -> None:
    """A run in a process of its own, killed as soon as one file is stored."""

    def die(stage: str, done: int) -> None:
        if stage == "stored":
            os.kill(os.getpid(), signal.SIGKILL)

    os.environ["ACME_TOKEN"] = token
    with Context(load_settings(**overrides)) as context:
        store_batch(ACME, day, **context.group(ACME).storing(), on_progress=die)


@pytest.mark.journey
def test_a_run_that_was_killed_is_gone_on_with(opened: VolumeWorld) -> None:
    for number in range(3):
        opened.drop(f"e1/{number}.csv", str(number).encode())
    opened.tick()
    world = opened.world

    ended = in_child(killed_after_one_file, world.overrides, opened.acme.token, world.today)
    assert ended == -signal.SIGKILL
    assert opened.stored() == {}

    assert opened.ticked() == {"stored": 3}
    assert opened.stored() == {f"{number}.csv": str(number).encode() for number in range(3)}
    assert len(list(world.home.rglob("*_?.csv"))) == 3


def test_the_quiet_period_holds_and_a_folder_that_went_is_forgotten(opened: VolumeWorld) -> None:
    clock = FakeClock(opened.world.now)
    sessions = open_sessions(engine_of(opened.world.overrides["database_url"]))
    ledger = Ledger(sessions, clock, quiet_period_s=300)
    opened.drop("e1/a.csv", age_s=10)
    opened.drop("e2/deep/b.csv", b"id\n2\n", age_s=10)
    opened.drop("e1/old.csv", b"id\n3\n", age_s=3600)

    def seen(cursor: str | None = None) -> tuple[tuple[int, int], str]:
        found = look(ACME, opened.group.landing(), cursor, ledger=ledger, clock=clock)
        return (found.observation.waiting, found.observation.pending), found.cursor

    first, cursor = seen()
    opened.remove("e2/deep/b.csv")
    opened.client.files.delete_directory(f"{LANDING}/e2/deep")
    clock.advance(60)
    second, cursor = seen(cursor)
    clock.advance(600)
    third, _ = seen(cursor)

    assert (first, second, third) == ((2, 1), (1, 1), (0, 2))
    assert ledger.summary(ACME).waiting == 0


def test_a_look_between_sweeps_lists_only_where_something_waits(opened: VolumeWorld) -> None:
    clock = FakeClock(opened.world.now)
    sessions = open_sessions(engine_of(opened.world.overrides["database_url"]))
    ledger = Ledger(sessions, clock, quiet_period_s=300)
    opened.drop("e1/a.csv", age_s=3600)
    opened.drop("e2/b.csv", b"id\n2\n", age_s=10)
    swept = look(ACME, opened.group.landing(), ledger=ledger, clock=clock)
    position = SweepCursor.parse(swept.cursor)
    resting = replace(position, due_at=clock.now().timestamp() + 300).text
    before = {folder: opened.requests(f"*{LANDING}{folder}") for folder in ("", "/e1", "/e2")}

    found = look(ACME, opened.group.landing(), resting, ledger=ledger, clock=clock)

    assert found.observation.waiting == 1
    after = {folder: opened.requests(f"*{LANDING}{folder}") for folder in ("", "/e1", "/e2")}
    assert after == {**before, "/e2": before["/e2"] + 1}


def test_a_file_is_explained_by_its_place_in_the_volume(opened: VolumeWorld) -> None:
    opened.drop("e1/a.csv")
    foretold = opened.why(f"{LANDING}/e1/a.csv")
    opened.ticked()
    told = opened.why("e1/a.csv")

    assert (foretold.was_seen, foretold.outlook.verdict) == (False, "new")
    assert [one.decision for one in told.steps] == ["seen", "new"]
    assert told.outlook.verdict == "same"
    for path in ("/Volumes/acme/main/evidence/evidence_store", "/etc/passwd", "../other/a.csv"):
        with pytest.raises(UnsafePath):
            opened.why(path)
    opened.fault("*", times=1000)
    away = opened.why("e1/a.csv")
    assert (away.outlook.verdict, len(away.steps)) == ("unknown", 2)


def test_another_groups_volume_is_out_of_reach_and_holds_nobody_up(
    opened: VolumeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBEX_TOKEN", opened.room.group("globex").token)
    theirs = opened.room.group("initech").volume
    opened.add("globex", f"{theirs}/landing")
    opened.room.group("initech").upload("landing/e1/secret.csv", b"secret\n1\n")
    opened.drop("e1/a.csv")

    result = opened.tick()

    assert [one.partition_key for one in result.run_requests or []] == [
        day_key("acme", opened.world.today)
    ]
    assert opened.world.context.ledger.summary(GroupId("globex")).pending == 0
    assert opened.world.context.group(GroupId("globex")).landing().directory.catalog == "initech"
