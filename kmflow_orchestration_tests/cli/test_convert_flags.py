"""The rarer flags of `kmflow convert` and its kin, as a person calls them (rows D12, D20, D43)."""

from __future__ import annotations

import csv
import json
import socket
import sys
from pathlib import Path

import openpyxl
import pyarrow.parquet as pq
import pytest

from kmflow_orchestration.cli.main import main
from kmflow_orchestration.operations.convert.convert_file import convert_file
from kmflow_orchestration.operations.convert.folder_plan import plan_folder
from kmflow_orchestration.operations.convert.stale_results import find_stale
from kmflow_orchestration.sail.process import SailServer
from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.operations.convert.interrupted import COMMAND
from kmflow_orchestration_tests.operations.convert.test_locked_files import (
    WORD,
    a_workbook,
    locked_content,
)
from kmflow_orchestration_tests.terminals import on_a_terminal


@pytest.fixture
def loans(tmp_path: Path) -> Path:
    """A folder with one table in it."""
    path = tmp_path / "in" / "loans.csv"
    path.parent.mkdir()
    path.write_text("id;amount\n1;10.50\n2;\n")
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "in/loans.csv", ""],
        ["convert", "in/loans.csv", "--output-dir", ""],
        ["batch-convert", "in", ""],
        ["batch-convert", "in", "--output-dir", ""],
        ["batch-convert", "", "out"],
    ],
    ids=" ".join,
)
def test_an_empty_place_is_nobodys_current_folder(
    kmflow: Kmflow, loans: Path, tmp_path: Path, arguments: list[str]
) -> None:
    refused = kmflow(*arguments)

    assert (refused.code, refused.out) == (2, "")
    assert "is empty" in refused.err
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "loans.csv"]


@pytest.mark.parametrize(
    ("name", "form", "code"),
    [
        *(("q.xlsx", "parquet", 2), ("q.pdf", "txt", 2), ("q.json", "jsonl", 2)),
        *(("q.tsv", "txt", 0), ("q.ndjson", "jsonl", 0), ("q.v2", "parquet", 0)),
    ],
)
def test_a_suffix_does_not_promise_what_the_format_is_not(
    kmflow: Kmflow, loans: Path, name: str, form: str, code: int
) -> None:
    told = kmflow("convert", str(loans), f"out/{name}", "-f", form)

    assert told.code == code, told.err
    assert (loans.parents[1] / "out" / name).exists() is (code == 0)
    if code:
        assert f".{name.partition('.')[2]}" in told.err
        assert f"--format {form}" in told.err


@pytest.fixture
def converted(loans: Path, tmp_path: Path) -> Path:
    """What a batch leaves of two tables and a document, made without its processes."""
    (loans.parent / "notes.md").write_text("# Risk\n\nTwo words.\n")
    (loans.parent / "old.csv").write_text("a\n1\n")
    for path in loans.parent.iterdir():
        convert_file(path, f"{tmp_path / 'out'}/")
    return tmp_path / "out"


def test_results_of_no_source_are_told_and_go_when_asked(kmflow: Kmflow, converted: Path) -> None:
    again = ("batch-convert", "in", "out", "--parallel", "1")
    source = converted.parent / "in"
    (source / "old.csv").unlink()
    (source / "notes.md").unlink()
    (source / "loans.json").write_text('[{"id": 1}]')
    (converted / "notes_parquet" / "mine.txt").write_text("mine")

    told = kmflow(*again, "--prune", "--dry-run", "--json")
    assert [(one["source"], one["removed"]) for one in told.json["stale"]] == [
        *(("loans.csv", False), ("old.csv", False), ("notes.md", False)),
    ]
    assert (converted / "old.parquet").is_file()

    pruned = kmflow(*again, "--prune")
    assert (pruned.code, pruned.err.count("; removed")) == (0, 3)
    assert {path.relative_to(converted).as_posix() for path in converted.rglob("*.*")} == {
        *("loans.csv.parquet", "_loans.csv.parquet.manifest.json"),
        *("loans.json.parquet", "_loans.json.parquet.manifest.json"),
        "notes_parquet/mine.txt",
    }
    assert find_stale(plan_folder(source, converted), {"loans.csv", "loans.json"}) == ()


def test_a_report_takes_the_place_of_nothing_but_a_report(kmflow: Kmflow, loans: Path) -> None:
    beside = loans.with_name("left_out.json")
    beside.write_text('[{"id": 1}]')
    command = ("batch-convert", "in", "out", "--parallel", "1", "--pattern", "*.csv")

    assert kmflow(*command, "--report", "in/left_out.json").code == 6
    assert beside.read_text() == '[{"id": 1}]'
    assert kmflow(*command, "--report", "out/_loans.parquet.manifest.json").code == 6
    assert kmflow("verify", "output", "out").code == 0
    reports = ("--report", "in/r.json", "--report", "in/r.xlsx")
    assert kmflow(*command, *reports).code == 0
    assert kmflow(*command, *reports).code == 0


