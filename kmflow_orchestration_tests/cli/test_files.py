"""`kmflow files why`, as a person and as a program see it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from kmflow_orchestration_tests.cli.conftest import Kmflow


def test_a_file_is_explained_for_people_and_programs(
    kmflow: Kmflow, groups_file: Callable[..., str], tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    (landing / "e1").mkdir(parents=True)
    (landing / "e1" / "loans.csv").write_text("id\n1\n")
    os.utime(landing / "e1" / "loans.csv", (1_000_000_000, 1_000_000_000))
    assert kmflow("group", "import", groups_file(landing_path=str(landing))).code == 0

    shown = kmflow("files", "why", "e1/loans.csv", "--group", "acme")
    told = kmflow("files", "why", str(landing / "e1" / ".x"), "--group", "acme", "--json")
    unknown = hashlib.sha256(b"nothing").hexdigest()
    nowhere = kmflow("files", "why", unknown, "--group", "acme")

    assert (shown.code, told.code, nowhere.code) == (0, 0, 1)
    assert "e1/loans.csv was never seen" in shown.err
    assert "now: new: the next look takes it in" in shown.err
    (path,) = told.json["paths"]
    assert (path["path"], path["was_seen"], path["outlook"]["verdict"]) == (
        *("e1/.x", False, "ignored"),
    )
    assert "no file of acme ever had this content" in nowhere.err


def test_a_name_that_is_no_text_is_explained_too(
    kmflow: Kmflow, groups_file: Callable[..., str], tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    (landing / "e1").mkdir(parents=True)
    name = os.fsdecode(b"e1/caf\xe9.csv")
    (landing / name).write_text("id\n1\n")
    assert kmflow("group", "import", groups_file(landing_path=str(landing))).code == 0

    shown = kmflow("files", "why", name, "--group", "acme")
    told = kmflow("files", "why", name, "--group", "acme", "--json")

    assert (shown.code, told.code) == (0, 0)
    assert "e1/caf\\xe9.csv was never seen" in shown.err
    assert "quarantined: a name that is no UTF-8" in shown.err
    (path,) = told.json["paths"]
    assert (path["path"], path["outlook"]["code"]) == ("e1/caf\\xe9.csv", "bad_name")


def test_an_unknown_group_and_a_path_elsewhere_are_refused(
    kmflow: Kmflow, groups_file: Callable[..., str]
) -> None:
    assert kmflow("group", "import", groups_file()).code == 0
    assert kmflow("files", "why", "e1/a.csv", "--group", "nobody").code == 3
    assert kmflow("files", "why", "/etc/passwd", "--group", "acme").code == 6
