"""A tree compared with the Volume: equal only when every file is, by content."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kmflow_orchestration.errors import AccessRefused, ConfigurationError
from kmflow_orchestration.operations.take_inventory import take_inventory
from kmflow_orchestration.operations.verify_migration import Verification, verify_migration
from kmflow_orchestration.workspace.faults import Fault
from kmflow_orchestration_tests.operations.migration.world import (
    ACME,
    ANN,
    MigrationWorld,
    sha256,
    tree,
)

pytestmark = pytest.mark.xdist_group("migration")


class Migrated:
    """A migrated tree of one engagement."""

    def __init__(self, world: MigrationWorld, root: Path) -> None:
        self.world, self.e = world, world.engagement()
        names = ("deadbeef_a.csv", "b.csv", "deep/c.csv")
        self.source = tree(root / "tree", {f"{self.e}/{name}": name for name in names})
        self.targets = {
            file.path.rpartition("/")[2]: file.target
            for file in world.parts.migrate(self.source).files
        }

    def verified(self, **options: object) -> Verification:
        parts = self.world.parts
        known = {
            "source_dir": None if "inventory" in options else self.source,
            "engagement": self.e,
            "caller": ANN,
            "store": parts.store,
            "lakehouse": parts.lakehouse,
            "config": parts.config,
        }
        return verify_migration(ACME, **{**known, **options})  # type: ignore[arg-type]

    def overwrite(self, name: str, content: bytes) -> None:
        files = self.world.room.admin_client().files
        files.upload(self.targets[name], io.BytesIO(content), overwrite=True)


@pytest.fixture
def migrated(world: MigrationWorld, tmp_path: Path) -> Migrated:
    return Migrated(world, tmp_path)


def test_a_migrated_tree_is_equal_and_folders_are_counted_as_folders(migrated: Migrated) -> None:
    found = migrated.verified()

    assert found.is_equal
    assert (found.source_files, found.stored_files) == ({migrated.e: 3}, {migrated.e: 3})
    assert found.source_folders == 1
    assert found.as_dict()["engagement_folders"]["source"] == 1


def test_equal_counts_and_sizes_with_other_content_are_not_equal(migrated: Migrated) -> None:
    migrated.overwrite("b.csv", b"B.CSV")

    found = migrated.verified()

    assert (found.source_files, found.stored_files) == ({migrated.e: 3}, {migrated.e: 3})
    assert [(one.path, one.why) for one in found.different] == [(f"{migrated.e}/b.csv", "content")]
    assert not found.is_equal
    assert migrated.verified(read_back=False).is_equal


def test_missing_extra_and_different_files_are_named(migrated: Migrated) -> None:
    store = migrated.world.parts.store
    store.delete(migrated.targets["deadbeef_a.csv"])
    extra = store.write(migrated.e, "late.csv", b"late").path
    stray = f"{extra.rpartition('/evidence_store/')[0]}/evidence_store/{migrated.e}/x/y/stray.bin"
    migrated.world.room.admin_client().files.upload(stray, io.BytesIO(b"x"))
    (migrated.source / migrated.e / "b.csv").write_text("changed since")
    migrated.overwrite("c.csv", b"cut")

    found = migrated.verified()

    assert found.missing == (f"{migrated.e}/deadbeef_a.csv",)
    assert found.extra == tuple(sorted([extra, stray]))
    assert {one.path: one.why for one in found.different} == {
        f"{migrated.e}/b.csv": "content",
        f"{migrated.e}/deep/c.csv": "10 bytes, stored are 3",
    }
    assert found.without_row == found.extra
    assert not found.is_equal


def test_a_file_without_its_row_is_not_equal(migrated: Migrated) -> None:
    lakehouse, config = migrated.world.parts.lakehouse, migrated.world.parts.config
    table = config.namespace.base("evidence_metadata").sql
    lakehouse.execute(f"DELETE FROM {table} WHERE volume_path = '{migrated.targets['b.csv']}'")

    found = migrated.verified()

    assert (found.without_row, found.is_equal) == ((migrated.targets["b.csv"],), False)


@pytest.mark.parametrize("form", ["json", "csv", "sums", "paths"])
def test_an_inventory_stands_for_the_tree(migrated: Migrated, tmp_path: Path, form: str) -> None:
    taken = take_inventory(migrated.source)
    folder = "./backup/evidence_store"
    text = {
        "json": taken.as_json(),
        "csv": taken.as_csv(),
        "sums": "".join(f"{one.sha256}  {folder}/{one.path}\n" for one in taken.files),
        "paths": "".join(f"{folder}/{one.path}\n" for one in taken.files),
    }[form]
    file = tmp_path / "inventory"
    file.write_text(text)

    assert migrated.verified(inventory=file).is_equal
    file.write_text(text.replace(f"{migrated.e}/b.csv", f"{migrated.e}/z.csv"))
    found = migrated.verified(inventory=file)
    assert found.missing == (f"{migrated.e}/z.csv",)
    assert found.extra == (migrated.targets["b.csv"],)


def test_a_hash_in_an_inventory_counts(migrated: Migrated, tmp_path: Path) -> None:
    file = tmp_path / "sums"
    listed = {"deadbeef_a.csv": "", "b.csv": "", "deep/c.csv": "other"}
    lines = [f"{sha256(other or name)}  {migrated.e}/{name}\n" for name, other in listed.items()]
    file.write_text("".join(lines))

    found = migrated.verified(inventory=file)

    assert [one.path for one in found.different] == [f"{migrated.e}/deep/c.csv"]


@pytest.mark.parametrize("text", ['{"files": 1}', "path,engagement,bytes,sha256\na,b,many,c\n"])
def test_what_is_no_inventory_is_said(migrated: Migrated, tmp_path: Path, text: str) -> None:
    file = tmp_path / "inventory"
    file.write_text(text)
    for wrong in (file, tmp_path / "nowhere"):
        with pytest.raises(ConfigurationError):
            migrated.verified(inventory=wrong)


def test_what_cannot_be_read_is_no_agreement(migrated: Migrated) -> None:
    (migrated.source / migrated.e / "gone.csv").symlink_to("/nothing/there")
    assert not migrated.verified().is_equal
    refusal = Fault(
        "fail_times",
        path="/api/2.0/fs/directories/*",
        times=9,
        status=403,
        error_code="PERMISSION_DENIED",
    )
    migrated.world.room.server.faults.add(refusal)
    with pytest.raises(AccessRefused):
        migrated.verified()
