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
    kmflow: Kmflow, loans: Path, tmp_path: Path, name: str, form: str, code: int
) -> None:
    told = kmflow("convert", str(loans), f"out/{name}", "-f", form)

    assert told.code == code, told.err
    assert (tmp_path / "out" / name).exists() is (code == 0)
    if code:
        assert f".{name.partition('.')[2]}" in told.err
        assert f"--format {form}" in told.err
