"""A folder of a Volume, or into one: each file for itself, and only what has changed (row D13)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.errors import (
    AccessRefused,
    GroupMismatch,
    InvalidOptions,
    UnsafePath,
)
from kmflow_orchestration.operations.convert.convert_folder import (
    FileTask,
    convert_folder,
    convert_task,
)
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, FolderOutcome
from kmflow_orchestration.operations.convert.folder_plan import FolderPlan
from kmflow_orchestration.operations.convert.options import ConversionOptions, conversion_options
from kmflow_orchestration.operations.volume_conversion.carrier import VolumeCarrier, plan_carried
from kmflow_orchestration_tests.operations.convert.conftest import LOANS
from kmflow_orchestration_tests.operations.volume_conversion.conftest import FILES, World

Batch = Callable[..., FolderOutcome]
OTHER = LOANS.replace("Ann", "Bob")
PARQUET = {"format_type": "parquet"}


@pytest.fixture
def batch(world: World) -> Batch:
    """A batch in this process, file by file: a process for each takes longer than all the rest."""

    def call(source: object, output: object = None, **given: object) -> FolderOutcome:
        plan, carrier, options = planned(world, source, output, given)
        resume, dry_run = bool(given.get("resume", True)), bool(given.get("dry_run"))
        tasks = [FileTask(one, options, resume, dry_run) for one in plan.files]
        files = tuple(carrier.carry(task, convert_task) for task in tasks)
        return FolderOutcome(str(plan.source), str(plan.output), files, plan.matched, plan.clashes)

    return call


@pytest.fixture
def batch_in_processes(world: World) -> Batch:
    """The same as the command does it."""

    def call(source: object, output: object = None, **given: object) -> FolderOutcome:
        plan, carrier, options = planned(world, source, output, given)
        return convert_folder(plan, options, parallel=1, carrier=carrier, **given)  # type: ignore[arg-type]

    return call


def planned(
    world: World, source: object, output: object, given: dict[str, Any]
) -> tuple[FolderPlan, VolumeCarrier, ConversionOptions]:
    """A plan, who carries it, and its options; what the plan needs is taken out of `given`."""
    options = conversion_options({**PARQUET, **given.pop("options", {})})
    looking = {
        name: given.pop(name) for name in ("patterns", "recursive", "check") if name in given
    }
    target = None if output is None else str(output)
    plan, carrier = plan_carried(
        str(source), target, volumes=world.volumes, options=options, **looking
    )
    return plan, carrier, options


def statuses(done: FolderOutcome) -> dict[str, str]:
    return {one.path: one.status.value for one in done.files}


@pytest.fixture
def inbox(world: World) -> str:
    """Three files in a folder and one within it; one of them cannot be read."""
    world.put("inbox/a.csv")
    world.put("inbox/bad.xlsx", b"PK\x03\x04 and no more")
    world.put("inbox/deep/b.csv", OTHER)
    return f"{world.work}/inbox"


def test_from_volume_to_volume_and_then_only_what_has_changed(
    world: World, batch: Batch, inbox: str, workbook: Path
) -> None:
    first = batch(inbox, recursive=True)

    assert statuses(first) == {
        "a.csv": "converted",
        "bad.xlsx": "failed",
        "deep/b.csv": "converted",
    }
    assert first.files[1].code == "KM-INTAKE-002"
    assert first.files[0].outputs == (f"{world.work}/inbox_converted/a.parquet",)
    made = world.snapshot()
    assert world.names("inbox_converted") == {
        *("a.parquet", "_a.parquet.manifest.json"),
        *("deep/", "deep/b.parquet", "deep/_b.parquet.manifest.json"),
    }
    manifest = json.loads(made["inbox_converted/deep/_b.parquet.manifest.json"])
    assert manifest["source_path"] == f"{inbox}/deep/b.csv"

    world.put("inbox/bad.xlsx", workbook.read_bytes())
    world.put("inbox/deep/b.csv", OTHER.replace("Bob", "Eve"))
    world.room.server.services.request_log.clear()
    second = batch(inbox, recursive=True)

    assert statuses(second) == {
        "a.csv": "unchanged",
        "bad.xlsx": "converted",
        "deep/b.csv": "converted",
    }
    now = world.snapshot()
    assert now["inbox_converted/a.parquet"] == made["inbox_converted/a.parquet"]
    assert "inbox_converted/bad_parquet/_manifest.json" in now
    table = pq.read_table(io.BytesIO(now["inbox_converted/deep/b.parquet"]))
    assert table["name"].to_pylist() == ["Eve", "", None]


def test_from_here_into_a_volume_twice(world: World, batch: Batch, loans: Path) -> None:
    target = f"{world.work}/out"

    assert statuses(batch(loans.parent, target)) == {"loans.csv": "converted"}
    before = world.snapshot()
    again = batch(loans.parent, target)

    assert (statuses(again), world.snapshot()) == ({"loans.csv": "unchanged"}, before)
    assert again.files[0].outputs == (f"{target}/loans.parquet",)
    loans.write_text(OTHER)
    assert statuses(batch(loans.parent, target)) == {"loans.csv": "converted"}
    assert world.snapshot() != before


def test_from_a_volume_to_here_twice(
    world: World, batch: Batch, inbox: str, tmp_path: Path
) -> None:
    assert statuses(batch(inbox, tmp_path / "out", patterns=("*.csv",))) == {"a.csv": "converted"}
    manifest = json.loads((tmp_path / "out" / "_a.parquet.manifest.json").read_text())
    assert manifest["source_path"] == f"{inbox}/a.csv"

    again = batch(inbox, tmp_path / "out", patterns=("*.csv",))
    assert statuses(again) == {"a.csv": "unchanged"}


def test_other_options_replace_the_result_and_a_lost_file_is_made_again(
    world: World, batch: Batch, loans: Path
) -> None:
    target = f"{world.work}/out"
    batch(loans.parent, target)

    changed = batch(loans.parent, target, options={"types": "string"})
    world.files.delete(world.work.joined("out", "loans.parquet"))
    lost = batch(loans.parent, target, options={"types": "string"})

    assert statuses(changed) == statuses(lost) == {"loans.csv": "converted"}
    table = pq.read_table(io.BytesIO(world.content("out/loans.parquet")))
    assert str(table.schema.field("id").type) == "string"


def test_a_result_that_becomes_a_folder_leaves_nothing_of_the_file(
    world: World, batch: Batch, workbook: Path
) -> None:
    import openpyxl

    book = openpyxl.load_workbook(workbook)
    del book["People"]
    single = io.BytesIO()
    book.save(single)
    world.put("in/book.xlsx", single.getvalue())
    batch(f"{world.work}/in")
    assert "book.parquet" in world.names("in_converted")

    world.put("in/book.xlsx", workbook.read_bytes())
    assert statuses(batch(f"{world.work}/in")) == {"book.xlsx": "converted"}
    assert world.names("in_converted") == {
        "book_parquet/",
        *("book_parquet/book_Loans_2026.parquet", "book_parquet/book_People.parquet"),
        "book_parquet/_manifest.json",
    }


def test_what_a_killed_batch_left_without_manifest_is_finished(
    world: World, batch: Batch, workbook: Path
) -> None:
    world.put("in/book.xlsx", workbook.read_bytes())
    batch(f"{world.work}/in")
    world.files.delete(world.work.joined("in_converted", "book_parquet", "_manifest.json"))

    assert statuses(batch(f"{world.work}/in")) == {"book.xlsx": "converted"}
    assert "_manifest.json" in world.names("in_converted/book_parquet")


def test_what_somebody_else_put_there_is_not_replaced(
    world: World, batch: Batch, inbox: str
) -> None:
    world.put("inbox_converted/a.parquet", b"somebody's")

    done = batch(inbox)

    assert {one.path: one.code for one in done.files}["a.csv"] == "KM-CONVERT-006"
    assert world.content("inbox_converted/a.parquet") == b"somebody's"


def test_results_and_manifests_beside_sources_are_no_sources(world: World, batch: Batch) -> None:
    world.put("in/a.csv")
    batch(f"{world.work}/in", f"{world.work}/out")
    for name in ("a.parquet", "_a.parquet.manifest.json"):
        world.put(f"in/{name}", world.content(f"out/{name}"))

    assert statuses(batch(f"{world.work}/in", dry_run=True)) == {"a.csv": "planned"}


def test_a_dry_run_names_the_places_and_writes_nothing(
    world: World, batch: Batch, inbox: str
) -> None:
    before = world.snapshot()

    done = batch(inbox, dry_run=True)

    assert statuses(done) == {"a.csv": "planned", "bad.xlsx": "failed"}
    assert done.files[0].outputs == (f"{world.work}/inbox_converted/a.parquet",)
    assert world.snapshot() == before


EXTRACTING = {"extract_attachments": True}
MAIL = """From: a@x.example
Subject: Loans
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

