"""`kmflow migrate to-databricks|from-databricks` and `kmflow verify migration`, as an operator."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from kmflow_orchestration_tests.cli.conftest import Kmflow
from kmflow_orchestration_tests.embedded import Room

FAILED, USAGE, CONFIGURATION = 1, 2, 3
TO = ("migrate", "to-databricks", "--group", "acme", "--source-dir")
FROM = ("migrate", "from-databricks", "--group", "acme")
VERIFY = ("verify", "migration", "--group", "acme", "--source-dir")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("deadbeef_a.csv", "b.csv"):
        file = tmp_path / "old store" / "e1" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "old store"


@pytest.fixture
def acme(kmflow: Kmflow, on_workspace: Room, monkeypatch: pytest.MonkeyPatch) -> Kmflow:
    """A group with its Volume and table; the process still stores on local disk."""
    assert kmflow("provision", "--group", "acme").code == 0
    monkeypatch.setenv("STORAGE_BACKEND", "local")
    return kmflow


def test_an_operator_goes_there_checks_it_and_comes_back(
    acme: Kmflow, tree: Path, tmp_path: Path, home: Path
) -> None:
    plan = acme(*TO, str(tree), "--dry-run", "--json")
    assert (plan.code, plan.json["to_send"]) == (0, {"files": 2, "bytes": 19})
    assert plan.json["estimated_seconds"] >= 0
    assert "nothing was written" in acme(*TO, str(tree), "--dry-run").err
    assert acme(*VERIFY, str(tree)).code == FAILED
    assert not (home / "migrations").exists()

    report = tmp_path / "report.json"
    place = ("--catalog", "kmflow", "--schema", "acme", "--volume", "raw_evidence")
    done = acme(*TO, str(tree), *place, "--report", str(report), "--verify", "hash", "--json")
    assert (done.code, done.json["sent"], done.err) == (0, {"files": 2, "bytes": 19}, "")
    names = {file["file_name"] for file in json.loads(report.read_text())["all_files"]}
    assert names == {"a.csv", "b.csv"}
    again = acme(*TO, str(tree), "--resume", "--json")
    assert (again.code, again.json["sent"]["files"]) == (0, 0)

    verified = acme(*VERIFY, str(tree), "--json")
    assert (verified.code, verified.json["equal"]) == (0, True)
    shown = acme(*VERIFY, str(tree), "--quick")
    assert "engagement folders one level down, which are no files: 1 there, 1 stored" in shown.err

    back = acme(*FROM, "--json")
    assert (back.code, back.json["fetched"]["files"]) == (0, 2)
    own = home / "evidence_store" / "acme" / "evidence_store"
    assert back.json["target"] == str(own)
    assert sorted(file.read_text() for file in own.rglob("*.csv")) == ["b.csv", "deadbeef_a.csv"]
    assert acme(*VERIFY, str(own)).code == 0


def test_a_file_that_fails_is_named_and_the_exit_code_says_so(acme: Kmflow, tree: Path) -> None:
    (tree / "stray.csv").write_text("x")

    done = acme(*TO, str(tree), "--json")

    assert (done.code, done.json["sent"]["files"]) == (FAILED, 2)
    assert [file["path"] for file in done.json["failed"]] == ["stray.csv"]
    assert "stray.csv: no_engagement" in done.err


@pytest.mark.sqlite
def test_wrong_words_are_usage_errors_and_reach_nobody(
    kmflow: Kmflow, on_workspace: Room, tree: Path, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere")
    for words in (
        (*TO, nowhere),
        (*TO, str(tree), "--catalog", "other"),
        (*TO, str(tree), "--workers", "0"),
        (*FROM, "--target-dir", nowhere, "--volume", "other"),
        (*FROM, "--target-dir", nowhere, "--since", "yesterday"),
        (*VERIFY[:-1],),
        (*VERIFY, str(tree), "--inventory", nowhere),
    ):
        assert kmflow(*words).code == USAGE, words
    unknown = ("migrate", "to-databricks", "--group", "acne", "--source-dir", str(tree))
    assert kmflow(*unknown).code == CONFIGURATION
    assert on_workspace.server.requests().count() == 0


def test_rows_of_other_files_in_the_volume_are_written_when_asked_for(
    acme: Kmflow, tree: Path, on_workspace: Room
) -> None:
    def stored() -> int:
        shown = acme(*VERIFY, str(tree), "--quick", "--json").json
        return len(shown["extra"])

    client = on_workspace.admin_client()
    day = "/Volumes/kmflow/acme/raw_evidence/evidence_store/e1/2026-11-20"
    client.files.upload(f"{day}/0123456789abcdef_lonely.csv", io.BytesIO(b"x"), overwrite=False)

    plan = acme(*TO, str(tree), "--backfill-metadata", "--dry-run")
    done = acme(*TO, str(tree), "--backfill-metadata")
    again = acme(*TO, str(tree), "--backfill-metadata")

    assert "1 rows of other files in the Volume would be inserted" in plan.err
    assert "1 rows of other files in the Volume inserted" in done.err
    assert "0 rows of other files in the Volume inserted" in again.err
    assert (done.code, again.code, stored()) == (0, 0, 1)
