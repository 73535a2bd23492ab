"""`kmflow inventory`."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from kmflow_orchestration_tests.cli.conftest import Kmflow

FAILED, USAGE = 1, 2


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, content in {"e1/b.csv": "bb", "e1/deep/a.csv": "a", "e2/c, d.csv": "ccc"}.items():
        file = tmp_path / "tree" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path / "tree"


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def test_it_lists_sorted_files_with_hashes_and_totals(kmflow: Kmflow, tree: Path) -> None:
    outcome = kmflow("inventory", "--source-dir", str(tree), "--json")

    assert outcome.code == 0
    assert outcome.json["files"] == [
        {"path": "e1/b.csv", "engagement": "e1", "bytes": 2, "sha256": digest("bb")},
        {"path": "e1/deep/a.csv", "engagement": "e1", "bytes": 1, "sha256": digest("a")},
        {"path": "e2/c, d.csv", "engagement": "e2", "bytes": 3, "sha256": digest("ccc")},
    ]
    assert outcome.json["totals"] == {
        "files": 3,
        "bytes": 6,
        "engagement_folders": 2,
        "engagements": {"e1": {"files": 2, "bytes": 3}, "e2": {"files": 1, "bytes": 3}},
    }


@pytest.mark.parametrize(("name", "form"), [("i.json", ()), ("i.csv", ()), ("i", ("csv",))])
def test_a_report_holds_the_same_in_either_form(
    kmflow: Kmflow, tree: Path, tmp_path: Path, name: str, form: tuple[str, ...]
) -> None:
    file = tmp_path / "reports" / name
    given = [word for one in form for word in ("--format", one)]

    outcome = kmflow("inventory", "--source-dir", str(tree), "--report", str(file), *given)

    assert (outcome.code, "total" in outcome.out) == (0, True)
    if name.endswith(".json"):
        rows = json.loads(file.read_text())["files"]
    else:
        rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [(row["path"], int(row["bytes"]), row["sha256"]) for row in rows] == [
        ("e1/b.csv", 2, digest("bb")),
        ("e1/deep/a.csv", 1, digest("a")),
        ("e2/c, d.csv", 3, digest("ccc")),
    ]
    assert [one.name for one in file.parent.iterdir()] == [name]


def test_a_broken_link_is_a_problem_and_the_exit_code_says_so(kmflow: Kmflow, tree: Path) -> None:
    (tree / "e1" / "broken.csv").symlink_to(tree / "nothing")

    outcome = kmflow("inventory", "--source-dir", str(tree), "--json")

    assert (outcome.code, len(outcome.json["files"])) == (FAILED, 3)
    (problem,) = outcome.json["problems"]
    assert (problem["path"], problem["code"]) == ("e1/broken.csv", "broken_link")
    assert "e1/broken.csv: broken_link" in outcome.err


def test_what_is_piped_holds_no_progress(kmflow: Kmflow, tree: Path) -> None:
    outcome = kmflow("inventory", "--source-dir", str(tree))
    assert (outcome.err, outcome.code, "total" in outcome.out) == ("", 0, True)


def test_no_folder_is_a_usage_error(kmflow: Kmflow, tmp_path: Path) -> None:
    outcome = kmflow("inventory", "--source-dir", str(tmp_path / "nowhere"))
    assert (outcome.code, "--source-dir" in outcome.err) == (USAGE, True)
