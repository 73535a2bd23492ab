"""What commands print for programs is JSON that every reader takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kmflow_orchestration.cli.main import main
from kmflow_orchestration.cli.output import show_json


def test_numbers_that_json_has_not_are_told_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"rows": [{"x": float("nan"), "y": (float("inf"), -float("inf")), "z": 1.5}]})

    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told == {"rows": [{"x": "NaN", "y": ["Infinity", "-Infinity"], "z": 1.5}]}


def test_a_command_that_fails_tells_it_as_one_object(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = main(["convert", str(tmp_path / "nothing.csv"), "--json"])

    told = json.loads(capsys.readouterr().out)
    assert told["error"]["code"] == "KM-CONVERT-005"
    assert (code, told["error"]["exit_code"]) == (2, 2)


def test_a_batch_with_a_file_that_fails_shows_its_own_object_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "empty.csv").touch()

    assert main(["batch-convert", str(inbox), str(tmp_path / "out"), "--json"]) == 1

    told = json.loads(capsys.readouterr().out)
    assert [one["path"] for one in told["files"]] == ["empty.csv"]
    assert "error" not in told


def test_without_json_a_failure_shows_nothing_on_stdout(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["convert", str(tmp_path / "nothing.csv")]) == 2
    assert capsys.readouterr().out == ""
