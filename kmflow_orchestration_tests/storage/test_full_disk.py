"""No room left under tables, spool and scratch: told as what it is, and nothing half-done stays."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from kmflow_orchestration.errors import StorageUnavailable
from kmflow_orchestration.storage.scratch import ScratchFolder
from kmflow_orchestration.storage.upload_spool import UploadSpool
from kmflow_orchestration.tables.definition import TableDefinition
from kmflow_orchestration_tests.small_disks import SMALL_BYTES, small_disk
from kmflow_orchestration_tests.storage.test_local_lakehouse import (
    COLUMNS,
    TABLE,
    batch,
    ids,
    opened,
    write,
)

PAGE = 4096
ONE = "7c0d5f0e-3c55-4b8e-9d2a-6f1f8a3c9b11"


def files_below(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def test_a_table_whose_disk_is_full_stays_as_it_was_and_keeps_no_half_of_a_write(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk") as disk, closing(opened(disk.folder)) as lakehouse:
        lakehouse.ensure_table(TABLE, TableDefinition("bronze", "loans", COLUMNS))
        write(lakehouse, "b1", "x")
        before = files_below(disk.folder)

        # No room for the rows; for them, but not for the commit; for neither copy nor commit.
        for room, rows in [(0, "b2"), (PAGE, "b2"), (PAGE, "b1")]:
            disk.fill(but_bytes=room)
            with pytest.raises(StorageUnavailable) as told:
                write(lakehouse, rows, "y")
            disk.free()
            assert "acme_evidence_bronze/loans" in told.value.message
            assert "No space left on device" in told.value.message
            assert told.value.hint == "check disk space and permissions"
            assert files_below(disk.folder) == before, (room, rows)

        assert ids(lakehouse) == ["x"]
        write(lakehouse, "b2", "y")
        lakehouse.merge(TABLE, batch("b1", "x"), ["id"])
        assert ids(lakehouse) == ["x", "y"]


def test_an_output_that_no_longer_fits_is_kept_wholly_or_not_at_all(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        spool = UploadSpool(disk.folder / "spool")

        with pytest.raises(StorageUnavailable, match="cannot be kept either"):
            spool.keep(ONE, b"x" * (SMALL_BYTES + 1))

        assert files_below(disk.folder) == set()
        disk.grow()
        spool.keep(ONE, b"x" * (SMALL_BYTES + 1))
        assert len(spool.read(ONE)) == SMALL_BYTES + 1


def test_scratch_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file where a folder should be")

    with pytest.raises(StorageUnavailable, match=r"work: .*check disk space"):
        ScratchFolder(tmp_path / "work")
