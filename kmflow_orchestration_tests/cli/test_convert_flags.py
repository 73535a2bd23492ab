"""The rarer flags of `kmflow convert` and its kin, as a person calls them (rows D12, D20, D43)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmflow_orchestration_tests.cli.conftest import Kmflow


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
def converted(kmflow: Kmflow, loans: Path, tmp_path: Path) -> Path:
    """A batch with a table, a document and a file that clashes with nothing yet."""
    (loans.parent / "notes.md").write_text("# Risk\n\nTwo words.\n")
    (loans.parent / "old.csv").write_text("a\n1\n")
    assert kmflow("batch-convert", "in", "out", "--parallel", "1").code == 0
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
    assert "--prune removes it" in kmflow(*again).err

    assert kmflow(*again, "--prune").code == 0
    assert {path.relative_to(converted).as_posix() for path in converted.rglob("*.*")} == {
        *("loans.csv.parquet", "_loans.csv.parquet.manifest.json"),
        *("loans.json.parquet", "_loans.json.parquet.manifest.json"),
        "notes_parquet/mine.txt",
    }
    assert kmflow(*again, "--json").json["stale"] == []


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
