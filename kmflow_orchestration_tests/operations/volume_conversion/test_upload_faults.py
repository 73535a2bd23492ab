"""Uploads that fail, are cut or interrupted: nothing new stays, nothing old is lost (D4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.databricks_client.parted_upload import PartSizes
from kmflow_orchestration.errors import (
    AccessRefused,
    RemoteFault,
    StorageUnavailable,
)
from kmflow_orchestration_tests.operations.volume_conversion.conftest import (
    ATTEMPTS,
    CUT,
    MADE,
    REFUSED,
    Convert,
    World,
)


@pytest.mark.parametrize("after", [0, 1, 2], ids=["first", "second", "manifest"])
@pytest.mark.parametrize(
    "failure", [(CUT, RemoteFault), (REFUSED, AccessRefused)], ids=["cut", "refused"]
)
def test_an_upload_that_fails_leaves_nothing_new(
    world: World,
    convert: Convert,
    workbook: Path,
    failure: tuple[dict[str, object], type[Exception]],
    after: int,
) -> None:
    fault, error = failure
    world.fault(**fault, after=after, keep_bytes=900)

    with pytest.raises(error):
        convert(workbook, f"{world.work}/new/place/")

    world.room.server.faults.clear()
    assert world.names() == set()


@pytest.mark.parametrize("after", [0, 1, 2], ids=["first", "second", "manifest"])
def test_an_upload_that_fails_leaves_what_was_there(
    world: World, convert: Convert, workbook: Path, after: int
) -> None:
    path = world.put("book.xlsx", workbook.read_bytes())
    convert(path)
    before = {**world.snapshot(), "book_parquet/book_People.parquet": b"another version"}
    world.put("book_parquet/book_People.parquet", b"another version")
    world.fault(name="cut_body", method="PUT", times=ATTEMPTS, keep_bytes=500, after=after)

    with pytest.raises(RemoteFault):
        convert(path, force=True)

    world.room.server.faults.clear()
    assert world.snapshot() == before


def test_rows_that_were_set_aside_are_put_back_with_their_table(
    world: World, convert: Convert
) -> None:
    options = {"schema": {"id": "int64"}, "on_bad_row": "quarantine"}
    path = world.put("a.csv", "id\n1\nx\n")
    convert(path, options=options)
    world.put("a.csv", "id\n1\n")
    before = world.snapshot()
    world.fault(**{**CUT, "keep_bytes": 9}, after=1)

    with pytest.raises(RemoteFault):
        convert(path, options=options, force=True)

    world.room.server.faults.clear()
    assert "a.rejects.parquet" in before
    assert world.snapshot() == before


@pytest.mark.parametrize("had", [False, True], ids=["new", "replaced"])
def test_a_large_upload_that_is_cut_at_the_third_of_its_parts_leaves_what_was_there(
    world: World, convert: Convert, had: bool
) -> None:
    """Sixty percent of the result have arrived, and the rest never does."""
    sizes = PartSizes(part_bytes=400, in_memory_bytes=400, workers=1)
    access = VolumeFiles(world.groups.calls("acme"), parts=sizes, in_parts_from=400)
    path = world.put("loans.csv")
    if had:
        convert(path)
    before = world.snapshot()
    parts = "/presigned/parts/*"
    world.fault(name="cut_body", method="PUT", path=parts, after=3, times=ATTEMPTS, keep_bytes=9)

    with pytest.raises(RemoteFault) as cut:
        convert(path, force=had, volumes=replace(world.volumes, access=access))

    world.room.server.faults.clear()
    assert world.room.server.requests("PUT", parts).count() > 3, cut.value
    assert world.snapshot() == before


def test_what_cannot_be_put_back_is_named(world: World, convert: Convert, workbook: Path) -> None:
    world.fault(**REFUSED, after=1)
    world.fault(name="fail_times", method="DELETE", times=99, status=403, error_code="403")

    with pytest.raises(StorageUnavailable, match="could not be put back") as left:
        convert(workbook, f"{world.work}/out/")

    world.room.server.faults.clear()
    assert world.names("out/book_parquet") == {"book_Loans_2026.parquet"}
    assert f"{world.work}/out/book_parquet/book_Loans_2026.parquet" in left.value.message


def test_an_interrupt_leaves_nothing_new(world: World, convert: Convert, workbook: Path) -> None:
    def interrupt(stage: str, done: int, *_: object) -> None:
        if (stage, done) == ("upload", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(workbook, f"{world.work}/out/", tell=interrupt)
    assert world.names() == set()


def test_a_lost_answer_is_no_conflict_with_ourselves(
    world: World, convert: Convert, loans: Path
) -> None:
    world.fault(name="execute_then_drop", method="PUT")

    convert(loans, f"{world.work}/out/")

    assert world.names("out") == MADE


def test_a_short_arrival_is_told_and_removed(world: World, convert: Convert, loans: Path) -> None:
    world.fault(name="take_less", method="PUT", keep_bytes=100)

    with pytest.raises(StorageUnavailable, match=r"100 of \d+ bytes arrived"):
        convert(loans, f"{world.work}/out/")
    assert world.names() == set()
