"""`verify_output` of results that lie in a Volume (H4, CD-N3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmflow_orchestration.errors import InvalidOptions, RemoteFault
from kmflow_orchestration.operations.convert.verify_output import OutputVerification
from kmflow_orchestration.operations.volume_conversion.verify_volume_output import (
    verify_volume_output,
)
from kmflow_orchestration_tests.operations.volume_conversion.conftest import (
    CUT,
    MADE,
    REFUSED,
    Convert,
    World,
)


def verify(world: World, name: str, source: str | None = None) -> OutputVerification:
    return verify_volume_output(world.work.joined(name).text, source, volumes=world.volumes)


def test_a_result_in_a_volume_is_equal_and_its_manifest_says_so(
    world: World, convert: Convert
) -> None:
    source = world.put("in/loans.csv")
    convert(source, world.work.text)

    found = verify(world, "loans.parquet")

    assert (found.is_equal, found.rows, found.source, found.notes) == (True, 3, source, ())
    assert found.manifest_path == world.work.joined("_loans.parquet.manifest.json").text
    assert json.loads(world.content("_loans.parquet.manifest.json"))["verified"]["is_equal"]
    assert world.names() - {"in/", "in/loans.csv"} == MADE
    assert verify(world, "_loans.parquet.manifest.json").is_equal


def test_a_result_of_several_files_is_named_by_its_folder(
    world: World, convert: Convert, workbook: Path
) -> None:
    convert(workbook, world.work.text)
    (folder,) = (name for name in world.names() if name.endswith("/"))

    assert verify(world, folder.rstrip("/"), str(workbook)).is_equal


def test_what_was_changed_or_is_gone_is_told(world: World, convert: Convert) -> None:
    source = world.put("in/loans.csv")
    convert(source, world.work.joined("out.csv").text)
    world.put("out.csv", world.content("out.csv").replace(b"Ann", b"Eve"))

    changed = verify(world, "out.csv")
    world.files.delete(world.work.joined("out.csv"))
    gone = verify(world, "_out.csv.manifest.json")

    assert "its bytes are not those that were written" in {one.what for one in changed.differences}
    assert any("Eve" in one.found for one in changed.differences)
    assert [str(one) for one in gone.differences] == ["out.csv: the file is not there"]


def test_a_source_of_this_machine_must_be_named(
    world: World, convert: Convert, loans: Path
) -> None:
    convert(loans, world.work.text)

    with pytest.raises(InvalidOptions, match=r"loans\.csv, which .* lay on one machine"):
        verify(world, "loans.parquet")
    assert verify(world, "loans.parquet", str(loans)).is_equal
    world.put("other.csv", "id\n1\n")
    other = verify(world, "loans.parquet", world.work.joined("other.csv").text)
    assert not other.is_equal


def test_what_no_conversion_made_cannot_be_compared(world: World) -> None:
    world.put("a.parquet", b"PAR1")

    for name in ("a.parquet", "nothing.parquet"):
        with pytest.raises(InvalidOptions, match="no manifest of a conversion speaks for"):
            verify(world, name)


def test_a_manifest_that_may_not_be_written_stays_as_it_is(world: World, convert: Convert) -> None:
    convert(world.put("in/loans.csv"), world.work.text)
    before = world.snapshot()
    world.fault(**REFUSED)

    found = verify(world, "loans.parquet")

    assert found.is_equal
    assert "the manifest cannot be written" in found.notes[0]
    world.room.server.faults.clear()
    assert world.snapshot() == before


def test_a_manifest_that_did_not_arrive_is_there_as_before(world: World, convert: Convert) -> None:
    convert(world.put("in/loans.csv"), world.work.text)
    before = world.snapshot()
    world.fault(**CUT)

    with pytest.raises(RemoteFault):
        verify(world, "loans.parquet")

    world.room.server.faults.clear()
    assert world.snapshot() == before
