"""A tree on disk becomes files, rows and items in the group's Volume, once."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from kmflow_orchestration.access.caller import caller_of
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.errors import (
    AccessRefused,
    GroupRefused,
    LeaseHeld,
    RemoteFault,
    RemoteNotFound,
)
from kmflow_orchestration.intake.ledger import State
from kmflow_orchestration.names import Namespace
from kmflow_orchestration.operations.migration_report import Outcome
from kmflow_orchestration.storage.migration_manifest import MigrationManifest
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.migration.world import (
    ACME,
    FILES,
    PUT,
    STATEMENTS,
    WRITTEN,
    MigrationWorld,
    own_name,
    sha256,
    tree,
)

pytestmark = pytest.mark.xdist_group("migration")
DAY = WRITTEN.date().isoformat()


def outcomes(done) -> dict[str, str]:
    return {file.path: str(file.outcome) for file in done.files}


def test_every_file_gets_its_place_and_its_row_and_a_repeat_sends_nothing(
    world: MigrationWorld, tmp_path: Path
) -> None:
    one, two = world.engagement(), world.engagement()
    files = {
        f"{one}/deadbeef_loans.csv": "id,1",
        f"{one}/deep/er/20260131_notes.txt": "n",
        f"{two}/0123456789abcdef_empty.csv": "",
    }
    source = tree(tmp_path / "tree", files)

    done = world.parts.migrate(source)
    rows = world.rows(one, two)

    assert (done.failed, set(outcomes(done).values())) == ((), {"sent"})
    assert world.stored(one) == {
        f"{DAY}/{own_name(one, 'loans.csv', 'id,1')}": "id,1",
        f"{DAY}/{own_name(one, '20260131_notes.txt', 'n')}": "n",
    }
    assert world.stored(two) == {f"{DAY}/{own_name(two, 'empty.csv', '')}": ""}
    assert {(row.engagement_id, row.file_name, row.content_hash) for row in rows} == {
        (one, "loans.csv", sha256("id,1")),
        (one, "20260131_notes.txt", sha256("n")),
        (two, "empty.csv", sha256("")),
    }
    assert {row.path for row in rows} == {file.target for file in done.files}
    assert world.sent() == 3

    world.forget_requests()
    again = world.parts.migrate(source)

    assert (set(outcomes(again).values()), world.sent()) == ({"present"}, 0)
    assert world.statements() == 1  # the question which rows there are, and no more
    assert world.rows(one, two) == rows


def test_names_can_be_kept(world: MigrationWorld, tmp_path: Path) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/deadbeef_a.csv": "a"})

    world.parts.migrate(source, keep_names=True)

    assert [row.file_name for row in world.rows(e)] == ["deadbeef_a.csv"]


def test_a_dry_run_counts_and_names_clashes_and_writes_nothing(
    world: MigrationWorld, tmp_path: Path
) -> None:
    e = world.engagement()
    files = {
        f"{e}/00000000_a.csv": "same",
        f"{e}/11111111_a.csv": "same",
        f"{e}/22222222_a.csv": "other",
        f"{e}/A.csv": "third",
    }
    source = tree(tmp_path / "tree", {**files, "stray.csv": "x"})

    plan = world.parts.migrate(source, dry_run=True)

    assert plan.by_engagement()[e] == {
        "files": 4,
        "bytes": 18,
        "sent": 3,
        "same": 1,
        "present": 0,
        "row_added": 0,
        "failed": 0,
    }
    assert [file.code for file in plan.failed] == ["no_engagement"]
    assert [(clash.kind, len(clash.paths)) for clash in plan.clashes] == [
        ("case_only", 4),
        ("same_file", 2),
        ("same_name", 3),
    ]
    assert plan.estimated_s > 0
    assert (world.sent(), world.stored(e), world.rows(e)) == (0, {}, [])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["tree"]

    done = world.parts.migrate(source)
    assert (world.sent(), len(world.rows(e))) == (3, 3)
    assert outcomes(done)[f"{e}/11111111_a.csv"] == "same"


def test_a_file_without_a_row_gets_one_and_a_row_without_a_file_its_file(
    world: MigrationWorld, tmp_path: Path
) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/a.csv": "a", f"{e}/b.csv": "b"})
    world.parts.migrate(source)
    a, b = world.rows(e)
    table = world.parts.config.namespace.base("evidence_metadata")
    world.parts.lakehouse.execute(f"DELETE FROM {table.sql} WHERE id = '{a.id}'")
    world.parts.store.delete(b.path)

    done = world.parts.migrate(source)

    assert sorted(outcomes(done).values()) == ["row_added", "sent"]
    assert [row.path for row in world.rows(e)] == [a.path, b.path]
    assert len(world.stored(e)) == 2


def test_unreadable_changed_and_refused_files_are_listed_and_the_others_go_on(
    world: MigrationWorld, tmp_path: Path
) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/{name}.csv": name for name in "abcd"})
    (source / e / "out.csv").symlink_to(Path(__file__))
    (source / e / "b.csv").unlink()
    (source / e / "b.csv").symlink_to(source / e / "nothing.csv")

    class ChangedMeanwhile:
        """The store, to whom a file changes just when it is sent."""

        def __getattr__(self, name: str):
            return getattr(world.parts.store, name)

        def write_from(self, file):
            if file.file_name == "c.csv":
                (source / e / "c.csv").write_text("C")
            return world.parts.store.write_from(file)

    refusal = Fault("fail_times", method=PUT, path=f"{FILES}_d.csv", times=99, status=400)
    world.room.server.faults.add(refusal)

    done = world.parts.migrate(source, store=ChangedMeanwhile())

    assert {file.path.split("/")[-1]: file.code for file in done.failed} == {
        "out.csv": "path_trick",
        "b.csv": "broken_link",
        "c.csv": "changed",
        "d.csv": next(file.code for file in done.failed if file.path.endswith("d.csv")),
    }
    assert [row.file_name for row in world.rows(e)] == ["a.csv"]
    assert list(world.stored(e).values()) == ["a"]

    world.room.server.faults.clear()
    (source / e / "out.csv").unlink()
    (source / e / "b.csv").unlink()
    assert world.parts.migrate(source, resume=True).failed == ()
    assert sorted(world.stored(e).values()) == ["C", "a", "d"]


def test_wrong_bytes_of_the_right_size_are_found_and_replaced_when_hashes_are_asked_for(
    world: MigrationWorld, tmp_path: Path
) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/a.csv": "good"})
    target = world.parts.migrate(source).files[0].target
    files = world.room.admin_client().files
    files.upload(target, io.BytesIO(b"evil"), overwrite=True)

    assert world.parts.migrate(source).files[0].outcome is Outcome.PRESENT
    assert world.parts.migrate(source, verify="hash").files[0].outcome is Outcome.SENT
    assert list(world.stored(e).values()) == ["good"]


def test_an_interrupted_run_goes_on_and_sends_only_what_is_not_there(
    world: MigrationWorld, tmp_path: Path
) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/{n:02}.csv": str(n) for n in range(12)})

    class Interrupted:
        """The store, until somebody presses Ctrl-C at its sixth file."""

        left = 5

        def __getattr__(self, name: str):
            return getattr(world.parts.store, name)

        def write_from(self, file):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            return world.parts.store.write_from(file)

    with pytest.raises(KeyboardInterrupt):
        world.parts.migrate(source, store=Interrupted(), workers=1)
    assert (world.sent(), world.rows(e)) == (5, [])
    with (tmp_path / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"path": "half a li')
    world.forget_requests()

    done = world.parts.migrate(source, resume=True)

    assert sorted(outcomes(done).values()) == ["row_added"] * 5 + ["sent"] * 7
    assert (world.sent(), len(world.rows(e)), len(world.stored(e))) == (7, 12, 12)
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines if line.endswith("}")]
    assert len([line for line in told if line["status"] == "done"]) == 12


def test_a_resumed_file_that_changed_is_read_again(world: MigrationWorld, tmp_path: Path) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/a.csv": "old"})
    world.parts.migrate(source)
    (source / e / "a.csv").write_text("new")

    done = world.parts.migrate(source, resume=True)

    assert [file.content_hash for file in done.files] == [sha256("new")]
    assert sorted(world.stored(e).values()) == ["new", "old"]


def test_a_lost_merge_leaves_everything_to_go_on_from(
    world: MigrationWorld, tmp_path: Path
) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/a.csv": "a"})
    broken = Fault("fail_times", method="POST", path=STATEMENTS, after=1, times=99, status=500)
    world.room.server.faults.add(broken)
    with pytest.raises(RemoteFault):
        world.parts.migrate(source)
    world.mend()

    done = world.parts.migrate(source, resume=True)

    assert (outcomes(done), world.sent()) == ({f"{e}/a.csv": "row_added"}, 0)
    assert len(world.rows(e)) == 1


def test_a_refusal_ends_it_at_once(world: MigrationWorld, tmp_path: Path) -> None:
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/{n}.csv": str(n) for n in range(9)})
    refusal = {"status": 403, "error_code": "PERMISSION_DENIED"}
    world.room.server.faults.add(Fault("fail_times", method=PUT, path=FILES, times=99, **refusal))

    with pytest.raises(AccessRefused):
        world.parts.migrate(source, workers=1)

    assert world.sent() == 1


def test_two_processes_are_not_at_one_migration(world: MigrationWorld, tmp_path: Path) -> None:
    source = tree(tmp_path / "tree", {f"{world.engagement()}/a.csv": "a"})
    with MigrationManifest(tmp_path / "manifest.jsonl"), pytest.raises(LeaseHeld):
        world.parts.migrate(source)
    assert world.sent() == 0


def test_without_its_table_nothing_is_sent_and_a_dry_run_still_counts(
    world: MigrationWorld, tmp_path: Path
) -> None:
    config = world.groups.config("bare")
    parts = replace(world.parts, config=config)
    source = tree(tmp_path / "tree", {f"{world.engagement()}/a.csv": "a"})
    bare = {"store": parts.store, "lakehouse": parts.lakehouse, "config": config}

    assert world.parts.migrate(source, dry_run=True, **bare).totals().files == 1
    with pytest.raises(RemoteNotFound) as raised:
        world.parts.migrate(source, **bare)

    assert "kmflow provision" in raised.value.hint
    assert world.sent() == 0
    assert parts.config.namespace != Namespace("kmflow", "acme")


def test_another_groups_caller_is_refused_before_anything_is_read(
    world: MigrationWorld, tmp_path: Path
) -> None:
    bob = caller_of("bob@kmflow.test", ("globex",), Role.ADMIN)
    with pytest.raises(GroupRefused):
        world.parts.migrate(tmp_path / "nowhere", caller=bob)


def test_ten_thousand_files_take_few_statements_and_one_listing_a_folder(
    world: MigrationWorld, tmp_path: Path
) -> None:
    """Thirty here: the counts do not grow with them."""
    e = world.engagement()
    source = tree(tmp_path / "tree", {f"{e}/{n}.csv": str(n) for n in range(30)})

    heard = list[tuple[int, int, int]]()

    world.parts.migrate(source, workers=8, on_progress=lambda *told: heard.append(told))

    # Of each file when its bytes have arrived, and when it is done.
    assert (len(heard), heard[-1]) == (60, (30, 50, 30))
    assert heard == sorted(heard)
    assert world.statements() == 2
    listings = world.room.server.requests("GET", f"/api/2.0/fs/directories/*/{e}/*").count()
    assert (world.sent(), listings) == (30, 2)


def test_what_the_group_stored_itself_moves_with_its_items_and_their_duplicates(
    world: MigrationWorld, tmp_path: Path, clock
) -> None:
    e = world.engagement()
    place = LandingPlace(tmp_path / "home", clock, ACME, world.parts.database_url)
    place.drop(f"{e}/deadbeef_a.csv", "a")
    place.drop(f"{e}/copy.csv", "a")
    place.drop(f"{e}/b.csv", "b")
    place.take_in()
    day = utc_day(clock.now()).isoformat()

    done = world.parts.migrate(place.store._root)

    assert (done.moved_items, sorted(outcomes(done).values())) == (3, ["sent", "sent"])
    assert sorted(world.stored(e).values()) == ["a", "b"]
    assert {path.split("/")[0] for path in world.stored(e)} == {day}
    found = world.parts.moved.of_content(ACME, [sha256("a"), sha256("b")])
    items = {item.item_id: item for item in found if item.engagement_id == e}
    rows = world.rows(e)
    assert {row.id: row.path for row in rows} == {
        item.item_id: item.stored_path for item in items.values()
    }
    assert {item.backend for item in items.values()} == {"databricks"}
    assert State.DUPLICATE in {item.state for item in items.values()}
    assert world.parts.migrate(place.store._root).moved_items == 0
