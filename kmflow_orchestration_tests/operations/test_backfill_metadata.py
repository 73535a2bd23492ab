"""Stored files against their rows: what is found, what is mended, what never is (rows B22, B23)."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from kmflow_orchestration.clock import iso
from kmflow_orchestration.errors import StatementFailed, StorageUnavailable
from kmflow_orchestration.identity import item_id, stored_name
from kmflow_orchestration.intake.evidence_register import EvidenceRegister
from kmflow_orchestration.metadata.engine import open_sessions
from kmflow_orchestration.operations.backfill_metadata import (
    BackfilledMetadata,
    backfill_metadata,
)
from kmflow_orchestration.operations.dedupe_metadata import dedupe_metadata
from kmflow_orchestration.operations.publish_bronze import publish_bronze
from kmflow_orchestration.operations.reconcile_metadata import reconcile_metadata, shown
from kmflow_orchestration.storage.delta_store import DeltaStore
from kmflow_orchestration.storage.evidence_stores import EvidenceStores
from kmflow_orchestration.storage.local_lakehouse import LocalLakehouse
from kmflow_orchestration_tests.control_databases import engine_of
from kmflow_orchestration_tests.intake.landing_place import LandingPlace
from kmflow_orchestration_tests.operations.conftest import CONFIG

DAY = "2026-11-03"
TABLE = CONFIG.namespace.base("evidence_metadata").sql
IN_ORDER = {
    "pending": 0,
    "elsewhere": 0,
    "files_without_rows": 0,
    "rows_without_files": 0,
    "hash_differences": 0,
    "duplicates": 0,
    "foreign_paths": 0,
}


class World:
    """Two published files, `a.csv` and `b.csv`, and what may happen to them behind our back."""

    def __init__(self, place: LandingPlace, lakehouse: LocalLakehouse) -> None:
        self.place, self.lakehouse = place, lakehouse
        place.drop("e1/a.csv", "a")
        place.drop("e1/b.csv", "b")
        place.take_in()
        self.publish()

    def publish(self) -> None:
        publish_bronze(
            self.place.group,
            self.place.today,
            register=EvidenceRegister(
                open_sessions(engine_of(self.place.database_url)), self.place.clock
            ),
            stores=EvidenceStores.only(self.place.store),
            **self._parts(),
        )

    def _parts(self) -> dict[str, Any]:
        return {"ledger": self.place.ledger, "lakehouse": self.lakehouse, "config": CONFIG}

    def counts(self, verify: Any = "hash") -> dict[str, int]:
        found = reconcile_metadata(
            self.place.group, store=self.place.store, verify=verify, workers=2, **self._parts()
        )
        counts = found.counts()
        assert {name: len(paths) for name, paths in shown(found).items()}.items() <= counts.items()
        return counts

    def backfill(self, lakehouse: Any = None, **options: Any) -> BackfilledMetadata:
        parts = {**self._parts(), "lakehouse": lakehouse or self.lakehouse}
        options = {"verify": "hash", "workers": 2, **options}
        return backfill_metadata(self.place.group, store=self.place.store, **parts, **options)

    def dedupe(self, *, apply: bool) -> list[tuple[str, str]]:
        done = dedupe_metadata(
            self.place.group, lakehouse=self.lakehouse, config=CONFIG, apply=apply
        )
        return [(row.id, row.path) for row in done.surplus]

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.lakehouse.query(
            f"SELECT * FROM {TABLE} ORDER BY volume_path, stored_at, id"
        ).to_pylist()
        return found

    def file(self, path: str, content: str = "x") -> Path:
        """A file under this path of the store, which nobody stored, from the first of June."""
        target = self.place.home / "evidence_store" / "acme" / "evidence_store" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        os.utime(target, (1_780_272_000, 1_780_272_000))
        return target

    def own_file(self, name: str, content: str, day: str = DAY) -> str:
        """Such a file under the name we would give it; its id."""
        item = item_id("acme", "e1", sha(content), name)
        self.file(f"e1/{day}/{stored_name(item, name)}", content)
        return item

    def forget_rows(self, name: str) -> None:
        self.lakehouse.execute(f"DELETE FROM {TABLE} WHERE file_name = '{name}'")

    def copy_row(self, name: str, **changed: str) -> None:
        columns = ", ".join(changed.get(one, one) for one in self.lakehouse_columns())
        self.lakehouse.execute(
            f"INSERT INTO {TABLE} SELECT {columns} FROM {TABLE} WHERE file_name = '{name}' LIMIT 1"
        )

    def lakehouse_columns(self) -> list[str]:
        return list(self.rows()[0])


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def world(acme: LandingPlace, lakehouse: LocalLakehouse) -> World:
    return World(acme, lakehouse)


def test_files_without_rows_get_them_once_and_a_dry_run_writes_none(world: World) -> None:
    assert world.counts() == {"files": 2, "rows": 2, **IN_ORDER}
    kept = world.place.item("a.csv")
    world.forget_rows("a.csv")
    orphan = world.own_file("old.csv", "old")
    foreign_id = "0123456789ab4def"
    world.file(f"e2/{DAY}/{foreign_id}_theirs.csv", "theirs")
    before = world.rows()

    would = world.backfill(dry_run=True)
    assert (len(would.inserted), world.rows()) == (3, before)
    done = world.backfill()
    again = world.backfill()

    assert [row.id for row in done.inserted] == [row.id for row in would.inserted]
    assert (len(again.inserted), again.problems, done.problems) == (0, 0, 0)
    assert world.counts() == {"files": 4, "rows": 4, **IN_ORDER}
    rows = {row["file_name"]: row for row in world.rows()}
    assert rows["a.csv"]["id"] == kept.item_id
    assert rows["a.csv"]["_batch_id"] == kept.batch_id
    assert rows["old.csv"] == {
        "group_id": "acme",
        "engagement_id": "e1",
        "id": orphan,
        "file_name": "old.csv",
        "volume_path": f"evidence_store/e1/{DAY}/{stored_name(orphan, 'old.csv')}",
        "content_hash": sha("old"),
        "size_bytes": 3,
        "stored_at": "2026-06-01T00:00:00.000000+00:00",
        "metadata_json": "{}",
        "_batch_id": None,
    }
    # What we know of somebody else's random id is kept; the rest of it is always the same.
    theirs = rows["theirs.csv"]["id"].replace("-", "")
    assert theirs.startswith(foreign_id)
    assert theirs.endswith(item_id("acme", "e2", sha("theirs"), "theirs.csv")[-12:])
    assert rows["theirs.csv"]["content_hash"] == sha("theirs")


def test_what_is_not_ours_or_damaged_is_reported_and_never_guessed(world: World) -> None:
    foreign = [
        "e1/0123456789abcdef_no_day.csv",
        f"e1/{DAY}/no_id.csv",
        f"e1/{DAY}/deeper/0123456789abcdef_x.csv",
        f"e1/{DAY}/0123456789abcdef_no_utf8_\udcff.csv",
        "root.csv",
    ]
    for path in foreign:
        world.file(path)
    world.file(f"e1/{DAY}/.{'0' * 32}.part")  # a write under way
    item = item_id("acme", "e1", sha("as it was"), "damaged.csv")
    world.file(f"e1/{DAY}/{stored_name(item, 'damaged.csv')}", "as it is")
    world.place.store.local_path(world.place.item("b.csv").stored_path).write_text("B")
    before = world.rows()

    done = world.backfill()

    assert world.rows() == before
    assert any(path.endswith("no_utf8_\\udcff.csv") for path in shown(done.found)["foreign_paths"])
    assert list(done.found.foreign) == sorted(f"evidence_store/{path}" for path in foreign)
    assert [one.path.rpartition("_")[2] for one in done.differences] == ["b.csv", "damaged.csv"]
    assert (done.differences[0].expected, done.differences[0].found) == (sha("b"), sha("B"))
    assert done.problems == len(foreign) + 2
    assert world.counts("size")["hash_differences"] == 0  # which compares no contents


def test_a_file_cut_short_differs_without_being_read(world: World) -> None:
    world.place.store.local_path(world.place.item("b.csv").stored_path).write_text("longer")

    assert world.counts("size")["hash_differences"] == 1


def test_rows_without_files_go_with_prune_alone_and_never_those_of_known_evidence(
    world: World,
) -> None:
    lost = world.place.item("b.csv")
    world.place.store.delete(lost.stored_path)
    world.copy_row("a.csv", id="'of-nothing'", volume_path="'evidence_store/e1/2026-11-03/gone'")
    world.copy_row("a.csv", id="'elsewhere'", volume_path="'/Volumes/a/b/c/evidence_store/x'")

    plain = world.backfill()
    assert (plain.pruned, len(world.rows())) == ((), 4)
    would = world.backfill(prune=True, dry_run=True)
    assert ([row.id for row in would.pruned], len(world.rows())) == (["of-nothing"], 4)
    done = world.backfill(prune=True)

    assert [row.id for row in done.pruned] == ["of-nothing"]
    assert [row.id for row in done.kept] == [lost.item_id]
    assert done.problems == 1
    assert {row["id"] for row in world.rows()} == {
        world.place.item("a.csv").item_id,
        lost.item_id,
        "elsewhere",
    }


def test_an_empty_store_is_never_taken_for_a_reason_to_prune(world: World) -> None:
    shutil.rmtree(world.place.home / "evidence_store" / "acme")

    with pytest.raises(StorageUnavailable, match="shows no file"):
        world.backfill(prune=True)

    assert len(world.rows()) == 2


def test_files_of_a_day_that_is_being_taken_in_are_left_to_its_run(world: World) -> None:
    world.place.drop("e1/c.csv", "c")
    world.place.take_in()

    done = world.backfill()
    assert (done.inserted, done.found.pending, done.problems) == ((), 1, 0)

    world.publish()
    assert world.counts() == {"files": 3, "rows": 3, **IN_ORDER}


def test_a_warehouse_that_refuses_is_told_and_the_next_call_goes_on(world: World) -> None:
    world.own_file("old.csv", "old")

    with pytest.raises(StatementFailed):
        world.backfill(Refusing(world.lakehouse))
    assert len(world.backfill().inserted) == 1


class Refusing:
    """The lakehouse, whose merges fail."""

    def __init__(self, lakehouse: LocalLakehouse) -> None:
        self.query: Callable[..., pa.Table] = lakehouse.query

    def merge(self, *_: object) -> None:
        raise StatementFailed("the warehouse is stopped")


def test_a_second_copy_of_an_item_does_not_take_its_row(world: World) -> None:
    item = world.own_file("twice.csv", "twice", "2026-11-03")
    assert [row.id for row in world.backfill().inserted] == [item]
    before = world.rows()
    world.own_file("twice.csv", "twice", "2026-11-04")

    done = world.backfill()

    assert world.rows() == before
    assert [path.split("/")[2] for path in done.second_copies] == ["2026-11-04"]
    assert done.problems == 1


def test_of_rows_there_twice_the_earliest_stays_and_a_duplicates_own_row_too(world: World) -> None:
    # Another name for the bytes of a.csv: an item of its own, with a row about the same path.
    world.place.drop("e1/same.csv", "a")
    world.place.take_in()
    world.publish()
    own = world.rows()
    assert len({row["volume_path"] for row in own}) == 2
    assert (world.counts()["duplicates"], world.dedupe(apply=True)) == (0, [])
    a, later, earlier = world.place.item("a.csv"), "'2099-01-01'", "'2001-01-01T00:00:00+00:00'"
    world.copy_row("a.csv")
    world.copy_row("b.csv", id="'z-late'", stored_at=later)
    world.copy_row("same.csv", stored_at=earlier)
    damaged = world.rows()

    surplus = world.dedupe(apply=False)
    assert world.rows() == damaged
    assert world.counts()["duplicates"] == len(surplus) == 3
    assert world.backfill().problems == 3
    assert world.dedupe(apply=True) == surplus

    left = world.rows()
    assert [row for row in left if row["file_name"] != "same.csv"] == [
        row for row in own if row["file_name"] != "same.csv"
    ]
    (same,) = [row for row in left if row["file_name"] == "same.csv"]
    assert iso(a.stored_at) in {row["stored_at"] for row in left}
    assert same["stored_at"] == earlier.strip("'")
    assert world.dedupe(apply=True) == []


def test_ties_between_rows_of_one_path_are_settled_by_id(world: World) -> None:
    a, b = world.place.item("a.csv"), world.place.item("b.csv")
    world.copy_row("a.csv", id="'000'")
    world.copy_row("b.csv", id="'zzz'")

    assert set(world.dedupe(apply=True)) == {(a.item_id, a.stored_path), ("zzz", b.stored_path)}
    assert {row["id"] for row in world.rows()} == {"000", b.item_id}


def test_on_delta_an_orphan_gets_a_row_in_the_stores_own_table_too(
    acme: LandingPlace, lakehouse: LocalLakehouse
) -> None:
    bronze = acme.home / "delta" / "acme_bronze"
    store = DeltaStore("acme", bronze, clock=acme.clock)
    stored = store.write("e1", "a.csv", b"a")
    shutil.rmtree(bronze / "evidence_files")  # as a crash between file and commit leaves it
    assert store.list_files("e1") == []

    arguments: dict[str, Any] = {
        "ledger": acme.ledger,
        "store": store,
        "lakehouse": lakehouse,
        "config": CONFIG,
        "verify": "hash",
        "workers": 2,
    }
    done = backfill_metadata(acme.group, **arguments)

    assert [row.content_hash for row in done.inserted] == [sha("a")]
    assert store.list_files("e1") == [stored.path]
    assert backfill_metadata(acme.group, **arguments).inserted == ()