As attached.
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=raw.bin

01
--b--
"""


def test_what_is_attached_is_not_taken_out_into_a_volume(
    world: World, batch: Batch, tmp_path: Path
) -> None:
    world.put("in/a.eml", MAIL)
    before = world.snapshot()

    with pytest.raises(InvalidOptions, match="cannot be taken out into a Volume"):
        batch(f"{world.work}/in", options=EXTRACTING)
    assert world.snapshot() == before
    here = batch(f"{world.work}/in", tmp_path / "out", options=EXTRACTING)
    assert statuses(here) == {"a.eml": "converted"}
    assert (tmp_path / "out" / "a_attachments" / "raw.bin").is_file()


def test_a_carrier_refuses_what_its_plan_was_not_asked(world: World) -> None:
    world.put("in/a.eml", MAIL)
    plan, carrier, _ = planned(world, f"{world.work}/in", None, {})
    options = conversion_options({**PARQUET, **EXTRACTING})

    done = carrier.carry(FileTask(plan.files[0], options, resume=True, dry_run=False), convert_task)

    assert (done.status.value, done.code) == ("failed", InvalidOptions.code)
    assert world.names("in_converted") == set()


QUARANTINING = {"schema": {"id": "int64"}, "on_bad_row": "quarantine"}


def test_rows_that_were_rejected_are_missed_the_second_time_too(world: World, batch: Batch) -> None:
    world.put("in/a.csv", "id\n1\nx\n")

    first = batch(f"{world.work}/in", options=QUARANTINING)
    second = batch(f"{world.work}/in", options=QUARANTINING)

    assert (statuses(first), statuses(second)) == ({"a.csv": "converted"}, {"a.csv": "unchanged"})
    assert second.files[0].missed == first.files[0].missed != ()
    assert not second.is_whole()


def test_another_folders_file_of_the_same_name_replaces_nothing(
    world: World, batch: Batch, tmp_path: Path
) -> None:
    january, february, target = tmp_path / "jan", tmp_path / "feb", f"{world.work}/out"
    for folder, content in ((january, LOANS), (february, OTHER)):
        folder.mkdir()
        (folder / "a.csv").write_text(content)
    batch(january, target)
    before = world.snapshot()

    done = batch(february, target)

    assert {one.path: one.code for one in done.files} == {"a.csv": "KM-CONVERT-006"}
    assert world.snapshot() == before
    assert statuses(batch(january, target)) == {"a.csv": "unchanged"}
    replaced = batch(february, target, options={"force": True})
    assert statuses(replaced) == {"a.csv": "converted"}
    assert str(tmp_path).encode() not in world.content("out/_a.parquet.manifest.json")


def test_rows_set_aside_are_no_source(world: World, batch: Batch) -> None:
    world.put("in/a.csv", "id\n1\nx\n")
    batch(f"{world.work}/in", f"{world.work}/out", options=QUARANTINING)
    for name in ("a.parquet", "a.rejects.parquet", "_a.parquet.manifest.json"):
        world.put(f"in/{name}", world.content(f"out/{name}"))

    assert statuses(batch(f"{world.work}/in", dry_run=True)) == {"a.csv": "planned"}


def test_rows_set_aside_go_with_the_result_they_belong_to(
    world: World, batch: Batch, workbook: Path
) -> None:
    """One file becomes a folder, and a folder one file."""
    import openpyxl

    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (("id", "name"), (1, "Ann"), ("x", "Bob")):
        book.active.append(row)
    single = io.BytesIO()
    book.save(single)
    book.create_sheet("More").append(("id",))
    book["More"].append((1,))
    both = io.BytesIO()
    book.save(both)
    alone = {"book.parquet", "book.rejects.parquet", "_book.parquet.manifest.json"}

    def converted(content: bytes) -> set[str]:
        world.put("in/book.xlsx", content)
        assert statuses(batch(f"{world.work}/in", options=QUARANTINING)) == {
            "book.xlsx": "converted"
        }
        return world.names("in_converted")

    assert converted(single.getvalue()) == alone
    apart = converted(both.getvalue())
    assert "book_parquet/" in apart
    assert not apart & alone
    assert "book_parquet/book_Sheet.rejects.parquet" in apart
    assert converted(single.getvalue()) == alone


def test_files_that_would_get_one_name_keep_their_suffix(world: World, batch: Batch) -> None:
    world.put("in/a.csv")
    world.put("in/a.tsv", LOANS.replace(",", "\t"))

    done = batch(f"{world.work}/in")

    assert done.clashes == ("a.csv", "a.tsv")
    assert {"a.csv.parquet", "a.tsv.parquet"} <= world.names("in_converted")


@pytest.mark.parametrize(
    ("source", "output", "error"),
    [
        ("{work}/none", None, InvalidOptions),
        ("{work}", None, InvalidOptions),
        ("{work}/in", "{work}/in/out", UnsafePath),
        ("{work}/in", "{work}", UnsafePath),
        ("{work}/in", "/Volumes/kmflow/GLOBEX_evidence/raw_evidence/x", GroupMismatch),
    ],
)
def test_folders_that_cannot_be_are_refused(
    world: World, batch: Batch, source: str, output: str | None, error: type[Exception]
) -> None:
    world.put("in/a.csv")
    with pytest.raises(error):
        batch(
            source.format(work=world.work),
            None if output is None else output.format(work=world.work),
        )


def test_one_upload_that_fails_is_that_files_outcome_alone(
    world: World, batch_in_processes: Batch, inbox: str
) -> None:
    world.fault(
        name="fail_times",
        method="PUT",
        path="*/a.parquet",
        status=403,
        error_code="PERMISSION_DENIED",
    )

    done = batch_in_processes(inbox, patterns=("*.csv",), recursive=True)

    assert statuses(done) == {"a.csv": "failed", "deep/b.csv": "converted"}
    assert done.files[0].code == "KM-ACCESS-001"
    assert "GRANT WRITE VOLUME" in done.files[0].hint
    assert not any("a.parquet" in name for name in world.names("inbox_converted"))


def test_the_check_refuses_before_anything_is_read(world: World, batch: Batch, inbox: str) -> None:
    world.fault(name="fail_times", method="PUT", status=403, error_code="PERMISSION_DENIED")
    world.room.server.services.request_log.clear()

    with pytest.raises(AccessRefused):
        batch(inbox, check=True)
    assert world.room.server.requests("GET", FILES).count() == 0


def test_a_token_that_is_over_ends_the_batch_and_says_how_far_it_got(
    world: World, batch: Batch, batch_in_processes: Batch
) -> None:
    for name in ("a", "b", "c"):
        world.put(f"in/{name}.csv")

    def expire(done: int, *_: object) -> None:
        if done == 1:
            world.fault(name="fail_times", times=99, status=401, error_code="UNAUTHENTICATED")

    with pytest.raises(AccessRefused, match="token expired; 1 of 3 files done, rerun") as over:
        batch_in_processes(f"{world.work}/in", on_file=expire)
    assert over.value.exit_code == 4
    world.room.server.faults.clear()
    assert statuses(batch_in_processes(f"{world.work}/in")) == {
        "a.csv": "unchanged",
        "b.csv": "converted",
        "c.csv": "converted",
    }


def test_an_interrupt_ends_the_batch_and_leaves_whole_files(
    world: World, batch_in_processes: Batch
) -> None:
    for name in ("a", "b"):
        world.put(f"in/{name}.csv")

    def interrupt(done: int, _: int, last: FileOutcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch_in_processes(f"{world.work}/in", on_file=interrupt)
    assert world.names("in_converted") == {"a.parquet", "_a.parquet.manifest.json"}


def test_who_is_given_up_ends_before_the_next_byte_and_leaves_nothing(
    world: World, inbox: str
) -> None:
    plan, carrier, options = planned(world, inbox, None, {})
    carrier.interrupt()

    with pytest.raises(KeyboardInterrupt):
        carrier.carry(FileTask(plan.files[0], options, resume=True, dry_run=False), convert_task)
    assert world.names("inbox_converted") == set()
