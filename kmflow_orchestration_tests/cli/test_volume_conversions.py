"""Conversion commands with places in Volumes: what they print, and how they end (row D13)."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room
from kmflow_orchestration_tests.operations.convert.conftest import LOANS, loans, workbook

__all__ = ["loans", "workbook"]

WORK = "/Volumes/kmflow/main/work"


@pytest.fixture
def work(on_workspace: Room) -> Room:
    """acme is set up, and has a Volume for results with a file in it."""
    client = on_workspace.group("kmflow").client()
    from databricks.sdk.service.catalog import VolumeType

    client.volumes.create("kmflow", "main", "work", VolumeType.MANAGED)
    client.files.upload(f"{WORK}/in/loans.csv", io.BytesIO(LOANS.encode()))
    return on_workspace


def names(room: Room, folder: str) -> set[str]:
    client = room.group("kmflow").client()
    return {str(entry.name) for entry in client.files.list_directory_contents(f"{WORK}/{folder}")}


def test_a_file_of_a_volume_is_converted_beside_itself(work: Room, kmflow: Kmflow) -> None:
    done = kmflow("databricks", "convert", f"dbfs:{WORK}/in/loans.csv", "--group", "acme", "--json")

    assert done.code == 0, done.err
    assert done.json["outputs"] == [f"{WORK}/in/loans.parquet"]
    assert names(work, "in") == {"loans.csv", "loans.parquet", "_loans.parquet.manifest.json"}
    again = kmflow("convert", f"{WORK}/in/loans.csv", "--group", "acme")
    assert again.code == 6
    assert f"{WORK}/in/loans.parquet is there already" in again.err


def test_a_result_in_a_volume_is_verified(work: Room, kmflow: Kmflow, loans: Path) -> None:
    group = ("--group", "acme")
    kmflow("convert", f"{WORK}/in/loans.csv", *group)

    equal = kmflow("verify", "output", f"{WORK}/in/loans.parquet", *group)
    work.group("kmflow").client().files.upload(
        f"{WORK}/in/loans.csv", io.BytesIO(b"id\n1\n"), overwrite=True
    )
    changed = kmflow("verify", "output", f"{WORK}/in/loans.parquet", *group)
    nowhere = kmflow("verify", "output", "loans.parquet", "--source", f"{WORK}/in/loans.csv")

    assert (equal.code, equal.out) == (0, "1 file(s), 3 rows, 4 columns: equal\n"), equal.err
    assert (changed.code, "these are not the bytes" in changed.err) == (1, True)
    assert (nowhere.code, "download one of them first" in nowhere.err) == (2, True)


HERE = {
    "convert": ("convert", "{file}", "--force"),
    "databricks convert": ("databricks", "convert", "{file}", "--force"),
    "batch-convert": ("batch-convert", "{folder}"),
    "info": ("info", "{file}", "--format", "json"),
    "validate": ("validate", "{file}"),
    "verify output": ("verify", "output", "{made}"),
}


@pytest.mark.parametrize("name", HERE)
def test_flags_about_workspaces_are_told_where_all_files_are_here(
    kmflow: Kmflow, loans: Path, name: str
) -> None:
    kmflow("convert", str(loans))
    places = {"file": loans, "folder": loans.parent, "made": loans.with_suffix(".parquet")}
    call = [word.format(**places) for word in HERE[name]]

    without = kmflow(*call)
    one = kmflow(*call, "--group", "acme")
    more = kmflow(*call, "--profile", "dev", "--token-stdin")

    assert without.code == one.code == more.code == 0, more.err
    assert "no effect" not in without.err
    told = "warning: --group has no effect, as all files are of this machine"
    assert one.err.splitlines().count(told) == 1
    assert "warning: --token-stdin, --profile have no effect" in more.err
    assert "no effect" not in one.out + more.out
    if name.endswith("convert"):
        assert kmflow(*call, "--group", "acme", "--quiet").err == ""


def test_a_schema_lock_is_for_files_of_this_machine(work: Room, kmflow: Kmflow) -> None:
    locking = ("--group", "acme", "--on-drift", "widen")
    one = kmflow("convert", f"{WORK}/in/loans.csv", *locking)
    many = kmflow("batch-convert", f"{WORK}/in", f"{WORK}/out", *locking)

    assert (one.code, many.code) == (2, 2)
    assert "not for those in Volumes" in one.err
    assert "not for those in Volumes" in many.err
    assert names(work, "in") == {"loans.csv"}


def test_the_group_may_come_from_the_environment_and_must_come_from_somewhere(
    work: Room, kmflow: Kmflow, loans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = kmflow("convert", str(loans), "vol:work/out/")
    monkeypatch.setenv("KMFLOW_DEFAULT_GROUP", "acme")

    assert without.code == 3
    assert "--group ID, or KMFLOW_DEFAULT_GROUP" in without.err
    given = kmflow("convert", str(loans), f"{WORK}/out/a.jsonl", "--check")
    assert given.code == 0, given.err
    assert f"{WORK}/out/a.jsonl: 3 rows" in given.out
    assert names(work, "out") == {"a.jsonl", "_a.jsonl.manifest.json"}


def test_a_batch_is_reported_and_the_second_leaves_all_alone(
    work: Room, kmflow: Kmflow, tmp_path: Path
) -> None:
    call = ("databricks", "batch-convert", f"{WORK}/in", f"{WORK}/out", "--group", "acme", "--json")

    planned = kmflow(*call, "--dry-run").json
    first = kmflow(*call, "--report", str(tmp_path / "report.json"))
    second = kmflow(*call)

    assert (first.code, first.json["counts"]) == (0, {"converted": 1}), first.err
    assert (second.code, second.json["counts"]) == (0, {"unchanged": 1})
    assert planned["grants"] == [
        *("READ VOLUME ON VOLUME `kmflow`.`main`.`work`",),
        *("WRITE VOLUME ON VOLUME `kmflow`.`main`.`work`",),
    ]
    assert [kmflow(*call, flag).code for flag in ("--prune", "--summary")] == [2, 2]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["files"][0]["tables"][0]["rows_out"] == 3
    assert report["files"][0]["outputs"] == [f"{WORK}/out/loans.parquet"]
    assert not any(name.startswith(".kmflow-probe") for name in names(work, "out"))


def test_files_of_a_volume_are_looked_at(work: Room, kmflow: Kmflow, loans: Path) -> None:
    path = f"{WORK}/in/loans.csv"

    shown = kmflow("info", path, "--group", "acme", "-f", "json")
    judged = kmflow(
        "validate", path, f"{WORK}/in/none.csv", str(loans), "--group", "acme", "--json"
    )

    assert (shown.json["file"], shown.json["tables"][0]["rows"]) == (path, 3)
    assert judged.code == 1
    found = {one["file"]: (one["is_valid"], one["code"]) for one in judged.json["files"]}
    assert found == {
        path: (True, ""),
        f"{WORK}/in/none.csv": (False, "KM-VOLUME-001"),
        str(loans): (True, ""),
    }


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("convert", f"{WORK}/in/none.csv"), 1, "there is no file"),
        (("convert", f"{WORK}/in"), 2, "is a folder"),
        (("batch-convert", f"{WORK}/none"), 2, "is no folder"),
        (("batch-convert", f"{WORK}/in", "--pattern", "*.none"), 2, "no file of"),
        (("convert", "/Volumes/other/s/v/a.csv"), 4, "may not use catalog other"),
        (("convert", "/Volumes/kmflow/main/work/../evidence/a.csv"), 6, "'..' cannot be part"),
        (("convert", "s3://bucket/a.csv"), 6, "is a URL"),
        (("info", "/Volumes/kmflow/main"), 6, "names no Volume"),
        (("validate", "dbfs:/FileStore/a.csv"), 6, "no place in a Volume"),
        (("convert", f"{WORK}/in/loans.csv", "--max-size-mb", "0"), 2, "max-size-mb"),
    ],
)
def test_what_cannot_be_is_refused_with_the_products_codes(
    work: Room, kmflow: Kmflow, arguments: tuple[str, ...], code: int, words: str
) -> None:
    outcome = kmflow(*arguments, "--group", "acme")

    assert (outcome.code, words in outcome.err) == (code, True), outcome.err
    assert names(work, "in") == {"loans.csv"}


def test_a_form_that_is_no_place_is_refused_before_there_is_a_database(
    kmflow: Kmflow, home: Path
) -> None:
    assert kmflow("convert", "/Volumes/c/s", "--group", "acme").code == 6
    assert not home.exists()


def test_a_file_beyond_the_limit_is_told_with_the_flag(work: Room, kmflow: Kmflow) -> None:
    client = work.group("kmflow").client()
    client.files.upload(f"{WORK}/in/big.csv", io.BytesIO(b"a,b\n" + b"1,2\n" * (1 << 18)))

    outcome = kmflow("convert", f"{WORK}/in/big.csv", "--group", "acme", "--max-size-mb", "1")

    assert outcome.code == 6
    assert "the limit is 1048576" in outcome.err
    assert "--max-size-mb" in outcome.err
