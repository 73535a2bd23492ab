"""One file from a Volume, to one, or both: whole or not at all (rows D2 to D4, D8)."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import (
    AccessRefused,
    CorruptInput,
    FileTooLargeError,
    InvalidOptions,
    OutputExistsError,
    StorageUnavailable,
    UnsafePath,
    VolumeNotFoundError,
)
from kmflow_orchestration.operations.convert.progress import percent
from kmflow_orchestration_tests.operations.convert.conftest import LOANS
from kmflow_orchestration_tests.operations.volume_conversion.conftest import (
    FILES,
    MADE,
    REFUSED,
    Convert,
    World,
)


def rows(world: World, name: str) -> int:
    return int(pq.read_table(io.BytesIO(world.content(name))).num_rows)


def test_by_itself_the_result_lies_beside_its_source(world: World, convert: Convert) -> None:
    path = world.put("in/loans ü 50% #1.csv")

    done = convert(path)

    made = "in/loans_ü_50%_#1.parquet"
    assert done["outputs"] == [world.work.joined(*made.split("/")).text]
    assert rows(world, made) == 3
    manifest = json.loads(world.content("in/_loans_ü_50%_#1.parquet.manifest.json"))
    assert manifest["source_path"] == path
    assert manifest["outputs"][0]["size_bytes"] == len(world.content(made))
    assert world.content("in/loans ü 50% #1.csv").decode() == LOANS


def test_a_local_file_goes_into_a_volume_and_its_path_does_not(
    world: World, convert: Convert, loans: Path
) -> None:
    done = convert(loans, f"{world.work}/out/")

    assert world.names("out") == MADE
    assert re.fullmatch("local-[0-9a-f]{16}/loans.csv", done["manifest"]["source_path"])
    assert str(loans.parent) not in world.content("out/_loans.parquet.manifest.json").decode()
    assert {path.name for path in loans.parent.iterdir()} == {"loans.csv"}


def test_a_file_of_a_volume_comes_here_and_says_where_it_lies(
    world: World, convert: Convert, tmp_path: Path
) -> None:
    path = world.put("loans.csv")

    done = convert(path.replace("/Volumes/", "dbfs:///Volumes/", 1), tmp_path / "out" / "a.jsonl")

    assert done["outputs"] == [str(tmp_path / "out" / "a.jsonl")]
    assert len((tmp_path / "out" / "a.jsonl").read_text().splitlines()) == 3
    assert done["manifest"]["source_path"] == path
    assert world.names() == {"loans.csv"}


def test_a_named_file_and_the_short_form_are_understood(world: World, convert: Convert) -> None:
    world.put("loans.csv")

    done = convert("vol:work/loans.csv", "vol:work/out/b.csv")

    assert [Path(one).name for one in done["outputs"]] == ["b.csv"]
    assert world.names("out") == {"b.csv", "_b.csv.manifest.json"}


def test_several_tables_get_a_folder_of_their_own(
    world: World, convert: Convert, workbook: Path
) -> None:
    convert(world.put("book.xlsx", workbook.read_bytes()))

    assert world.names("book_parquet") == {
        *("book_Loans_2026.parquet", "book_People.parquet", "_manifest.json"),
    }


def test_a_dbf_file_brings_its_memos_and_nothing_else(
    world: World, convert: Convert, tmp_path: Path
) -> None:
    dbf = pytest.importorskip("dbf")
    table = dbf.Table(str(tmp_path / "notes.dbf"), "id N(2,0); note M", dbf_type="db3")
    table.open(dbf.READ_WRITE)
    table.append((1, "a longer note"))
    table.close()
    world.put("in/Notes.dbf", (tmp_path / "notes.dbf").read_bytes())
    world.put("in/NOTES.DBT", (tmp_path / "notes.dbt").read_bytes())
    world.put("in/notes.txt", "not asked for")

    convert(f"{world.work}/in/Notes.dbf", f"{tmp_path}/out/a.jsonl")

    assert "a longer note" in (tmp_path / "out" / "a.jsonl").read_text()
    paths = {one.path for one in world.room.server.requests("GET", FILES)}
    assert not any(path.endswith("notes.txt") for path in paths)


def test_an_output_that_is_there_is_left_until_force(world: World, convert: Convert) -> None:
    path = world.put("loans.csv")
    world.put("loans.parquet", b"somebody's")

    with pytest.raises(OutputExistsError, match=r"loans\.parquet is there already"):
        convert(path)
    assert world.content("loans.parquet") == b"somebody's"
    assert world.names() == {"loans.csv", "loans.parquet"}

    convert(path, force=True)
    assert rows(world, "loans.parquet") == 3


def test_of_a_replaced_folder_nothing_old_stays(
    world: World, convert: Convert, workbook: Path
) -> None:
    path = world.put("book.xlsx", workbook.read_bytes())
    convert(path)
    world.put("book_parquet/old_sheet.parquet", b"of an earlier version")

    convert(path, force=True)

    assert "old_sheet.parquet" not in world.names("book_parquet")
    assert len(world.names("book_parquet")) == 3


def test_a_folder_that_no_conversion_made_is_never_replaced(
    world: World, convert: Convert, workbook: Path
) -> None:
    path = world.put("book.xlsx", workbook.read_bytes())
    world.put("book_parquet/mine.txt", b"mine")

    with pytest.raises(UnsafePath, match="a folder that no conversion made"):
        convert(path, force=True)
    assert world.content("book_parquet/mine.txt") == b"mine"


def test_the_source_itself_is_never_the_result(world: World, convert: Convert) -> None:
    path = world.put("notes.txt", "Two words.\n")

    done = convert(path, force=True, options={"format_type": "txt"})

    assert [Path(one).name for one in done["outputs"]] == ["notes.txt.txt"]
    assert world.content("notes.txt") == b"Two words.\n"
    with pytest.raises(UnsafePath, match="the source itself"):
        convert(path, path, force=True)


def test_rows_set_aside_go_with_their_table_and_are_a_source_like_any_other(
    world: World, convert: Convert
) -> None:
    options = {"schema": {"id": "int64"}, "on_bad_row": "quarantine"}
    path = world.put("a.csv", "id\n1\nx\n")

    convert(path, options=options)
    assert {"a.parquet", "a.rejects.parquet"} < world.names()
    rejected = convert(f"{world.work}/a.rejects.parquet", options={"format_type": "csv"})
    assert rejected["outputs"] == [f"{world.work}/a.rejects.csv"]

    world.put("a.csv", "id\n1\n")
    world.put("b.rejects.parquet", b"another's")
    convert(path, options=options, force=True)
    assert "a.rejects.parquet" not in world.names()
    assert world.content("b.rejects.parquet") == b"another's"


def test_a_dry_run_reads_tells_and_writes_nothing(world: World, convert: Convert) -> None:
    path = world.put("loans.csv")

    done = convert(path, dry_run=True)

    assert (done["dry_run"], done["rows"], world.names()) == (True, 3, {"loans.csv"})
    world.room.server.services.request_log.clear()
    convert(path, dry_run=True, check=True)
    assert world.room.server.requests("PUT", FILES).count() == 0
    world.put("loans.parquet", b"x")
    with pytest.raises(OutputExistsError):
        convert(path, dry_run=True)


def test_a_file_that_is_not_there_is_no_fault_of_the_network(
    world: World, convert: Convert
) -> None:
    with pytest.raises(VolumeNotFoundError) as missing:
        convert(f"{world.work}/nothing.csv")
    assert missing.value.exit_code == 1
    world.put("in/a.csv")
    with pytest.raises(InvalidOptions, match=r"/in is a folder"):
        convert(f"{world.work}/in")
    with pytest.raises(VolumeNotFoundError):
        convert(f"{world.work.parent}x/a.csv")


def test_a_larger_file_than_may_be_moved_is_not_read(
    world: World, convert: Convert, loans: Path
) -> None:
    path = world.put("loans.csv")
    small = replace(world.volumes, most_bytes=len(LOANS) - 1)
    world.room.server.services.request_log.clear()

    for source, output in ((path, None), (loans, f"{world.work}/out/")):
        with pytest.raises(FileTooLargeError, match=rf"{len(LOANS)} bytes, the limit is") as large:
            convert(source, output, volumes=small)
        assert "--max-size-mb" in large.value.hint
    assert world.room.server.requests("GET", FILES).count() == 0
    assert world.names() == {"loans.csv"}


@pytest.mark.parametrize("content", [LOANS * 2, LOANS[:40]], ids=["grown", "shrunk"])
def test_a_file_that_changes_before_it_is_read_gives_no_result(
    world: World, convert: Convert, content: str
) -> None:
    path = world.put("loans.csv")

    def change(stage: str, done: int, *_: object) -> None:
        if (stage, done) == ("download", 0):
            world.put("loans.csv", content)

    with pytest.raises(StorageUnavailable, match="changed while it was read") as changed:
        convert(path, tell=change)
    assert changed.value.exit_code == 5
    assert world.names() == {"loans.csv"}


def test_a_file_that_changes_after_a_cut_gives_no_result(world: World, convert: Convert) -> None:
    long = "id,name\n" + "".join(f"{n},somebody\n" for n in range(200_000))
    path = world.put("long.csv", long)
    world.fault(name="cut_body", method="GET", keep_bytes=1 << 20)

    def change(stage: str, done: int, *_: object) -> None:
        if stage == "download" and done:
            world.put("long.csv", f"{long}1,and one more\n")

    with pytest.raises(StorageUnavailable, match="changed while it was read"):
        convert(path, tell=change)
    assert world.names() == {"long.csv"}


def test_a_cut_download_goes_on_where_it_broke(world: World, convert: Convert) -> None:
    path = world.put("long.csv", "id,name\n" + "".join(f"{n},somebody\n" for n in range(20_000)))
    world.fault(name="cut_body", method="GET", keep_bytes=100_000)

    assert convert(path)["rows"] == 20_000


def test_content_that_cannot_be_read_leaves_nothing(world: World, convert: Convert) -> None:
    path = world.put("book.xlsx", b"PK\x03\x04 and no more")

    with pytest.raises(CorruptInput):
        convert(path)
    assert world.names() == {"book.xlsx"}


def test_without_a_grant_it_is_told_which_one_is_missing(
    world: World, convert: Convert, loans: Path
) -> None:
    path = world.put("loans.csv")
    for method, source, output, grant in (
        ("HEAD", path, None, "READ VOLUME"),
        ("PUT", loans, f"{world.work}/out/", "WRITE VOLUME"),
    ):
        world.fault(
            name="fail_times", method=method, times=9, status=403, error_code="PERMISSION_DENIED"
        )
        with pytest.raises(AccessRefused, match=r"/work") as refused:
            convert(source, output)
        world.room.server.faults.clear()
        assert f"GRANT {grant} ON VOLUME `kmflow`.`acme_evidence`.`work`" in refused.value.hint
    assert world.names() == {"loans.csv"}


def test_a_check_tries_the_target_before_a_byte_is_read(world: World, convert: Convert) -> None:
    path = world.put("loans.csv")
    world.fault(**REFUSED)
    world.room.server.services.request_log.clear()

    with pytest.raises(AccessRefused):
        convert(path, check=True)
    assert world.room.server.requests("GET", FILES).count() == 0

    world.room.server.faults.clear()
    convert(path, check=True)
    assert world.names() == {"loans.csv", *MADE}


def test_progress_goes_from_the_download_to_the_end(world: World, convert: Convert) -> None:
    told: list[tuple[str, float]] = []
    path = world.put("loans.csv")

    convert(
        path, tell=lambda stage, done, total, *_: told.append((stage, percent(stage, done, total)))
    )

    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[0][0] == "download"
    assert told[-1] == ("clean", 100.0)
    assert "upload" in dict(told)


def test_a_folder_for_copies_that_others_may_change_is_refused(
    world: World, convert: Convert, tmp_path: Path
) -> None:
    path = world.put("loans.csv")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)

    with pytest.raises(UnsafePath, match="no place for copies"):
        convert(path, volumes=replace(world.volumes, temporary=shared))
    assert world.names() == {"loans.csv"}
