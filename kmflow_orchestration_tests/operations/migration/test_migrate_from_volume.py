"""The Volume's files come to a local tree, whole and right or not at all."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.errors import GroupRefused
from kmflow_orchestration.intake.source_tree import walk
from kmflow_orchestration.operations.migrate_from_volume import migrate_from_volume
from kmflow_orchestration.operations.migration_report import Migration
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.local_store import LocalStore
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.fakes import FakeClock
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.migration.world import (
    ACME,
    ANN,
    WRITTEN,
    MigrationWorld,
    own_name,
    sha256,
    tree,
)

pytestmark = pytest.mark.xdist_group("migration")
DAY = WRITTEN.date().isoformat()
GET = "/api/2.0/fs/files/*/evidence_store/*"


class Stored:
    """Three files of one engagement in the Volume, and a folder to fetch them to."""

    def __init__(self, world: MigrationWorld, root: Path) -> None:
        self.world, self.e = world, world.engagement()
        self.source = tree(root / "source", {f"{self.e}/{name}": name for name in "abc"})
        self.targets = {
            file.file_name: file.target for file in world.parts.migrate(self.source).files
        }
        self.target = root / "evidence_store"
        world.forget_requests()

    def fetch(self, **options: object) -> Migration:
        parts = self.world.parts
        known = {
            "caller": ANN,
            "store": parts.store,
            "lakehouse": parts.lakehouse,
            "config": parts.config,
            "moved": parts.moved,
            "clock": parts.clock,
            "engagement": self.e,
        }
        target = options.pop("target", self.target)
        return migrate_from_volume(ACME, target, **{**known, **options})  # type: ignore[arg-type]

    def local(self, name: str) -> Path:
        return self.target / self.e / DAY / own_name(self.e, name, name)

    def fetched(self) -> int:
        return self.world.room.server.requests("GET", GET).count()

    def files(self) -> dict[str, str]:
        found = [path for path in self.target.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.target)): path.read_text() for path in found}


@pytest.fixture
def stored(world: MigrationWorld, tmp_path: Path) -> Stored:
    return Stored(world, tmp_path)


def codes(done: Migration) -> dict[str, str]:
    return {file.path.rpartition("_")[2] or file.path: file.code for file in done.failed}


def test_files_come_as_the_local_store_keeps_them_and_a_repeat_fetches_nothing(
    stored: Stored, clock: FakeClock
) -> None:
    plan = stored.fetch(dry_run=True)
    assert (plan.as_dict()["to_fetch"], stored.target.exists()) == ({"files": 3, "bytes": 3}, False)

    done = stored.fetch()

    assert (done.failed, done.as_dict()["fetched"]) == ((), {"files": 3, "bytes": 3})
    assert stored.files() == {
        f"{stored.e}/{DAY}/{own_name(stored.e, name, name)}": name for name in "abc"
    }
    store = LocalStore(ACME, stored.target.parent, clock=clock)
    listed = store.list_files(stored.e)
    assert sorted(store.read(path).decode() for path in listed) == ["a", "b", "c"]
    assert (stored.fetched(), len(stored.world.stored(stored.e))) == (3, 3)

    stored.world.forget_requests()
    again = stored.fetch()

    assert (again.by_engagement()[stored.e]["present"], stored.fetched()) == (3, 0)


def test_the_way_back_leads_to_the_same_items(stored: Stored) -> None:
    stored.fetch()
    rows = stored.world.rows(stored.e)

    done = stored.world.parts.migrate(stored.target)

    assert {str(file.outcome) for file in done.files} == {"present"}
    assert {file.target for file in done.files} == set(stored.targets.values())
    assert stored.world.rows(stored.e) == rows


def test_only_what_is_missing_is_fetched_again(stored: Stored) -> None:
    stored.fetch()
    stored.local("b").unlink()
    stored.world.forget_requests()

    stored.fetch()

    assert (stored.fetched(), stored.local("b").read_text()) == (1, "b")


def test_a_different_local_file_stays_unless_it_may_be_overwritten(stored: Stored) -> None:
    stored.fetch()
    stored.local("a").write_text("mine")
    stored.local("b").write_text("B")

    refused = stored.fetch()
    assert (codes(refused), stored.fetched()) == ({"a": "exists", "b": "exists"}, 3)
    assert (stored.local("a").read_text(), stored.local("b").read_text()) == ("mine", "B")
    assert codes(stored.fetch(resume=True)) == {"a": "exists"}  # by size alone

    assert stored.fetch(overwrite=True).failed == ()
    assert (stored.local("a").read_text(), stored.local("b").read_text()) == ("a", "b")


def test_bytes_that_are_not_what_the_row_says_are_kept_apart(stored: Stored) -> None:
    files = stored.world.room.admin_client().files
    files.upload(stored.targets["a"], io.BytesIO(b"A"), overwrite=True)
    files.upload(stored.targets["b"], io.BytesIO(b"longer"), overwrite=True)

    done = stored.fetch()

    assert codes(done) == {"a": "corrupt", "b": "corrupt"}
    assert not stored.local("a").exists()
    corrupt = stored.local("a").with_name(stored.local("a").name + ".corrupt")
    assert corrupt.read_text() == "A"

    files.upload(stored.targets["a"], io.BytesIO(b"a"), overwrite=True)
    files.upload(stored.targets["b"], io.BytesIO(b"b"), overwrite=True)
    assert stored.fetch().failed == ()
    assert (stored.local("a").read_text(), corrupt.exists()) == ("a", False)


def test_a_cut_connection_leaves_no_half_file(stored: Stored) -> None:
    cut = Fault("cut_body", method="GET", path=f"{GET}_a", times=99, keep_bytes=0)
    stored.world.room.server.faults.add(cut)

    done = stored.fetch()

    assert list(codes(done)) == ["a"]
    assert sorted(stored.files().values()) == ["b", "c"]


def test_crafted_names_in_rows_are_refused_and_the_others_come(stored: Stored) -> None:
    outside = "/Volumes/kmflow/acme_evidence/raw_evidence/evidence_store/e/../../../../../x"
    other = "/Volumes/kmflow/globex_evidence/raw_evidence/evidence_store/e/d/x"
    shallow = "/Volumes/kmflow/acme_evidence/raw_evidence/evidence_store/x"
    parts = stored.world.parts
    table = parts.config.namespace.base("evidence_metadata")
    (first, *_) = parts.lakehouse.query(f"SELECT * FROM {table.sql} LIMIT 1").to_pylist()
    bad = [
        {**first, "id": f"bad{n}{stored.e}", "volume_path": path, "engagement_id": stored.e}
        for n, path in enumerate((outside, other, shallow))
    ]
    parts.lakehouse.merge(table, pa.Table.from_pylist(bad), ["id"])

    done = stored.fetch()

    assert {file.path: file.code for file in done.failed} == dict.fromkeys(
        (outside, other, shallow), "KM-PATH-001"
    )
    assert sorted(stored.files().values()) == ["a", "b", "c"]
    parts.lakehouse.execute(f"DELETE FROM {table.sql} WHERE id LIKE 'bad%'")


def test_a_crafted_name_in_the_volume_does_not_stop_the_others(stored: Stored) -> None:
    room, path = stored.world.room, stored.targets["a"]
    root = room.server.services.state.volumes_root(room.admin.workspace_id)
    on_disk = root.joinpath(*path.removeprefix("/Volumes/").split("/"))
    # The API takes no such name; other ways into the cloud's storage may.
    on_disk.with_name("..%2f..%2fevil").write_text("x")

    done = stored.fetch()

    assert [file.code for file in done.failed] == ["KM-PATH-001"]
    assert sorted(stored.files().values()) == ["a", "b", "c"]
    assert not list(stored.target.parent.rglob("*evil*"))


def test_a_link_in_the_target_leads_nowhere(stored: Stored, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    stored.target.mkdir()
    (stored.target / stored.e).symlink_to(outside)

    done = stored.fetch()

    assert (len(done.failed), list(outside.iterdir())) == (3, [])


def test_a_row_without_a_file_is_missing_and_a_file_without_a_row_is_checked_by_its_name(
    stored: Stored,
) -> None:
    parts = stored.world.parts
    parts.store.delete(stored.targets["a"])
    table = parts.config.namespace.base("evidence_metadata").sql
    for name in "bc":
        parts.lakehouse.execute(f"DELETE FROM {table} WHERE volume_path = '{stored.targets[name]}'")
    files = stored.world.room.admin_client().files
    files.upload(stored.targets["c"], io.BytesIO(b"C"), overwrite=True)

    done = stored.fetch()

    assert codes(done) == {"a": "missing", "c": "corrupt"}
    assert stored.local("b").read_text() == "b"


def test_since_leaves_out_what_was_stored_before(stored: Stored) -> None:
    now = stored.world.parts.clock.now()
    assert stored.fetch(since=now + timedelta(seconds=1)).files == ()
    assert len(stored.fetch(since=now - timedelta(days=1)).files) == 3


@pytest.mark.parametrize("kind", [LocalStore, DeltaStore])
def test_items_lie_in_the_own_store_once_their_files_are_there(
    world: MigrationWorld, tmp_path: Path, clock: FakeClock, kind: type
) -> None:
    stored = Stored(world, tmp_path)
    place = LandingPlace(tmp_path / "home", clock, ACME, world.parts.database_url)
    place.drop(f"{stored.e}/mine.csv", f"mine of {stored.e}")
    place.take_in()
    world.parts.migrate(place.store._root)
    own = kind(ACME, tmp_path / "own", clock=clock)
    folder = own.local_path("evidence_store/x").parent

    elsewhere = stored.fetch(own_store=own)
    done = stored.fetch(own_store=own, target=folder)

    assert (elsewhere.moved_items, done.moved_items) == (0, 1)
    (item,) = world.parts.moved.of_content(ACME, [sha256(f"mine of {stored.e}")])
    assert item.backend == own.name
    assert own.read(item.stored_path).decode() == f"mine of {stored.e}"
    assert own.list_files(stored.e, "mine") == [item.stored_path]
    assert len(walk(folder).files) == 4


def test_another_groups_caller_is_refused(stored: Stored) -> None:
    bob = caller_of("bob@kmflow.test", ("globex",), Role.ADMIN)
    with pytest.raises(GroupRefused):
        stored.fetch(caller=bob)
    assert stored.fetched() == 0
