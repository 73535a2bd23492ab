"""The same conversion, mapped over files on a Spark engine (row H12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from kmflow_orchestration.notebook import batch_convert
from kmflow_orchestration.operations.convert.convert_folder import convert_folder
from kmflow_orchestration.operations.convert.convert_on_spark import convert_on_spark
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, FolderOutcome, Status
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.layout import is_manifest_name
from kmflow_orchestration.sail.process import SailServer

CSV = "id;name;amount;opened\n1;Ann;10,50;2026-01-02\n2;;7,25;\n"


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    with SailServer() as server:
        session = SparkSession.builder.remote(f"sc://{server.address}").create()
        yield session
        session.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of several kinds; one is damaged, and one leads elsewhere."""
    place = tmp_path / "in"
    (place / "deep").mkdir(parents=True)
    for number in range(5):
        (place / f"loans_{number}.csv").write_text(CSV + f"{number};Bo;1,00;2026-02-03\n")
    (place / "deep" / "events.jsonl").write_text('{"a": 1, "b": [1, 2]}\n{"a": 2.50}\n')
    (place / "note.txt").write_text("A first paragraph.\n\nA second one.\n")
    (place / "damaged.xlsx").write_bytes(b"no workbook")
    (place / "link.csv").symlink_to("/etc/hostname")
    book = openpyxl.Workbook()
    book.active.append(["Name", "Count"])
    book.active.append(["x", 3])
    book.save(place / "book.xlsx")
    return place


def test_files_become_the_same_on_spark_as_on_one_machine(
    folder: Path, spark: Any, tmp_path: Path
) -> None:
    here = convert_folder(plan_folder(folder, tmp_path / "here", recursive=True))
    there = convert_on_spark(
        plan_folder(folder, tmp_path / "there", recursive=True), spark, files_per_task=2
    )

    assert comparable(there, tmp_path / "there") == comparable(here, tmp_path / "here")
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert there.counts == {"converted": 8, "failed": 2}


def test_a_second_run_on_spark_leaves_alone_what_is_as_it_was(
    folder: Path, spark: Any, tmp_path: Path
) -> None:
    plan = plan_folder(folder, tmp_path / "out", patterns=("loans_*.csv",))
    convert_folder(replace(plan, files=plan.files[:2]))

    done = convert_on_spark(plan, spark)

    assert [one.status for one in done.files] == [Status.UNCHANGED] * 2 + [Status.CONVERTED] * 3


def test_a_notebook_hands_its_session_over(folder: Path, spark: Any, tmp_path: Path) -> None:
    done = batch_convert(folder, tmp_path / "out", "loans_*.csv", spark=spark)

    assert sorted(Path(path).name for path in done) == [f"loans_{n}.parquet" for n in range(5)]
    assert not any(one.error for one in done.results)


def test_without_files_no_engine_is_asked(tmp_path: Path) -> None:
    done = convert_on_spark(plan_folder(tmp_path, tmp_path.with_name("out")), spark=None)

    assert done.files == ()


def comparable(done: FolderOutcome, output: Path) -> list[FileOutcome]:
    """Outcomes without what differs from run to run: seconds, and where the results lie."""
    return [
        replace(
            one,
            seconds=0.0,
            outputs=tuple(Path(path).relative_to(output).as_posix() for path in one.outputs),
        )
        for one in done.files
    ]


def contents(output: Path) -> dict[str, bytes]:
    """Every result by its path; manifests hold the time, and where the source was."""
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and not is_manifest_name(path.name)
    }