def test_each_version_of_a_result_is_accounted_for(kmflow: Kmflow, loans: Path) -> None:
    again = ("batch-convert", "in", "out", "--on-drift", "new-version", "--prune")
    assert kmflow(*again).code == 0
    loans.write_text("id;amount\nx;10.50\n")

    told = kmflow(*again, "--json").json

    assert told["files"][0]["outputs"] == ["out/loans.v2.parquet"]
    assert told["stale"] == []
    loans.rename(loans.with_name("other.csv"))
    stale = kmflow(*again, "--json").json["stale"]
    assert [(one["source"], one["removed"]) for one in stale] == [("loans.csv", True)] * 2
    assert not list(Path("out").glob("*loans*.parquet*"))


def test_a_result_somebody_changed_is_no_refuse(kmflow: Kmflow, converted: Path) -> None:
    (converted.parent / "in" / "old.csv").unlink()
    (converted / "old.parquet").write_bytes(b"mine")

    told = kmflow("batch-convert", "in", "out", "--prune", "--json").json["stale"]

    assert [one["kept_because"] for one in told] == ["old.parquet was changed since"]
    assert (converted / "old.parquet").read_bytes() == b"mine"


def test_what_was_not_looked_at_or_failed_is_not_stale(kmflow: Kmflow, converted: Path) -> None:
    source = converted.parent / "in"
    (source / "old.csv").write_bytes(b"")

    told = kmflow("batch-convert", "in", "out", "--prune", "--pattern", "old*", "--json")

    assert (told.code, told.json["stale"]) == (1, [])
    assert (converted / "old.parquet").is_file()
    for path in source.iterdir():
        path.unlink()
    # An empty folder may be one that is not mounted.
    assert kmflow("batch-convert", "in", "out", "--prune").code == 2
    assert (converted / "old.parquet").is_file()


def test_a_whole_batch_is_verified_in_order_to_its_end(kmflow: Kmflow, converted: Path) -> None:
    equal = kmflow("verify", "output", "out")
    assert (equal.code, equal.out.splitlines()[-1]) == (0, "3 result(s), 0 not equal")

    source = converted.parent / "in"
    (source / "loans.csv").write_text("id;amount\n1;10.51\n2;\n")
    (source / "old.csv").unlink()
    (converted / "notes_parquet" / "notes_text.txt").write_text("other words")
    told = kmflow("verify", "output", "out", "--json")

    assert (told.code, told.json["unequal"], told.json["is_equal"]) == (1, 3, False)
    loans, old, notes = told.json["results"]
    assert "not the bytes that were converted" in loans["differences"][0]["text"]
    assert (old["code"], "old.csv is not there" in old["message"]) == ("KM-CONVERT-005", True)
    assert notes["differences"][0]["file"] == "notes_text.txt"


def test_a_batch_is_verified_against_sources_that_moved(kmflow: Kmflow, converted: Path) -> None:
    (converted.parent / "in").rename(converted.parent / "moved")

    assert kmflow("verify", "output", "out").code == 1
    assert kmflow("verify", "output", "out", "--source", "moved").code == 0
    refused = kmflow("verify", "output", "out", "--source", "moved/old.csv")
    assert (refused.code, "is no folder" in refused.err) == (2, True)
    (converted.parent / "empty").mkdir()
    assert kmflow("verify", "output", "empty").code == 2


def test_several_sheets_are_named_at_once(kmflow: Kmflow, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title in ("A", "B, C", "D"):
        for row in (["id"], [1]):
            if title not in book.sheetnames:
                book.create_sheet(title)
            book[title].append(row)
    book.save(tmp_path / "book.xlsx")

    told = kmflow("convert", "book.xlsx", "--sheets", "A, D", "--sheet", "B, C", "--json").json
    assert [one["part"] for one in told["manifest"]["outputs"]] == ["A", "B, C", "D"]
    two = kmflow("convert", "book.xlsx", "two/", "--sheets", "A,D", "--json").json
    assert (len(two["outputs"]), two["manifest"]["left_out"]) == (2, ["B, C"])
    assert two["manifest"]["options"]["sheet"] == ["A", "D"]


def test_chunks_change_nothing_of_what_comes_out(
    kmflow: Kmflow, loans: Path, tmp_path: Path
) -> None:
    loans.write_text("id,name\n" + "".join(f"{n},row {n}\n" for n in range(500)))

    for form in ("csv", "jsonl", "parquet"):
        assert kmflow("convert", "in/loans.csv", f"whole.{form}").code == 0
        assert kmflow("convert", "in/loans.csv", f"cut.{form}", "--chunk-size", "7").code == 0
        cut, whole = tmp_path / f"cut.{form}", tmp_path / f"whole.{form}"
        assert cut.read_bytes() == whole.read_bytes()
    assert kmflow("convert", "in/loans.csv", "no/", "--chunk-size", "0").code == 2


def test_options_of_one_format_mean_nothing_to_others(
    kmflow: Kmflow, loans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for flag in (["--include-system-tables"], ["--backend", "other"]):
        refused = kmflow("convert", str(loans), *flag)
        assert (refused.code, f"{flag[0]} means nothing to" in refused.err) == (2, True)
    # The environment speaks to whoever knows it.
    monkeypatch.setenv("PYFORGE_BACKEND", "other")
    assert kmflow("convert", str(loans), "--exclude-system-tables", "--volume-path").code == 0


def test_the_environment_may_ask_where_a_failure_arose(
    kmflow: Kmflow, loans: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = ["convert", str(loans.with_name("nowhere.csv"))]
    assert main(failing) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["-v", *failing]) == 2
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("KMFLOW_DEBUG", "1")
    assert main(failing) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_encoding_is_checked_to_the_end(kmflow: Kmflow, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_bytes("name\nMüller\nJürgen\n".encode("cp1252"))
    (tmp_path / "mixed.csv").write_bytes("name\nMüller\n".encode() * 50 + b"J\xfcrgen\n")
    (tmp_path / "note.md").write_text("# Größe\n")

    sound = kmflow("validate", "old.csv", "note.md", "--check-encoding")
    assert sound.code == 0
    assert "rows, cp1252)" in sound.out.splitlines()[0]
    assert "utf-8)" in sound.out.splitlines()[1]
    assert kmflow("validate", "mixed.csv").code == 0
    mixed = kmflow("validate", "mixed.csv", "--check-encoding", "--json")
    assert (mixed.code, mixed.json["files"][0]["code"]) == (1, "KM-INTAKE-002")
    assert "is not in one encoding" in mixed.json["files"][0]["message"]


def test_questions_are_asked_on_a_terminal_that_wants_them(kmflow: Kmflow, tmp_path: Path) -> None:
    book = tmp_path / "locked.xlsx"
    book.write_bytes(locked_content(a_workbook))
    (tmp_path / "locked.parquet").write_bytes(b"old")
    command = [sys.executable, "-c", COMMAND, "convert", str(book)]

    code, told = on_a_terminal([*command, "--interactive"], tmp_path, [WORD, "y"])
    assert code == 0, told
    assert WORD not in told
    assert pq.read_metadata(tmp_path / "locked.parquet").num_rows == 1
    # Nobody is here to be asked.
    assert kmflow("convert", str(book), "--interactive").code == 1


def test_reports_tell_of_every_table_in_three_forms(
    kmflow: Kmflow, loans: Path, tmp_path: Path
) -> None:
    (loans.parent / "=bad.csv").write_bytes(b"")
    forms = [word for end in ("json", "xlsx", "csv") for word in ("--report", f"told/r.{end}")]

    assert kmflow("batch-convert", "in", "out", *forms).code == 1

    files = json.loads((tmp_path / "told" / "r.json").read_text())["files"]
    assert [(one["path"], one["status"]) for one in files] == [
        *(("=bad.csv", "failed"), ("loans.csv", "converted")),
    ]
    [table] = files[1]["tables"]
    assert (table["rows_in"], table["rows_out"], table["output"]) == (2, 2, "loans.parquet")
    assert [(one["name"], one["nulls"]) for one in table["columns"]] == [("id", 0), ("amount", 1)]
    book = openpyxl.load_workbook(tmp_path / "told" / "r.xlsx")
    assert book.sheetnames == ["files", "tables", "columns"]
    [_, bad, good] = book["tables"].iter_rows(values_only=True)
    assert (bad[0], bad[-2]) == ("=bad.csv", "KM-INTAKE-002")
    assert good[:7] == ("loans.csv", "converted", None, "loans.parquet", 2, 2, 0)
    with (tmp_path / "told" / "r.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(one["file"], one["rows_out"]) for one in rows] == [
        ("=bad.csv", ""),
        ("loans.csv", "2"),
    ]


def test_a_report_of_one_file_tells_of_its_failure_too(
    kmflow: Kmflow, loans: Path, tmp_path: Path
) -> None:
    assert kmflow("convert", str(loans), "--report", "r.json").code == 0
    assert json.loads((tmp_path / "r.json").read_text())["counts"] == {"converted": 1}
    assert kmflow("convert", str(loans), "--report", "r.json").code == 6
    [told] = json.loads((tmp_path / "r.json").read_text())["files"]
    assert (told["status"], told["code"]) == ("failed", "KM-CONVERT-006")
    before = loans.read_bytes()
    assert kmflow("convert", str(loans), "more/", "--report", str(loans)).code == 6
    assert kmflow("convert", "in/loans.csv", "even/", "--report", "in/loans.csv").code == 6
    assert kmflow("batch-convert", "in", "most", "--report", str(loans)).code == 6
    assert loans.read_bytes() == before
    refused = kmflow("convert", str(loans), "new/", "--report", "r.pdf")
    assert (refused.code, (tmp_path / "new").exists()) == (2, False)


def test_a_summary_shows_a_batch_to_people(kmflow: Kmflow, converted: Path) -> None:
    source = converted.parent / "in"
    (source / "bad.xlsx").write_bytes(b"PK\x03\x04" + bytes(90))

    told = kmflow("batch-convert", "in", "out", "--parallel", "1", "--summary")
    assert told.code == 1, told.err
    book = openpyxl.load_workbook(converted / "_summary.xlsx")
    assert book.sheetnames == ["overview", "schema", "first rows", "errors"]
    shown = [row[:5] for row in book["first rows"].iter_rows(values_only=True)]
    assert ("loans.csv", "loans.parquet", None, "id", "amount") in shown
    assert ("loans.csv", "loans.parquet", 1, 1, "10.50") in shown
    assert [row[0] for row in book["errors"].iter_rows(values_only=True)] == ["file", "bad.xlsx"]
    # It is no source of a later batch, and replaces none but its own kind.
    assert kmflow("batch-convert", "out", "again", "--pattern", "*.xlsx").code == 2
    (converted / "_summary.xlsx").write_bytes(b"mine")
    assert kmflow("batch-convert", "in", "out", "--summary").code == 6
    assert (converted / "_summary.xlsx").read_bytes() == b"mine"


def test_a_summary_of_one_file_bears_its_name(kmflow: Kmflow, loans: Path, tmp_path: Path) -> None:
    assert kmflow("convert", str(loans), "--summary").code == 0
    assert kmflow("convert", str(loans), "a/loans.jsonl", "--summary").code == 0

    for path in (loans.with_name("_loans.parquet.summary.xlsx"), tmp_path / "a"):
        book = path if path.is_file() else path / "_loans.jsonl.summary.xlsx"
        rows = openpyxl.load_workbook(book)["first rows"].iter_rows(values_only=True)
        assert [row[3:] for row in rows][1:] == [("id", "amount"), (1, "10.50"), (2, None)]


def test_a_dry_run_tells_sizes_names_and_time(kmflow: Kmflow, loans: Path, tmp_path: Path) -> None:
    told = kmflow("batch-convert", "in", "out", "--dry-run", "--summary", "--json").json

    [one] = told["files"]
    assert (one["size_bytes"], one["rows"]) == (loans.stat().st_size, 2)
    assert [Path(path).name for path in one["outputs"]] == ["loans.parquet"]
    assert told["estimated_s"] >= one["seconds"] > 0
    assert told["grants"] == []
    assert not (tmp_path / "out").exists()


def test_spark_is_asked_for_and_here_is_the_fallback(
    kmflow: Kmflow, loans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("batch-convert", "in", "out", "--force-pyspark", "--parallel", "1")
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    without = kmflow(*asked)
    assert (without.code, "SPARK_REMOTE names no engine" in without.err) == (0, True)
    with socket.socket() as taken:
        # Bound, and nobody listens.
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SPARK_REMOTE", f"sc://127.0.0.1:{taken.getsockname()[1]}/;token=abc")
        dead = kmflow(*asked, "--json")
    assert (dead.code, dead.json["counts"]) == (0, {"unchanged": 1})
    assert "cannot be reached; converted on this machine" in dead.err
    assert "abc" not in dead.err
    one = kmflow("convert", str(loans), "one/", "--force-pyspark")
    assert (one.code, "converted on this machine" in one.err) == (0, True)


def test_a_folder_is_converted_by_the_engine_that_is_named(
    kmflow: Kmflow, loans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (loans.parent / "bad.xlsx").write_bytes(b"PK\x03\x04" + bytes(90))
    with SailServer() as server:
        monkeypatch.setenv("SPARK_REMOTE", f"sc://{server.address}")
        told = kmflow("batch-convert", "in", "out", "--force-pyspark", "--json")

    assert "warning" not in told.err
    assert (told.code, told.json["counts"]) == (1, {"converted": 1, "failed": 1})
    assert told.json["files"][1]["tables"][0]["rows_out"] == 2
    assert pq.read_table(loans.parents[1] / "out" / "loans.parquet").num_rows == 2
